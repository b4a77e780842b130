"""Which geometry a clip is trained at: pairs of one bucket have one shape and can share a batch. Pure numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ditto_models.gpu.geometry import WAN


class Bucket(BaseModel):
    """Frames, height and width that Wan can take: 4k+1 frames, sides in multiples of 16 pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(ge=1)
    height: int = Field(ge=16)
    width: int = Field(ge=16)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.frames % WAN.frames_step != 1 or self.height % WAN.side_step or self.width % WAN.side_step:
            raise ValueError(f"bucket {self} does not suit Wan; expected 4k+1 frames and sides in multiples of 16")
        return self

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """CTHW of a video's latents: Wan's VAE makes 16 channels of 8x8 pixels, one frame and then four."""
        return 16, (self.frames - 1) // WAN.frames_step + 1, self.height // 8, self.width // 8

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.frames}"


def bucket_of(frames: int, height: int, width: int, buckets: Sequence[Bucket]) -> Bucket | None:
    """The bucket of the nearest aspect among those that a clip of this size fills in time; None where it is too short.

    Of several as near the one that uses most of the clip: most frames, then most pixels. Clips are cropped about their
    centre and scaled, never stretched, and cut at the end; one that is smaller than its bucket is scaled up.
    """
    long_enough = [bucket for bucket in buckets if bucket.frames <= frames]
    if not long_enough:
        return None
    aspect = math.log(width / height)

    def rank(bucket: Bucket) -> tuple[float, int, int]:
        away = abs(math.log(bucket.width / bucket.height) - aspect)
        return round(away, 3), -bucket.frames, -bucket.height * bucket.width

    return min(long_enough, key=rank)
