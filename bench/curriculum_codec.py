"""A linear codec with the geometry of Wan's VAE: 16 channels, 8x8 pixels, one frame and then four to a latent frame.

It stands in for the VAE: one of random weights encodes nothing, and training one is a work of its own. Principal
components, first frames and groups of four apart, each scaled to unit deviation, as Wan's latents are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CELL, CHANNELS, GROUP = 8, 16, 4
Array = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Projection:
    """From cells of N numbers to 16 channels and back."""

    mean: Array
    basis: Array
    """16 rows of N."""
    deviation: Array

    def encode(self, cells: Array) -> Array:
        """(..., N) to (..., 16)."""
        return np.asarray(((cells - self.mean) @ self.basis.T) / self.deviation, np.float32)

    def decode(self, channels: Array) -> Array:
        """(..., 16) to (..., N)."""
        return np.asarray((channels * self.deviation) @ self.basis + self.mean, np.float32)


@dataclass(frozen=True, kw_only=True)
class LinearCodec:
    """Clips of uint8 THWC in RGB to latents CTHW and back."""

    first: Projection
    later: Projection

    def encode(self, clip: npt.NDArray[np.uint8] | Array) -> Array:
        """4k+1 frames to k+1 latent frames."""
        values = clip.astype(np.float32) / 127.5 - 1
        latents = [self.first.encode(_cells(values[:1]))]
        latents += [self.later.encode(_cells(values[at : at + GROUP])) for at in range(1, len(values), GROUP)]
        return np.stack(latents).transpose(3, 0, 1, 2)

    def decode(self, latents_CTHW: Array) -> npt.NDArray[np.uint8]:
        """k+1 latent frames to 4k+1 frames."""
        of_frames = latents_CTHW.transpose(1, 2, 3, 0)
        parts = [_pixels(self.first.decode(of_frames[0]), 1)]
        parts += [_pixels(self.later.decode(each), GROUP) for each in of_frames[1:]]
        clip: npt.NDArray[np.uint8] = np.clip((np.concatenate(parts) + 1) * 127.5, 0, 255).round().astype(np.uint8)
        return clip


def fit(clips: Sequence[npt.NDArray[np.uint8]]) -> LinearCodec:
    """The codec that loses least of these clips."""
    values = [clip.astype(np.float32) / 127.5 - 1 for clip in clips]
    groups = [each[at : at + GROUP] for each in values for at in range(1, len(each), GROUP)]
    return LinearCodec(first=_fitted([each[:1] for each in values]), later=_fitted(groups))


def peak_signal_to_noise(codec: LinearCodec, clips: Sequence[npt.NDArray[np.uint8]]) -> float:
    """Of what comes back, in decibels."""
    wrong = [np.square(codec.decode(codec.encode(clip)).astype(np.float32) - clip).mean() for clip in clips]
    return float(10 * np.log10(255**2 / np.mean(wrong)))


def _fitted(groups: Sequence[Array]) -> Projection:
    cells = np.concatenate([_cells(group).reshape(-1, group.shape[0] * CELL * CELL * 3) for group in groups])
    mean = cells.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(cells - mean, rowvar=False))
    basis = vectors[:, ::-1][:, :CHANNELS].T
    return Projection(
        mean=mean,
        basis=np.ascontiguousarray(basis, np.float32),
        deviation=np.sqrt(values[::-1][:CHANNELS]).astype(np.float32),
    )


def _cells(frames_THWC: Array) -> Array:
    """To rows, columns, numbers of a cell."""
    time, height, width, channels = frames_THWC.shape
    split = frames_THWC.reshape(time, height // CELL, CELL, width // CELL, CELL, channels)
    return split.transpose(1, 3, 0, 2, 4, 5).reshape(height // CELL, width // CELL, -1)


def _pixels(cells: Array, frames: int) -> Array:
    rows, columns, _ = cells.shape
    split = cells.reshape(rows, columns, frames, CELL, CELL, 3).transpose(2, 0, 3, 1, 4, 5)
    return split.reshape(frames, rows * CELL, columns * CELL, 3)
