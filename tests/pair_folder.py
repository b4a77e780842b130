"""A small dataset folder in the contract's layout, with real videos: what the trainer reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ditto_models import video
from tests.scenes import FPS, scene

FRAMES, HEIGHT, WIDTH = 9, 48, 80


def row(pair_id: str, **changes: Any) -> dict[str, Any]:
    """A line of metadata, with the keys that the trainer reads and one that it does not."""
    return {
        "id": pair_id,
        "source_file_name": f"source/{pair_id}.mp4",
        "edited_file_name": f"edited/{pair_id}.mp4",
        "key_frame_edited_path": f"key_frame_edited/{pair_id}.png",
        "key_frame_index": 0,
        "instruction": f"make it number {pair_id}",
        "edit_type": "style",
        "scope": "global",
        "split": "train",
        "scores": {"edit_applied": 0.9, "motion": None},
        "frames": FRAMES,
        "width": WIDTH,
        "height": HEIGHT,
    } | changes


def write_pair(shard: Path, pair_id: str, seed: int = 0, **changes: Any) -> None:
    """Files of a pair, and its line."""
    for folder in ("source", "edited", "key_frame_edited"):
        (shard / folder).mkdir(parents=True, exist_ok=True)
    line = row(pair_id, **changes)
    source = scene(line["frames"], seed, line["height"], line["width"])
    edited = (255 - source).astype(np.uint8)
    video.write(shard / "source" / f"{pair_id}.mp4", source, FPS)
    video.write(shard / "edited" / f"{pair_id}.mp4", edited, FPS)
    key_frame = cv2.cvtColor(edited[0], cv2.COLOR_RGB2BGR)
    (shard / "key_frame_edited" / f"{pair_id}.png").write_bytes(cv2.imencode(".png", key_frame)[1].tobytes())
    append_row(shard, line)


def append_row(shard: Path, line: dict[str, Any], end: str = "\n") -> None:
    """A line alone."""
    shard.mkdir(parents=True, exist_ok=True)
    with (shard / "metadata.jsonl").open("a") as file:
        file.write(json.dumps(line) + end)
