"""The modality curriculum: how likely a sample is given the edited key frame, and which samples are drawn, by step.

Ditto (Bai et al. 2025, arXiv 2510.15742, section 4.2) starts Editto from instruction and edited frame, and anneals the
frame away until the instruction is all that is left. A second dial brings easy samples first. Pure numbers.
"""

from __future__ import annotations

import hashlib
import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Schedule = Literal["linear", "cosine", "step", "off"]


class Dial(BaseModel):
    """A number that goes from `start` to `end` while training goes on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schedule: Schedule = "linear"
    """How: evenly, slowly at both ends, at once in the middle of the annealing; or not at all: `start` throughout."""
    start: float = Field(default=1.0, ge=0, le=1)
    """From the first step on."""
    end: float = Field(default=0.0, ge=0, le=1)
    """From the end of the annealing on."""
    hold_steps: int = Field(default=0, ge=0)
    """Before the annealing begins."""
    anneal_steps: int = Field(default=5000, ge=1)
    """How long it takes; Ditto's warm-up is 5,000 steps."""

    def at(self, step: int) -> float:
        """The number that holds at a step, from 0."""
        if self.schedule == "off":
            return self.start
        share = min(max((step - self.hold_steps) / self.anneal_steps, 0.0), 1.0)
        if self.schedule == "cosine":
            share = (1 - math.cos(math.pi * share)) / 2
        elif self.schedule == "step":
            share = float(share >= 0.5)
        return self.start + (self.end - self.start) * share


class Curriculum(BaseModel):
    """The two dials."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key_frame: Dial = Dial()
    """Probability that a sample is given the edited key frame beside its instruction."""
    order: Dial = Dial(schedule="off", start=1.0, end=1.0)
    """Share of the samples that may be drawn, easiest first; 1 is all of them."""

    def gives_key_frame(self, seed: int, step: int, place: int) -> bool:
        """Whether the sample at a place of a step's whole batch is given it: each sample draws for itself.

        The same on every process and in every session.
        """
        return chance(f"key frame {seed} {step} {place}") < self.key_frame.at(step)


def chance(of: str) -> float:
    """A number in [0, 1) that is the same for the same words."""
    return int.from_bytes(hashlib.sha256(of.encode()).digest()[:7]) / 256**7
