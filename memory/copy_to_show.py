"""A copy of a ledger for others to read: without what people said and did not give away."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from memory.group_commit import LedgerError

_PRIVATE = (
    "SELECT id FROM samples WHERE json_extract(payload, '$.conversation') AND NOT json_extract(payload, '$.consent')"
)


def copy_to_show(ledger: Path, target: Path) -> int:
    """Write the copy; returns how many conversations it leaves out, which are those without their person's consent.

    Nobody's orders are in it. What is projected from samples is made anew when it is opened.

    Raises:
        LedgerError: the ledger cannot be read, or the disk is full.
    """
    wal = ledger.with_name(f"{ledger.name}-wal")
    fixed = "" if wal.exists() or os.access(ledger.parent, os.W_OK) else "&immutable=1"
    address = f"{ledger.absolute().as_uri()}?mode=ro{fixed}"
    try:
        with closing(sqlite3.connect(address, uri=True)) as whole, closing(sqlite3.connect(target)) as copy:
            whole.backup(copy)
            copy.execute("DROP TABLE IF EXISTS listed")
            copy.execute("DELETE FROM commands")
            copy.execute(f"DELETE FROM events WHERE sample_id IN ({_PRIVATE})")
            left_out = copy.execute(f"DELETE FROM samples WHERE id IN ({_PRIVATE})").rowcount
            copy.commit()
    except sqlite3.Error as error:
        raise LedgerError(f"ledger {str(ledger)!r} cannot be copied ({error}); what it has stays") from error
    return left_out
