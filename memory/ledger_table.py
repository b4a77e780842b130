"""What tables of the ledger have in common: how they read and how they write."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from memory.tail import Recording


class LedgerTable:
    """Reads by `rows` and writes in a `transaction` of the ledger; only the run's owner writes."""

    def __init__(
        self,
        rows: Callable[[str, tuple[object, ...]], list[Any]],
        transaction: Callable[[], AbstractContextManager[Recording]],
    ) -> None:
        self._rows = rows
        self._transaction = transaction

    def _known(self, table: str, columns: str, order: str) -> list[Any]:
        """Rows; none of a ledger from before there was such a table, which only its owner may change."""
        if not self._rows("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)):
            return []
        return self._rows(f"SELECT {columns} FROM {table} ORDER BY {order}", ())
