"""An Editto as what makes the edits of an evaluation: from the instruction alone, as `ditto_models.edit` makes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.evaluate.edits import EditFile, Told
from ditto_models.edit_model import config_of, sizes_of
from ditto_models.gpu.editto_card import CARD

SEED = 0
"""Of every edit: figures differ by the model and not by the draw."""


@dataclass(frozen=True, kw_only=True)
class MadeBy:
    """Who makes edits."""

    edit: EditFile
    key: str
    """The same for the same weights and settings, and for no others."""
    name: str


def editto(model: str, base: str | None, settings: Sequence[str]) -> MadeBy:
    """That of a folder that ditto_models.train wrote, or of a file of weights and their base.

    Raises:
        CommandError: there is none, or a setting is unknown or out of bounds.
    """
    sizes = sizes_of(model)
    config = config_of(model, base, settings, sizes)

    # Loaded late: what is asked for may be wrong.
    from ditto_models.edit_clip import edit_clip
    from ditto_models.gpu.clip_edit import ClipPlan
    from ditto_models.gpu.editto import Editto
    from ditto_models.timeline import timeline_of

    network = Editto(config)

    def edit(source: Path, instruction: str, out: Path, told: Told) -> None:
        def step_made(plan: ClipPlan, window: int, step: int) -> None:
            num_windows, num_steps = len(plan.windows), config.sampling.num_steps
            what = f"window {window + 1} of {num_windows}" if step else "reading the weights"
            told(what, (window * num_steps + step) / (num_windows * num_steps))

        words = " ".join(instruction.split())
        edit_clip(network, timeline_of(source), out, words, SEED, sizes, "frame", step_made)

    # A folder may be moved with what was made by it: its card says what it is. What a file was trained of, nobody says.
    others = {"model", "trained", "placement"} | ({"weights"} if Path(model).expanduser().is_dir() else set())
    made_with = config.model_dump(mode="json", exclude=others)
    precision = {"dtype": config.placement.dtype, "quantization": config.placement.quantization}
    key = json.dumps([_weights(Path(model).expanduser()), made_with, precision, SEED], sort_keys=True)
    return MadeBy(edit=edit, key=key, name=network.name)


def _weights(model: Path) -> str:
    """What tells these weights from others without reading gigabytes: their card, or the file's size and time."""
    if model.is_dir():
        return (model / CARD).read_text(encoding="utf-8")
    known = model.stat()
    return f"{model.name} {known.st_size} {known.st_mtime_ns}"
