"""Loads a diffusers pipeline from a folder of weights, and checks first that it is the one meant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ditto_models.gpu.checkpoint import PIPELINE
from ditto_models.gpu.lora import LoraConfig, with_loras
from ditto_models.gpu.placement import PlacementConfig, dtype_of, placed
from ditto_models.gpu.weights import WeightsConfig, WeightsError, located
from ditto_models.gpu.whole_model import check_whole, whole
from ditto_models.torchvision_cpu import declare_operators


def load_pipeline(
    kind: str,
    weights: WeightsConfig,
    placement: PlacementConfig,
    same_layout: tuple[str, ...] = (),
    loras: tuple[LoraConfig, ...] = (),
    in_float32: tuple[str, ...] = (),
    trained: Callable[[Any], None] | None = None,
    **components: Any,
) -> Any:
    """The diffusers pipeline of class `kind`, in its place.

    Args:
        kind: name of the class in diffusers
        weights: where they are
        placement: where and how it runs
        same_layout: other pipelines whose weights it can be loaded from
        loras: fused into it
        in_float32: components that stay in whole precision
        trained: puts what was trained into the pipeline, before LoRAs are fused and weights are quantized
        components: those that are not to be loaded (None), or that were made already

    Raises:
        WeightsError: the weights are not there, or are another model's, or a LoRA does not suit them.
    """
    folder = located(weights)
    index = _index(folder)
    found = str(index.get("_class_name", ""))
    if found not in (kind, *same_layout):
        raise WeightsError(f"{weights.repo!r} holds a {found or 'model'}; expected the weights of a {kind}")
    declare_operators()
    import diffusers
    import torch

    diffusers.utils.logging.disable_progress_bar()
    dtypes = {"default": dtype_of(placement)} | dict.fromkeys(in_float32, torch.float32)
    for part, model in _transformers_models(index):
        if part not in components:
            components[part] = whole(model, folder, part, dtype=dtypes.get(part, dtypes["default"]))
    pipeline = getattr(diffusers, kind).from_pretrained(
        folder, dtype=dtypes, use_safetensors=True, local_files_only=True, **components
    )
    check_whole(folder, pipeline.components)
    pipeline.set_progress_bar_config(disable=True)
    if trained is not None:
        trained(pipeline)
    with_loras(pipeline, loras)
    return placed(pipeline, placement)


def _index(folder: Path) -> dict[str, Any]:
    """What a pipeline says it consists of; nothing where the folder is no pipeline."""
    path = folder / PIPELINE
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def _transformers_models(index: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Parts with weights that transformers reads, by the classes of their models; a tokenizer has none."""
    import transformers

    for part, named in index.items():
        if isinstance(named, list) and named[:1] == ["transformers"]:
            model = getattr(transformers, str(named[1]), None)
            if hasattr(model, "base_model_prefix"):
                yield part, model
