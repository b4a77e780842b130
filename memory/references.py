"""Which sample refers to which artifact: a table beside the events, written with each of them.

Samples share artifacts (those of one clip its video, masks and key frames), so before one is removed this is asked. A
reference stands there by the first 8 bytes of its sha256; two that agree in them count as one, which only ever keeps a
file too many.
"""

from __future__ import annotations

import re

SCHEMA = """CREATE TABLE IF NOT EXISTS held (
    artifact INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (artifact, number)) WITHOUT ROWID;"""
UNKNOWN = "SELECT NOT EXISTS (SELECT 1 FROM held) AND EXISTS (SELECT 1 FROM events)"
"""Whether events were written before there was this table."""
ADD = "INSERT OR IGNORE INTO held VALUES (?, ?)"
HELD_BY_OTHERS = """SELECT 1 FROM held JOIN samples ON samples.number = held.number
    WHERE held.artifact = ? AND held.number != ? AND (json_extract(samples.payload, '$.artifacts') IS NULL
    OR json_extract(samples.payload, '$.artifacts') = 'kept' OR json_extract(samples.payload, '$.sheet') = ?) LIMIT 1"""
"""Another sample that still has its artifacts, or whose contact sheet this is."""
_REFERENCE = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}\.[a-z0-9]{1,5}(?![a-z0-9])")


def references(text: str) -> list[str]:
    """Every artifact that a text, an event for one, refers to; each once, in order."""
    return list(dict.fromkeys(_REFERENCE.findall(text)))


def artifact_key(reference: str) -> int:
    """How the table knows an artifact: a signed 64-bit number."""
    return int.from_bytes(bytes.fromhex(reference[:16]), signed=True)
