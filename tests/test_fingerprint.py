"""Copies of a real clip look alike to the fingerprint, and other clips do not."""

from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.clip_rules import IngestConfig
from ditto_models import assets, video
from ditto_models.base import Frames
from ditto_models.embedded.fingerprint import FingerprintIndex, fingerprint

LIMIT = IngestConfig().duplicate_bits


def bits(one: Frames, other: Frames) -> float:
    pairs = zip(fingerprint(one), fingerprint(other), strict=True)
    return float(np.mean([(first ^ second).bit_count() for first, second in pairs]))


@pytest.fixture(scope="module")
def clips() -> dict[str, Frames]:
    """Three looks at the first 49 frames of every sample clip."""
    return {
        path.name: video.read_window(path, 0.0, None, 49, 640, 272).frames[[5, 24, 43]]
        for path in sorted(assets.sample_clips().iterdir())
    }


@pytest.mark.slow
def test_recoded_scaled_and_brightened_copies_are_known_again(clips: dict[str, Frames], tmp_path: Path) -> None:
    for name, clip in clips.items():
        video.write(tmp_path / "coarse.mp4", clip, 25.0, crf=35)
        half = np.stack([np.asarray(cv2.resize(frame, (320, 136)), np.uint8) for frame in clip])
        bright = np.clip(clip * 1.2 + 8, 0, 255).astype(np.uint8)
        for copy in (video.read(tmp_path / "coarse.mp4").frames, half, bright):
            assert bits(clip, copy) <= LIMIT / 2, name


@pytest.mark.slow
def test_other_clips_are_far_off(clips: dict[str, Frames]) -> None:
    for one, other in combinations(clips.values(), 2):
        assert bits(one, other) > 2 * LIMIT


def test_the_index_finds_the_nearest_of_other_sources() -> None:
    index = FingerprintIndex(LIMIT)
    assert index.nearest((0,), besides="a") is None
    for name, seen in {"a": 0b0, "b": 0b111, "c": 0b11}.items():
        index.add(name, (seen,))
    assert index.nearest((0b1,), besides="a") == ("c", 1.0)
    assert index.nearest((0b1,), besides="c") == ("a", 1.0)
    for number in range(3000):  # past its first growth
        index.add("d", (number << 20,))
    assert index.nearest((0b111,), besides="d") == ("b", 0.0)
    index.add("e", (0b111, 0b111))
    assert index.nearest((0b111,), besides="b") != ("e", 0.0), "what was seen in another way is not compared"
