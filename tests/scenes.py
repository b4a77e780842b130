"""Small synthetic videos: shots that move, that stand still, that are black."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ditto_models import video
from ditto_models.base import Frames

FPS = 25.0


def scene(frames: int, seed: int, height: int = 48, width: int = 64, pixels_a_frame: int = 1) -> Frames:
    """A picture of coarse random tiles that moves sideways; seeds look nothing alike."""
    tiles = np.random.default_rng(seed).integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    picture = tiles.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    return np.stack([np.roll(picture, index * pixels_a_frame, axis=1) for index in range(frames)])


def write_shots(path: Path, *lengths: int, seed: int = 0, height: int = 48, width: int = 64) -> Path:
    """A video of one shot a length, with hard cuts between."""
    shots = [scene(length, seed + place, height, width) for place, length in enumerate(lengths)]
    video.write(path, np.concatenate(shots), FPS)
    return path


def write_at(path: Path, frames: Frames, seconds: Sequence[float]) -> Path:
    """A video whose frames are shown at these seconds: a variable rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        for pixels, shown in zip(frames, seconds, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = round(shown * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
