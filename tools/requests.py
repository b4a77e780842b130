"""From what the ledger knows of a sample to what a model is asked."""

from __future__ import annotations

from ditto_models.base import EditRequest
from memory.sample import Clip, Description, Instruction, Sample
from prompts.library import render


def parts(sample: Sample) -> tuple[Clip, Description, Instruction]:
    """What every sample past its instruction has.

    Raises:
        ValueError: it was asked of a sample that is not there yet.
    """
    if not (sample.clip and sample.description and sample.instruction):
        raise ValueError(f"sample {sample.id!r} is at stage {sample.stage!r} without a clip, caption or instruction")
    return sample.clip, sample.description, sample.instruction


def edit_request(description: Description, instruction: Instruction, strength: float, seed: int) -> EditRequest:
    """An instruction as the models read it."""
    return EditRequest(
        text=instruction.text,
        prompt=render("edited_video", caption=description.caption, instruction=instruction.text).text,
        target=instruction.target,
        edit_type=instruction.edit_type,
        scope=instruction.scope,
        look=instruction.look,
        parameters=instruction.parameters,
        strength=strength,
        seed=seed,
    )
