"""The setting of the test of the curriculum: sizes, budgets and seeds, fixed before any arm ran."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ditto_models.train.curriculum import Curriculum, Dial
from ditto_models.train.flow_matching import NoiseConfig

ARMS = ("curriculum", "instruction alone", "frame always")
LONGER = "instruction alone, longer"
"""The second, for as much computing as the curriculum takes."""
COST_OF_FRAME = 0.5
"""What a sample with the frame costs more: 48 tokens for 32."""


class Setting(BaseModel):
    """What all arms share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_steps: int = 3000
    """Of the plain generator."""
    base_clips: int = 4096
    """It sees, of each of two lengths."""
    codec_clips: int = 1024
    """The codec is fitted to."""
    num_pairs: int = 4096
    """Trained on."""
    num_held_out: int = 128
    """Tested on, with other scenes; and as many whose edit of that shape was never trained."""
    steps: int = Field(default=800, ge=1)
    """Of each arm."""
    batch: int = 16
    anneal_share: float = 0.4
    """Of the steps: how long the curriculum takes from always giving the frame to never."""
    learning_rate: float = 3e-3
    warmup_steps: int = 50
    average: float = 0.99
    noise: NoiseConfig = NoiseConfig(shift=3.0)
    seeds: tuple[int, ...] = (0, 1, 2)
    look_every: int = 200
    """Steps between two points of the plot."""
    looked_at: int = 64
    """Held-out pairs that a point of the plot is taken of; endpoints are taken of all."""
    levels: int = 6
    """Of noise, at which the held-out loss is taken."""
    euler_steps: int = 8
    """Of a generated edit."""

    def curriculum(self, arm: str) -> Curriculum:
        """Of one arm: the only thing in which arms differ."""
        dials = {
            "curriculum": Dial(
                schedule="linear", start=1.0, end=0.0, anneal_steps=max(1, round(self.steps * self.anneal_share))
            ),
            "instruction alone": Dial(schedule="off", start=0.0),
            LONGER: Dial(schedule="off", start=0.0),
            "frame always": Dial(schedule="off", start=1.0),
        }
        return Curriculum(key_frame=dials[arm])

    def steps_of(self, arm: str) -> int:
        """Of one arm: all alike, but for the one that is to compute as much as the curriculum, not to step as often."""
        share_given = self.anneal_share / 2  # falls evenly from 1 to 0
        return round(self.steps * (1 + COST_OF_FRAME * share_given)) if arm == LONGER else self.steps
