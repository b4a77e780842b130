"""Reads a transformers model and refuses one of which something is missing.

transformers gives what a checkpoint lacks random values and a warning; a checkpoint of another model altogether then
loads too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ditto_models.gpu.checkpoint import shown
from ditto_models.gpu.quiet import hide_progress_bars
from ditto_models.gpu.tensor_file import WeightsError

UNUSED = frozenset({"lm_head.weight"})
"""Turns hidden states into words, which no network here asks for; slimmed text encoders leave it out."""


def whole(kind: Any, folder: Path, subfolder: str = "", **settings: Any) -> Any:
    """A model of a transformers class from a folder of safetensors.

    Raises:
        WeightsError: tensors are missing, or of other shapes.
    """
    hide_progress_bars()
    model, found = kind.from_pretrained(
        folder,
        subfolder=subfolder,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **settings,
    )
    if missing := sorted({*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])} - UNUSED):
        _refuse(shown(folder / subfolder), missing, kind.__name__)
    return model


def check_whole(folder: Path, models: Mapping[str, Any]) -> None:
    """Refuse diffusers models, by their part of a folder, that have tensors without values.

    Raises:
        WeightsError: one of them has.
    """
    for part, model in models.items():
        named = getattr(model, "named_parameters", None)
        if named and (missing := [name for name, tensor in named() if tensor.is_meta]):
            _refuse(shown(folder / part), missing, type(model).__name__)


def _refuse(where: str, names: Sequence[str], kind: str) -> None:
    raise WeightsError(
        f"weights {where} lack {len(names)} of the tensors of {kind}, for example {names[0]!r}: they are another "
        "model's or incomplete; mend repo, or fetch them again"
    )
