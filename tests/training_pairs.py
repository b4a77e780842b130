"""Pairs for tests of the trainer that open no file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ditto_models.gpu.buckets import Bucket
from ditto_models.train.pairs import TrainingPair

WIDE = Bucket(frames=9, height=48, width=80)
TALL = Bucket(frames=9, height=80, width=48)


def a_pair(name: str, edit_type: str = "style", scores: Mapping[str, float | None] | None = None) -> TrainingPair:
    """One pair."""
    return TrainingPair(
        id=name,
        source=Path(f"source/{name}.mp4"),
        edited=Path(f"edited/{name}.mp4"),
        key_frame=Path(f"key_frame_edited/{name}.png"),
        instruction=f"Make it {name}.",
        edit_type=edit_type,
        scope="global",
        split="train",
        scores=scores or {},
        frames=9,
        width=80,
        height=48,
    )


def pairs_of(sizes: Mapping[Bucket, int]) -> list[tuple[TrainingPair, Bucket]]:
    """So many pairs of each bucket, the scores of which fall from the first to the last of all."""
    buckets = [bucket for bucket, size in sizes.items() for _ in range(size)]
    return [
        (a_pair(f"p{place:04d}", scores={"edit_applied": 1 - place / len(buckets)}), bucket)
        for place, bucket in enumerate(buckets)
    ]
