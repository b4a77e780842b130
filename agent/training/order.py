"""The order that people leave in the ledger to begin a training, or to give up the one under way (trainings.py)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

KIND: Literal["train"] = "train"
Action = Literal["start", "stop"]


class TrainOrder(BaseModel):
    """One order, as the ledger keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["train"] = KIND
    action: Action
