"""What clips look like, searched for the one most alike: rows of numbers, however they are made and compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Seen = tuple[int, ...]
"""What a clip looks like, as numbers of 64 bits: what the ledger keeps."""
Rows = NDArray[Any]


class LookIndex(ABC):
    """Clips searched by the distance of their looks. Only looks of one length are compared: others were made otherwise,
    for example by a network in place of a hash."""

    limit: float
    """Distance up to which two clips are one and the same."""

    def __init__(self) -> None:
        self._tables: dict[int, _Table] = {}
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []

    @abstractmethod
    def told(self, distance: float) -> str:
        """A distance in words."""
        ...

    @abstractmethod
    def _row(self, seen: Seen) -> Rows:
        """One clip's numbers as they are compared."""
        ...

    @abstractmethod
    def _distances(self, known: Rows, wanted: Rows) -> NDArray[np.float64]:
        """Of one row to each of those known."""
        ...

    def add(self, name: str, seen: Seen) -> None:
        """Keep what a clip of the source `name` looks like."""
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        self._tables.setdefault(len(seen), _Table()).add(self._row(seen), self._numbers[name])

    def nearest(self, wanted: Seen, besides: str) -> tuple[str, float] | None:
        """The most alike of other sources than `besides`, and its distance."""
        table = self._tables.get(len(wanted), _Table())
        others = table.groups != self._numbers.get(besides, -1)
        if not others.any():
            return None
        distances = self._distances(table.rows, self._row(wanted))
        place = int(np.where(others, distances, np.inf).argmin())
        return self._names[table.groups[place]], float(distances[place])


class _Table:
    """Rows of one length and the number of each one's source, in arrays that double as they fill."""

    def __init__(self) -> None:
        self._count = 0
        self._rows: Rows = np.empty((0, 0))
        self._groups: NDArray[np.int64] = np.empty(0, np.int64)

    @property
    def rows(self) -> Rows:
        return self._rows[: self._count]

    @property
    def groups(self) -> NDArray[np.int64]:
        return self._groups[: self._count]

    def add(self, row: Rows, group: int) -> None:
        if self._count == len(self._rows):
            room = max(1024, 2 * self._count)
            rows, groups = np.empty((room, len(row)), row.dtype), np.empty(room, np.int64)
            if self._count:
                rows[: self._count], groups[: self._count] = self._rows, self._groups
            self._rows, self._groups = rows, groups
        self._rows[self._count], self._groups[self._count] = row, group
        self._count += 1
