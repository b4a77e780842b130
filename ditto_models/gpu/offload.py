"""Weights that lie in the machine's memory and come to the GPU only while they are needed.

Text encoders always do: a prompt is encoded once for a whole video. VAEs never do, but for offloading by whole models.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from ditto_models.executors.devices import cuda_is_in_use

if TYPE_CHECKING:
    import torch

Offload = Literal["none", "model", "group", "sequential"]
"""model: whole models take turns on the GPU. group: blocks of the transformer are streamed. sequential: its layers."""

_HOOKS = ("group_offloading", "lazy_prefetch_group_offloading", "layer_execution_tracker")
"""diffusers' names of what it hangs on modules that it streams."""


def offloaded(pipeline: Any, offload: Offload, device: torch.device) -> None:
    """Put the models of a diffusers pipeline, on which nothing is hung yet, where this offloading wants them.

    On a CPU the same code runs and saves nothing. Streamed weights are kept in locked memory, as large as they are.
    """
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
        return
    for name, model in _models(pipeline).items():
        if name.startswith("text_encoder") and device.type != "cpu":
            model.ditto_visits = Visits(model, device)
        elif name.startswith("transformer") and offload != "none":
            model.enable_group_offload(
                onload_device=device,
                offload_type="block_level" if offload == "group" else "leaf_level",
                num_blocks_per_group=1,
                use_stream=device.type == "cuda",
            )
        else:
            model.to(device)


def resident(pipeline: Any) -> tuple[torch.nn.Module, ...]:
    """The models of a pipeline that lie where they were put; those that come and go by themselves are left out."""
    from diffusers.hooks.group_offloading import _is_group_offload_enabled

    models = _models(pipeline).values()
    return tuple(model for model in models if not hasattr(model, "_hf_hook") and not _is_group_offload_enabled(model))


def released(pipeline: Any) -> None:
    """Take off what an earlier offloading hung on the models of a pipeline, and bring them back from the GPU."""
    import torch
    from diffusers.hooks import HookRegistry

    if cuda_is_in_use():
        # What a call that failed was still streaming in must be there before it is taken back.
        torch.cuda.synchronize()
    pipeline.remove_all_hooks()
    for model in _models(pipeline).values():
        registry = HookRegistry.check_if_exists_or_initialize(model)
        for hook in _HOOKS:
            registry.remove_hook(hook, recurse=True)
        if isinstance(visits := getattr(model, "ditto_visits", None), Visits):
            visits.end()
        model.to("cpu")
    if any(_is_compiled(model) for model in _models(pipeline).values()):
        # Its blocks were compiled with the hooks in them; torch knows no way to forget those of one model alone.
        torch.compiler.reset()


class Visits:
    """Brings a model and what it is given to a device for each call; its weights are dropped there, not copied back."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self._device = device
        self._at_home: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._hooks = (
            model.register_forward_pre_hook(self._come, with_kwargs=True),
            model.register_forward_hook(self._leave, always_call=True),
        )

    def end(self) -> None:
        """Leave the model where it is from now on."""
        for hook in self._hooks:
            hook.remove()

    def _come(self, model: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
        from accelerate.utils import send_to_device

        self._at_home = [(tensor, tensor.data) for tensor in chain(model.parameters(), model.buffers())]
        for tensor, at_home in self._at_home:
            tensor.data = at_home.to(self._device)
        return send_to_device(args, self._device), send_to_device(kwargs, self._device)

    def _leave(self, *_: object) -> None:
        for tensor, at_home in self._at_home:
            tensor.data = at_home
        self._at_home = []


def _models(pipeline: Any) -> dict[str, Any]:
    import torch

    return {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}


def _is_compiled(model: Any) -> bool:
    return any(getattr(module, "_compiled_call_impl", None) is not None for module in model.modules())
