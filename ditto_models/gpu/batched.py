"""Networks that look at pictures, so many at once: fewer where memory is short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ditto_models.executors.of_call import stop_if_cancelled
from ditto_models.gpu.network import Network
from ditto_models.gpu.placement import DeviceConfig, device_of, dtype_of
from ditto_models.gpu.weights import WeightsConfig, located, resolved
from ditto_models.gpu.whole_model import whole
from ditto_models.torchvision_cpu import declare_operators

if TYPE_CHECKING:
    import torch


class BatchedConfig(BaseModel):
    """What they all have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: WeightsConfig
    placement: DeviceConfig = DeviceConfig(dtype="float32")
    batch: int = Field(default=16, ge=1)
    """Pictures in one forward, or pairs of them."""


B = TypeVar("B", bound=BatchedConfig)
L = TypeVar("L")


class BatchedNetwork(Network[B, L]):
    """A Network that takes pictures in batches."""

    def __init__(self, config: B) -> None:
        super().__init__(config)
        self.name = resolved(config.weights)
        self._batch = config.batch

    def resident(self, loaded: Any) -> tuple[torch.nn.Module, ...]:
        """The whole network."""
        return (loaded.model if isinstance(loaded, Pretrained) else loaded,)

    def ease(self, loaded: L) -> str:
        """Half as many at once."""
        if self._batch == 1:
            return ""
        self._batch = (self._batch + 1) // 2
        return f"looks at {self._batch} at once from now on"

    def batches(self, count: int) -> Iterator[slice]:
        """Places of so many pictures in batches.

        Raises:
            CallCancelled: nobody waits for the call any more.
        """
        for start in range(0, count, self._batch):
            stop_if_cancelled()
            yield slice(start, min(start + self._batch, count))


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A transformers model and what prepares its input."""

    processor: Any
    model: Any


def pretrained(processor: str, model: str, weights: WeightsConfig, placement: DeviceConfig) -> Pretrained:
    """Read both by the names of their transformers classes from one folder, and put the model in its place.

    Raises:
        WeightsError: the weights cannot be had, or are another model's.
    """
    declare_operators()  # before the first look at a class: transformers imports torchvision for it
    import transformers

    folder = located(weights)
    loaded = whole(getattr(transformers, model), folder, dtype=dtype_of(placement))
    return Pretrained(
        processor=getattr(transformers, processor).from_pretrained(folder),
        model=loaded.to(device_of(placement)).eval(),
    )
