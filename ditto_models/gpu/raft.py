"""Optical flow by RAFT (Teed and Deng 2020, arXiv 2003.12039), torchvision's networks.

torchvision's code is BSD-3-Clause, and so are its files of weights; it leaves to the user what the data sets they were
trained on allow (some are for research). CoTracker3, which Ditto's motion filter uses, is CC-BY-NC and not used here.

The weights come as pickles, which are never read here; turn them into safetensors once, with torch's restricted reader:

    python -m ditto_models.gpu.raft raft_large_C_T_V2-1bb1363a.pth FOLDER/raft_large.safetensors
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ditto_models.base import Frames
from ditto_models.gpu.batched import BatchedConfig, BatchedNetwork
from ditto_models.gpu.placement import device_of
from ditto_models.gpu.weights import WeightsConfig, WeightsError, located
from ditto_models.torchvision_cpu import declare_operators

Size = Literal["large", "small"]
MULTIPLE, LEAST = 8, 128
"""Pixels: sides are multiples of the first, and at least the second."""


class RaftConfig(BatchedConfig):
    """Which network, and how long it refines; flow is computed in float32 whatever the placement says."""

    weights: WeightsConfig
    """A folder and the `file` in it that `python -m ditto_models.gpu.raft` wrote."""
    size: Size = "large"
    updates: int = Field(default=12, ge=1)
    """Rounds of refinement; torchvision's default."""


class Raft(BatchedNetwork[RaftConfig, Any]):
    """A FlowEstimator."""

    def load(self) -> Any:
        """Read the weights and put them in place.

        Raises:
            WeightsError: they cannot be had, or are those of another network.
        """
        from safetensors.torch import load_file

        if not self.config.weights.file:
            raise WeightsError("motion.weights name no file; give the one that python -m ditto_models.gpu.raft wrote")
        model = network(self.config.size)
        fill(model, load_file(located(self.config.weights)), self.name, self.config.size)
        return model.to(device_of(self.config.placement)).eval()

    def flow(self, frames: Frames) -> NDArray[np.float32]:
        """Between neighbours of frames THWC uint8 RGB: THW2 float32 (x, y) in pixels, one fewer than frames.

        Raises:
            ValueError: a side is no multiple of 8 or under 128 pixels.
        """
        height, width = frames.shape[1:3]
        if height % MULTIPLE or width % MULTIPLE or min(height, width) < LEAST:
            raise ValueError(
                f"frames are {width}x{height}; expected multiples of {MULTIPLE} of at least {LEAST}, scale them"
            )
        return self.with_loaded(lambda model: self._flow(model, frames))

    def _flow(self, model: Any, frames: Frames) -> NDArray[np.float32]:
        import torch

        device = next(model.parameters()).device
        flow_THW2 = np.empty((len(frames) - 1, *frames.shape[1:3], 2), np.float32)
        for part in self.batches(len(flow_THW2)):
            pixels = (
                torch.from_numpy(frames[part.start : part.stop + 1]).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
            )
            with torch.inference_mode():
                refined = model(pixels[:-1].contiguous(), pixels[1:].contiguous(), num_flow_updates=self.config.updates)
            flow_THW2[part] = refined[-1].permute(0, 2, 3, 1).cpu().numpy()
        return flow_THW2


def network(size: Size) -> Any:
    """torchvision's network, with random weights."""
    declare_operators()
    from torchvision.models.optical_flow import raft_large, raft_small

    return raft_large(weights=None, progress=False) if size == "large" else raft_small(weights=None, progress=False)


def fill(model: Any, weights: dict[str, Any], name: str, size: Size) -> None:
    """Give the network its weights.

    Raises:
        WeightsError: they are those of another network.
    """
    own = model.state_dict()
    odd = sorted(own.keys() ^ weights.keys()) or [key for key in own if own[key].shape != weights[key].shape]
    if odd:
        raise WeightsError(
            f"{name!r} does not fit RAFT {size}, for example {odd[0]!r}; give its own weights, or its size"
        )
    model.load_state_dict(weights)


def convert(pickled: Path, safe: Path) -> Size:
    """Write torchvision's weights, a pickle, as safetensors; returns of which network they are.

    Raises:
        WeightsError: it is no file of RAFT's weights, or holds more than tensors.
    """
    import torch
    from safetensors.torch import save_file

    try:
        weights = torch.load(pickled, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        said = str(error).splitlines()[0]
        raise WeightsError(f"{str(pickled)!r} cannot be read as weights: {said}; give torchvision's .pth") from error
    if not isinstance(weights, dict):
        raise WeightsError(f"{str(pickled)!r} holds {type(weights).__name__}; expected tensors by name")
    size: Size = "large" if "context_encoder.convnormrelu.1.running_mean" in weights else "small"
    fill(network(size), weights, str(pickled), size)
    save_file({key: tensor.contiguous() for key, tensor in weights.items()}, safe)
    return size


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m ditto_models.gpu.raft", description="RAFT's weights as safetensors"
    )
    parser.add_argument(
        "pickled", type=Path, help="torchvision's file, for example raft_large_C_T_SKHT_V2-ff5fadd5.pth"
    )
    parser.add_argument("safe", type=Path, help="the file to write, NAME.safetensors")
    options = parser.parse_args(arguments)
    try:
        size = convert(options.pickled, options.safe)
    except WeightsError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"RAFT {size}: {options.safe}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
