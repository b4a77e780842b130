"""Which accepted pair lies in which shard: by its place among the accepted, but for a few that change places.

`datasets` takes the types of all columns from one shard, and which one is left to chance. A score that is null on every
line of that shard has no type there, and the numbers of the others are then refused. So each shard is given a pair with
a number, wherever another shard can spare one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Place:
    """A pair, by its id, and the axes on which it has a number."""

    id: str
    judged: frozenset[str]


class Shard:
    """The pairs of a shard in order, and how many have a number on each axis."""

    def __init__(self, places: Iterable[Place]) -> None:
        self.places = list(places)
        self.counts = Counter(axis for place in self.places for axis in place.judged)

    @property
    def judged(self) -> frozenset[str]:
        """The axes on which some pair has a number."""
        return frozenset(axis for axis, count in self.counts.items() if count)

    def append(self, place: Place) -> None:
        """Put one more pair at the end."""
        self.places.append(place)
        self.counts.update(place.judged)

    def exchange(self, out: Place, into: Place) -> None:
        """Put one pair in the place of another."""
        self.places[self.places.index(out)] = into
        self.counts.subtract(out.judged)
        self.counts.update(into.judged)

    def newest_of_each_kind(self) -> list[Place]:
        """One pair for each set of judged axes, the best judged first."""
        kinds = {place.judged: place for place in self.places}
        return sorted(kinds.values(), key=lambda place: (-len(place.judged), place.id))

    def may_exchange(self, out: Place, into: Place) -> bool:
        """Whether every axis with a number keeps one."""
        return all(axis in into.judged or self.counts[axis] > 1 for axis in out.judged)


def evened_out(shards: Sequence[Shard]) -> None:
    """Exchange pairs, in place, until every shard has a number on each axis that another can spare one of.

    The same shards always end the same. A neighbour gives first, the one before rather than the one after.
    """
    wanted = frozenset[str]().union(*(shard.judged for shard in shards))
    for number, poor in enumerate(shards):
        for rich in (*shards[:number][::-1], *shards[number + 1 :]):
            if poor.judged == wanted:
                break
            even_out(poor, rich)


def even_out(poor: Shard, rich: Shard) -> list[tuple[Place, Place]]:
    """Exchange pairs until `poor` has a number on every axis that `rich` can spare one of.

    Returns the exchanges: what `rich` gave, and what it got. No shard loses the last number of an axis by one.
    """
    done = []
    for axis in sorted(axis for axis, count in rich.counts.items() if count > 1):
        if poor.counts[axis]:
            continue
        found = next(
            (
                (given, taken)
                for given in rich.newest_of_each_kind()
                if axis in given.judged
                for taken in poor.newest_of_each_kind()[::-1]
                if rich.may_exchange(given, taken) and poor.may_exchange(taken, given)
            ),
            None,
        )
        if found:
            given, taken = found
            rich.exchange(given, taken)
            poor.exchange(taken, given)
            done.append(found)
    return done
