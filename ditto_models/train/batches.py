"""Which pairs are trained on at which step: an endless stream that follows from its arguments alone.

In a round every pair that may be drawn comes once; pairs that the curriculum lets in while it lasts join it. All pairs
of a step are of one bucket, so the last step of a bucket in a round is filled up with pairs that come again: those sit
out a later round.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ditto_models.gpu.buckets import Bucket
from ditto_models.train.curriculum import Curriculum
from ditto_models.train.difficulty import easiest_first
from ditto_models.train.pairs import PairInBucket, TrainingPair


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """The whole batch of one step, over all processes and passes."""

    bucket: Bucket
    pairs: tuple[TrainingPair, ...]


def plans(
    pairs_with_buckets: Sequence[PairInBucket], curriculum: Curriculum, seed: int, batch: int
) -> Iterator[StepPlan]:
    """The plan of step 0, 1, 2 and so on, without end; to resume, skip as many as there were steps.

    `batch` counts the samples of a whole step. `curriculum.order` says which share of all pairs may be drawn, easiest
    first, but never fewer than one batch of them.

    Raises:
        ValueError: there are no pairs, or the batch is empty.
    """
    if not pairs_with_buckets or batch < 1:
        raise ValueError(
            f"{len(pairs_with_buckets)} pairs in batches of {batch} make no plan; expected at least one of each"
        )
    if _takes_all(curriculum):
        ranked = list(pairs_with_buckets)
    else:
        ranked = [pairs_with_buckets[place] for place in easiest_first([pair for pair, _ in pairs_with_buckets])]
    random = np.random.default_rng(seed)
    bags = _bags([bucket for _, bucket in ranked])
    step = 0
    while True:
        allowed = max(batch, math.ceil(curriculum.order.at(step) * len(ranked) - 1e-9))
        for bag in bags:
            bag.allow(allowed)
        if not any(bag.num_left for bag in bags):
            _begin_round(bags)
        left = np.array([bag.num_left for bag in bags], np.float64)
        bag = bags[int(random.choice(len(bags), p=left / left.sum()))]
        yield StepPlan(bucket=bag.bucket, pairs=tuple(ranked[rank][0] for rank in bag.take(batch, random).tolist()))
        step += 1


def _takes_all(curriculum: Curriculum) -> bool:
    order = curriculum.order
    return order.start == 1 and (order.schedule == "off" or order.end == 1)


def _begin_round(bags: Sequence[_Bag]) -> None:
    while not any(bag.num_left for bag in bags):
        for bag in bags:
            bag.refill()


def _bags(buckets: Sequence[Bucket]) -> list[_Bag]:
    ranks: dict[Bucket, list[int]] = {}
    for rank, bucket in enumerate(buckets):
        ranks.setdefault(bucket, []).append(rank)
    return [_Bag(bucket, np.array(members, np.int64)) for bucket, members in ranks.items()]


class _Bag:
    """The pairs of one bucket, by their ranks, and those of them that are still to come in this round."""

    def __init__(self, bucket: Bucket, ranks: NDArray[np.int64]) -> None:
        self.bucket = bucket
        self.num_left = 0
        self._ranks = ranks
        self._num_allowed = 0
        self._left = np.empty_like(ranks)
        """Places in `_ranks`; the first `num_left` count."""
        self._round = 0
        self._times = np.zeros(len(ranks), np.int64)
        """In how many rounds each has come; those that are ahead of the round sit out."""

    def allow(self, num_ranks: int) -> None:
        """Pairs of lower rank may be drawn: those that are new join the round, those that may no longer leave it."""
        before, now = self._num_allowed, int(np.searchsorted(self._ranks, num_ranks))
        if now > before:
            self._times[before:now] = self._round
            self._left[self.num_left : self.num_left + now - before] = np.arange(before, now)
            self.num_left += now - before
        elif now < before:
            self._leave(np.flatnonzero(self._times[:now] == self._round))
        self._num_allowed = now

    def refill(self) -> None:
        """Begin a round, without those that are ahead of it."""
        self._round += 1
        self._leave(np.flatnonzero(self._times[: self._num_allowed] == self._round))

    def take(self, count: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Ranks of so many pairs: of this round, and where it has too few the others that came least, again."""
        taken = self._of_round(min(count, self.num_left), random)
        self._times[taken] += 1
        while (missing := count - len(taken)) > 0:
            turn = 2 * self._times[: self._num_allowed]
            turn[taken] += 1  # of those that came as often, first the ones that are not in this step
            again = random.permutation(np.flatnonzero(turn == turn.min()))[:missing]
            self._times[again] += 1
            taken = np.concatenate([taken, again])
        return np.take(self._ranks, random.permutation(taken))

    def _of_round(self, count: int, random: np.random.Generator) -> NDArray[np.int64]:
        chosen = random.choice(self.num_left, size=count, replace=False, shuffle=False)
        taken = self._left[chosen].copy()
        # What stays of the tail moves to where something was taken before it.
        keep = self.num_left - count
        stays = np.ones(count, np.bool_)
        stays[chosen[chosen >= keep] - keep] = False
        self._left[chosen[chosen < keep]] = self._left[keep : self.num_left][stays]
        self.num_left = keep
        return taken

    def _leave(self, places: NDArray[np.int64]) -> None:
        self.num_left = len(places)
        self._left[: self.num_left] = places
