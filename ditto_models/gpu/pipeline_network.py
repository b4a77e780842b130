"""Networks that are a whole pipeline of diffusers: eased down the ladder of placement, offloaded parts left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict

from ditto_models.gpu.network import Network
from ditto_models.gpu.offload import resident
from ditto_models.gpu.placement import PlacementConfig, ease

if TYPE_CHECKING:
    import torch


class PipelineConfig(BaseModel):
    """What they all have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    placement: PlacementConfig = PlacementConfig()
    """Where and how it runs."""


P = TypeVar("P", bound=PipelineConfig)


class PipelineNetwork(Network[P, Any]):
    """A Network whose `load` gives a pipeline."""

    def ease(self, loaded: Any) -> str:
        """Trade speed for memory by one step."""
        return ease(loaded, self.config.placement)

    def resident(self, loaded: Any) -> tuple[torch.nn.Module, ...]:
        """Its models, but for those that are offloaded."""
        return resident(loaded)
