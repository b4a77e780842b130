"""The loss on pairs that are not trained on, with the instruction alone: what the editor is to be good at."""

from __future__ import annotations

from collections.abc import Sequence

from ditto_models.train.batch_reading import SkippedPairs, read_item
from ditto_models.train.items import Items
from ditto_models.train.pairs import PairInBucket, UnusablePair
from ditto_models.train.processes import Processes
from ditto_models.train.step import Sample, Stepper

_DRAWS = -1
"""The step whose noise it takes: the same every time, so that figures can be compared, and none of the training's."""


class Validation:
    """Of the weights as they are in the network."""

    def __init__(
        self,
        items: Items,
        pairs_with_buckets: Sequence[PairInBucket],
        skipped: SkippedPairs,
        processes: Processes,
        stepper: Stepper,
    ) -> None:
        self._items = items
        self._pairs = pairs_with_buckets
        self._skipped = skipped
        self._processes = processes
        self._stepper = stepper

    def loss(self, step: int) -> float | None:
        """Mean over the pairs, after so many steps; None where none can be used."""
        import torch

        samples = self._samples(step)
        if samples is None:
            return None
        total = 0.0
        with torch.no_grad():
            for sample, counts in samples:
                [loss] = self._stepper.losses(_DRAWS, [sample], [False]).tolist()
                total += loss * counts
        summed, count = self._processes.summed([total, sum(counts for _, counts in samples)])
        return summed / count

    def _samples(self, step: int) -> list[tuple[Sample, bool]] | None:
        """This process's, and whether each counts: all processes pass as many through the network, since sharded
        weights are gathered together; what is short is filled up."""
        while True:
            usable = [(place, *each) for place, each in enumerate(self._pairs) if each[0] not in self._skipped]
            if not usable:
                return None
            rounds = -(-len(usable) // self._processes.count)
            numbers = range(self._processes.number, rounds * self._processes.count, self._processes.count)
            found, problems = [], []
            for number in numbers:
                place, pair, bucket = usable[number % len(usable)]
                item = read_item(self._items, pair, bucket)
                if isinstance(item, UnusablePair):
                    problems.append(item)
                else:
                    found.append((Sample(place=place, pair_id=pair.id, item=item), number < len(usable)))
            if not self._skipped.agree(problems, step):
                return found
