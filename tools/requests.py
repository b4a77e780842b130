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
    """An instruction as the models read it; where no writer described the edited clip, its caption and the order do."""
    told = render("edited_video", caption=description.caption, instruction=instruction.text)
    return EditRequest(
        text=instruction.text,
        prompt=instruction.result or told.text,
        target=instruction.target,
        edit_type=instruction.edit_type,
        scope=instruction.scope,
        look=instruction.look,
        parameters=instruction.parameters,
        strength=strength,
        seed=seed,
    )


def masks_of(sample: Sample, candidate: str = "") -> str:
    """The artifact of where the edit is: of a candidate of the key frame, or of the chosen one; else the subject's.

    Raises:
        ValueError: the sample was not described.
    """
    _, description, _ = parts(sample)
    key_frame = sample.key_frame
    if key_frame is None or not key_frame.masks:
        return description.masks
    return key_frame.masks[key_frame.candidates.index(candidate or key_frame.chosen)]
