"""Narrow tables beside the ledger's own, which SQLite's triggers keep true in the transaction that writes.

So they cannot disagree with what they are made of, add nothing to the backup's tail, and come back when the tail is
replayed. They hold nothing that the ledger does not: one that has none, or one of another making, gets it anew when
somebody who may write opens it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Projection:
    """One such table. Statements must be written as SQLite keeps them: no IF NOT EXISTS, no semicolon at the end."""

    name: str
    table: str
    """CREATE TABLE."""
    query: str
    """SELECT of its rows from the ledger's own tables."""
    triggers: Mapping[str, str]
    """CREATE TRIGGER by name."""

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Make the table and what keeps it true, and fill it, unless it is there.

        Raises:
            sqlite3.Error: nothing was changed.
        """
        if dict(connection.execute(self._known)) == self._made:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            for name in self.triggers:
                connection.execute(f"DROP TRIGGER IF EXISTS {name}")
            connection.execute(f"DROP TABLE IF EXISTS {self.name}")
            for statement in (self.table, f"INSERT INTO {self.name} {self.query}", *self.triggers.values()):
                connection.execute(statement)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def source(self, rows: Callable[[str], list[Any]]) -> str:
        """What to select from: the table, or what it would hold where a ledger that is only read has none."""
        return self.name if dict(rows(self._known)) == self._made else f"({self.query})"

    @property
    def _made(self) -> dict[str, str]:
        return {self.name: self.table, **self.triggers}

    @property
    def _known(self) -> str:
        return f"SELECT name, sql FROM sqlite_schema WHERE name IN ({', '.join(map(repr, self._made))})"
