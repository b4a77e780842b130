"""The moving average of what trains, which is what is exported: EMAModel of diffusers, whose decay rises likewise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ditto_models.train.recipe import EmaConfig

if TYPE_CHECKING:
    import torch


class Average:
    """Of parameters by name; where there is no config, the parameters themselves."""

    def __init__(self, config: EmaConfig | None, parameters: Mapping[str, torch.nn.Parameter]) -> None:
        self._parameters = parameters
        self._model: Any = None
        if config is not None:
            from diffusers.training_utils import EMAModel

            self._model = EMAModel(parameters.values(), decay=config.decay)

    @property
    def is_kept(self) -> bool:
        """Whether it differs from the parameters."""
        return self._model is not None

    def follow(self, step: int) -> None:
        """Take in the parameters as they are after step number `step`, from 1."""
        if self._model is not None:
            self._model.optimization_step = step - 1
            self._model.step(self._parameters.values())

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The average by name, in place: what is written into it is the average from then on."""
        kept = self._model.shadow_params if self._model is not None else self._parameters.values()
        return dict(zip(self._parameters, (tensor.detach() for tensor in kept), strict=True))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While the network holds the average."""
        if self._model is None:
            yield
            return
        before = [parameter.detach().clone() for parameter in self._parameters.values()]
        self._model.copy_to(self._parameters.values())
        try:
            yield
        finally:
            for parameter, kept in zip(self._parameters.values(), before, strict=True):
                parameter.data.copy_(kept)
