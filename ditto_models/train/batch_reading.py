"""The items of a step's whole batch; pairs that turn out unusable are named, skipped, and others stand in for them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ditto_models.gpu.buckets import Bucket
from ditto_models.train.batches import StepPlan
from ditto_models.train.curriculum import chance
from ditto_models.train.items import Item, Items
from ditto_models.train.pairs import PairInBucket, TrainingPair, UnusablePair
from ditto_models.train.processes import Processes
from ditto_models.train.step import Sample, TrainingFailed
from ditto_models.train.whole_file import write_whole

SKIPPED = "skipped.jsonl"


class SkippedPairs:
    """Those that cannot be used, in CKPT/skipped.jsonl and the same on all processes."""

    def __init__(self, out: Path, processes: Processes) -> None:
        self._path = out / SKIPPED
        self._processes = processes
        self._lines = processes.broadcast(self._path.read_text().splitlines() if self._path.is_file() else [])
        self._steps: dict[str, int] = {}
        for line in self._lines:
            entry = json.loads(line)
            self._steps.setdefault(entry["pair"], entry["step"])

    def __contains__(self, pair: TrainingPair) -> bool:
        return pair.id in self._steps

    def at_start(self, pair: TrainingPair) -> bool:
        """Whether it was skipped before the first step; such are no part of the plan, in later sessions neither."""
        return self._steps.get(pair.id) == 0

    def agree(self, mine: Sequence[UnusablePair], step: int) -> bool:
        """Skip what was found unusable at a step (0: before the first of all) on any process; says whether anything
        was."""
        if not self._processes.summed([len(mine)])[0]:
            return False
        found = {each.pair_id: each for each in self._processes.gathered(list(mine)) if each.pair_id not in self._steps}
        self._steps |= dict.fromkeys(found, step)
        if self._processes.is_main:
            self._write(found.values(), step)
        return True

    def _write(self, found: Iterable[UnusablePair], step: int) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        for each in found:
            print(f"skipped {each}", file=sys.stderr)
            self._lines.append(json.dumps({"pair": each.pair_id, "problem": str(each), "step": step, "at": at}))
        # Whole: the plan of every later session follows from it, and a full disk tears what is appended.
        write_whole(self._path, (f"{line}\n".encode() for line in self._lines))


class BatchReader:
    """Reads this process's share of whole batches."""

    def __init__(
        self,
        items: Items,
        pairs_with_buckets: Iterable[PairInBucket],
        skipped: SkippedPairs,
        seed: int,
        places: Sequence[int],
    ) -> None:
        self._items = items
        self._members: dict[Bucket, list[TrainingPair]] = {}
        for pair, bucket in pairs_with_buckets:
            self._members.setdefault(bucket, []).append(pair)
        self._skipped = skipped
        self._seed = seed
        self._places = places

    def samples(self, number: int, plan: StepPlan) -> list[Sample]:
        """Those of step `number`, from 0.

        Which pair stands in for an unusable one follows from seed, step and place: it is the same on every process, and
        whether the pair was known to be unusable or is found so only now.

        Raises:
            TrainingFailed: no pair of the bucket can be used any more.
        """
        found: dict[int, Sample] = {}
        while True:
            problems = []
            for place in self._places:
                if place in found:
                    continue
                pair = self._usable(number, place, plan)
                read = read_item(self._items, pair, plan.bucket)
                if isinstance(read, UnusablePair):
                    problems.append(read)
                else:
                    found[place] = Sample(place=place, pair_id=pair.id, item=read)
            if not self._skipped.agree(problems, number + 1):
                return [found[place] for place in self._places]

    def _usable(self, number: int, place: int, plan: StepPlan) -> TrainingPair:
        planned = plan.pairs[place]
        if planned not in self._skipped:
            return planned
        members = self._members[plan.bucket]
        begin = int(chance(f"stands in {self._seed} {number} {place}") * len(members))
        for pair in (*members[begin:], *members[:begin]):
            if pair not in self._skipped:
                return pair
        raise TrainingFailed(
            f"step {number + 1}: none of the {len(members)} pairs of bucket {plan.bucket} can be used any more; "
            f"{SKIPPED} says why; mend them, or train into a new --out"
        )


def read_item(items: Items, pair: TrainingPair, bucket: Bucket) -> Item | UnusablePair:
    """The pair's item, or why there is none."""
    try:
        return items.get(pair, bucket)
    except UnusablePair as error:
        return error
