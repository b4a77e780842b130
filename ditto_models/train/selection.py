"""Which pairs of a dataset a training reads, by its recipe, and why the others are left out. No file is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ditto_models.gpu.buckets import bucket_of
from ditto_models.train.dataset_rows import Found
from ditto_models.train.pairs import TrainingPair
from ditto_models.train.recipe import DataConfig


@dataclass(kw_only=True)
class Selection:
    """What was chosen, and what was not."""

    chosen: list[Found] = field(default_factory=list)
    """By id; of the splits train and validation."""
    left_out: dict[str, int] = field(default_factory=dict)
    """How many pairs, by reason."""
    missing: list[str] = field(default_factory=list)
    """Pairs that lack files, and which."""

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Count pairs that are not chosen."""
        self.left_out[reason] = self.left_out.get(reason, 0) + count

    def lost(self, found: Found) -> None:
        """Leave out a pair whose files are not there."""
        self.leave_out("files missing")
        self.missing.append(f"pair {found.pair.id!r}: {found.missing or 'files'} missing in {found.shard}")


def selected(every: Iterable[Found], config: DataConfig) -> Selection:
    """The pairs that the filters let through and that have their files.

    `most_pairs` counts those of the train split alone: what is held out need not be small for that.
    """
    selection = Selection()
    train: list[Found] = []
    for found in _whole(every, selection):
        if reason := _unwanted(found.pair, config):
            selection.leave_out(reason)
        elif found.pair.split == "train":
            train.append(found)
        else:
            selection.chosen.append(found)
    train.sort(key=lambda found: hashlib.sha256(found.pair.id.encode()).digest())
    most = len(train) if config.most_pairs is None else config.most_pairs
    if beyond := len(train[most:]):
        selection.leave_out(f"beyond data.most_pairs={most}", beyond)
    selection.chosen += train[:most]
    selection.chosen.sort(key=lambda found: found.pair.id)
    return selection


def _whole(every: Iterable[Found], selection: Selection) -> Iterator[Found]:
    """Each pair once; where two shards list it, from the one that has its files."""
    lacking: dict[str, Found] = {}
    seen: set[str] = set()
    for found in every:
        if found.pair.id in seen:
            continue
        if found.missing:
            lacking.setdefault(found.pair.id, found)
            continue
        seen.add(found.pair.id)
        yield found
    for pair_id in sorted(lacking.keys() - seen):
        selection.lost(lacking[pair_id])


def _unwanted(pair: TrainingPair, config: DataConfig) -> str:
    """Why a pair is left out; empty where it is not."""
    if pair.split == "test":
        return "split test"
    if config.edit_types and pair.edit_type not in config.edit_types:
        return f"edit type {pair.edit_type}"
    if config.scope not in ("both", pair.scope):
        return f"scope {pair.scope}"
    for axis, least in config.min_scores.items():
        value = pair.scores.get(axis)
        if value is None:
            return f"{axis} not judged"
        if not value >= least:
            return f"{axis} below {least:g}"
    if bucket_of(pair.frames, pair.height, pair.width, config.buckets) is None:
        return "too short for every bucket"
    return ""
