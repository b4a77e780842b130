"""The lines of CKPT/log.jsonl, for whoever writes or reads them; every key stands on every line."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ditto_models.train.whole_file import write_whole

LOG = "log.jsonl"


class LogLine(BaseModel):
    """What is written down every so many steps; losses are means over the steps since the line before."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: int
    """Steps of the optimizer that are done."""
    key_frame_probability: float
    """At the last of them."""
    order_share: float
    """Of the pairs, easiest first, that could be drawn at it."""
    loss: float
    loss_with_key: float | None
    """Mean over the samples that were given the key frame; None where there were none."""
    loss_without_key: float | None
    validation_loss: float | None = None
    """On the validation split, with the instruction alone, where it was taken at this step."""
    gradient_norm: float
    """Before clipping; a mean too."""
    learning_rate: float
    samples_per_second: float
    memory_gb: float
    """The most that was taken of the GPU so far; without one, what the process takes of the machine's memory."""
    at: str
    """When, UTC."""


def read_log(out: Path) -> list[LogLine]:
    """The lines of CKPT; a torn one, which a kill or a full disk leaves, is passed over."""
    path = out / LOG
    lines = []
    for text in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            lines.append(LogLine.model_validate_json(text))
        except ValidationError:
            continue
    return lines


def cut_log(out: Path, step: int) -> None:
    """Take away what lies after a step, from which the training goes on."""
    path, lines = out / LOG, read_log(out)
    if not path.is_file():
        return
    write_whole(path, (line.model_dump_json().encode() + b"\n" for line in lines if line.step <= step))
