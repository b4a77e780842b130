"""The transformer that is trained, read from the base: by every process, or where it will be spread by one alone."""

from __future__ import annotations

from typing import Any

from ditto_models.command import CommandError
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.placement import PlacementConfig
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.processes import Processes
from ditto_models.train.recipe import Recipe


def base_transformer(base: WeightsConfig, recipe: Recipe, processes: Processes) -> Any:
    """A WanVACETransformer3DModel on the CPU; on others than the main process on `meta`, without weights, where
    `Processes.spread` gives each its share of the main process's.

    Raises:
        CommandError: the base has two of them.
        WeightsError: they cannot be read.
    """
    if not processes.one_by_one:
        return _read(base, recipe)
    read = processes.on_main(lambda: _read(base, recipe))
    types = {name: each.dtype for name, each in read.named_parameters()} if read else {}
    config, types = processes.broadcast((dict(read.config) if read else {}, types))
    return read or _without_weights(config, types)


def _read(base: WeightsConfig, recipe: Recipe) -> Any:
    left_out: dict[str, Any] = dict.fromkeys(("vae", "text_encoder", "tokenizer"))
    placement = PlacementConfig(device="cpu", dtype=recipe.dtype)
    pipeline = load_pipeline("WanVACEPipeline", base, placement, **left_out)
    if pipeline.transformer is None or pipeline.transformer_2 is not None:
        raise CommandError(
            f"{base.repo!r} has an expert for high noise and one for low; expected one transformer for both, "
            "e.g. Wan-AI/Wan2.1-VACE-1.3B-diffusers"
        )
    return pipeline.transformer


def _without_weights(config: dict[str, Any], types: dict[str, Any]) -> Any:
    declare_operators()
    import torch
    from diffusers import WanVACETransformer3DModel

    with torch.device("meta"):
        empty = WanVACETransformer3DModel.from_config(config)
    for name, parameter in empty.named_parameters():
        parameter.data = parameter.data.to(types[name])
    return empty
