"""What the borders of ingest rest on: motion of clips against stills, and of copies against other clips.

python -m bench.clip_borders [--dinov2 FOLDER]

Motion in pixels a frame at 640 across (clips.min_motion), distance in bits of 64 (clips.duplicate_bits), over every
window of 49 frames of the sample clips; with weights of DINOv2, their cosine distance (fingerprint.max_distance).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from agent.survey import SQUARE
from ditto_models import assets, video
from ditto_models.base import Frames
from ditto_models.embedded.fingerprint import fingerprint
from ditto_models.gpu.dinov2 import Dinov2, Dinov2Config
from ditto_models.gpu.feature_index import packed, unpacked
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.metrics.liveliness import WIDTH, LivelinessMeter

FRAMES, HEIGHT = 49, 272
LOOKS = [5, 24, 43]
NOISE_LEVELS = 6.0
CROP_SHARE = 40
"""A crop leaves out one part in so many at each side: a twentieth in all."""


Distance = Callable[[Frames, Frames], float]
"""Between the looks of two windows."""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser("python -m bench.clip_borders", description=__doc__.splitlines()[0])
    parser.add_argument("--dinov2", help="a folder or hub's name of weights, in place of hashes")
    options = parser.parse_args()
    distance, unit = (_by_features(options.dinov2), "cosine") if options.dinov2 else (_bits, "bits")
    digits = 3 if options.dinov2 else 1
    windows = {
        (path.name, first): frames[first : first + FRAMES]
        for path in sorted(assets.sample_clips().iterdir())
        for frames in [_whole(path)]
        for first in range(0, len(frames) - FRAMES + 1, FRAMES)
    }
    print(
        f"{'window':24}{'motion':>8}{'of a still in noise':>21}"
        f"{'coarse':>9}{'half':>6}{'bright':>8}{'crop':>6}   {unit}"
    )
    for (name, first), frames in windows.items():
        looks = frames[LOOKS]
        half = np.stack([np.asarray(cv2.resize(frame, (320, HEIGHT // 2)), np.uint8) for frame in looks])
        bright = np.clip(looks * 1.2 + 8, 0, 255).astype(np.uint8)
        down, across = HEIGHT // CROP_SHARE, 640 // CROP_SHARE
        copies = (_coded(looks, 35), half, bright, looks[:, down:-down, across:-across])
        distances = "".join(f"{distance(looks, copy):>7.{digits}f}" for copy in copies)
        print(f"{name:18}{first:6}{_motion(frames):8.2f}{_motion(_grainy(frames)):21.2f}  {distances}")
    others = [
        distance(one[LOOKS], other[LOOKS]) for (a, one), (b, other) in combinations(windows.items(), 2) if a[0] != b[0]
    ]
    same = [
        distance(one[LOOKS], other[LOOKS]) for (a, one), (b, other) in combinations(windows.items(), 2) if a[0] == b[0]
    ]
    least = f"{min(others):.{digits}f} {unit} at least, of one source by {min(same):.{digits}f}"
    print(f"windows of other sources differ by {least}")


def _whole(path: Path) -> Frames:
    return video.read_window(path, 0.0, None, 10_000, 640, HEIGHT).frames


def _grainy(frames: Frames) -> Frames:
    """The middle frame, standing, in noise that the codec has smoothed."""
    still = frames[len(frames) // 2]
    noise = np.random.default_rng(0).normal(0, NOISE_LEVELS, (FRAMES, *still.shape))
    return _coded(np.clip(still + noise, 0, 255).astype(np.uint8), 23)


def _coded(frames: Frames, crf: int) -> Frames:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "coded.mp4"
        video.write(path, frames, 25.0, crf=crf)
        return video.read(path).frames


def _motion(frames: Frames) -> float:
    meter = LivelinessMeter()
    size = (WIDTH, round(WIDTH * HEIGHT / 640))
    looks = [
        meter.measure(
            np.asarray(
                cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA), np.uint8
            )
        )
        for frame in frames
    ]
    return float(np.mean([look.motion for look in looks[1:]]))


def _bits(one: Frames, other: Frames) -> float:
    pairs = zip(fingerprint(one), fingerprint(other), strict=True)
    return float(np.mean([(first ^ second).bit_count() for first, second in pairs]))


def _by_features(repo: str) -> Distance:
    network = Dinov2(Dinov2Config(weights=WeightsConfig(repo=repo)))

    def distance(one: Frames, other: Frames) -> float:
        kept = [
            unpacked(packed(network.embed_pictures(np.stack([video.fill(look, SQUARE, SQUARE) for look in looks]))))
            for looks in (one, other)
        ]
        return 1 - float(kept[0] @ kept[1])

    return distance


if __name__ == "__main__":
    main()
