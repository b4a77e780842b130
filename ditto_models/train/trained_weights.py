"""What a training left, seen as whole weights, as differences from its base, or as a LoRA's factors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ditto_models.gpu.checkpoint import VARIANT
from ditto_models.gpu.editto_card import WEIGHTS, read_card
from ditto_models.gpu.weights import WeightsError, located
from ditto_models.train.export_keys import Factors, factors_of
from ditto_models.train.low_rank import low_rank

if TYPE_CHECKING:
    import torch

BRANCH = "vace_"
"""How the names of the context branch's parameters begin."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A LoRA in place of whole weights."""

    factors: dict[str, Factors]
    rest: dict[str, torch.Tensor]
    """Differences that no factors hold: of biases, norms, tables and convolutions."""
    lacking: float
    """Norm of what the factors lack of the changes that they stand for."""
    whole: float
    """Norm of all changes."""

    def relative_error(self, with_rest: bool) -> float:
        """The part of the whole change that is lost, 0 to 1, where the rest is kept beside the factors or lost too."""
        lost = [self.lacking] if with_rest else [self.lacking, *(float(each.norm()) for each in self.rest.values())]
        return math.hypot(*lost) / self.whole if self.whole else 0.0


class TrainedWeights:
    """Of one CKPT; the base is read where it is needed only, and of it only the context branch."""

    def __init__(self, folder: Path) -> None:
        """Read the card.

        Raises:
            WeightsError: it is not what ditto_models.train leaves at its end.
        """
        self.card = read_card(folder)
        self._file = folder / WEIGHTS
        if not self._file.is_file():
            raise WeightsError(f"{str(folder)!r} has no {WEIGHTS}; expected the --out of ditto_models.train")

    @cached_property
    def _trained(self) -> dict[str, torch.Tensor]:
        from safetensors.torch import load_file

        return load_file(self._file)

    @cached_property
    def _base(self) -> dict[str, torch.Tensor]:
        from safetensors import safe_open

        folder = located(self.card.base.model_copy(update={"parts": ("transformer",)})) / "transformer"
        found: dict[str, torch.Tensor] = {}
        for path in sorted(folder.glob("*.safetensors")):
            if not any(fnmatch(path.name, pattern) for pattern in VARIANT):
                with safe_open(path, framework="pt") as file:
                    found |= {name: file.get_tensor(name) for name in file.keys() if name.startswith(BRANCH)}  # noqa: SIM118
        if not found:
            raise WeightsError(f"base {self.card.base.repo!r} has no context branch; expected a Wan-VACE")
        return found

    def branch(self) -> dict[str, torch.Tensor]:
        """The whole context branch: what trained as it is now, the rest as in the base."""
        if self.card.kind == "branch":
            return self._trained
        if self.card.kind == "linear":
            return self._base | self._trained
        changed = {name: self._base[name].float() + change for name, change in self._changes()}
        return self._base | changed

    def differences(self) -> dict[str, torch.Tensor]:
        """What training added to each parameter, in float32."""
        if self.card.kind == "lora":
            return dict(self._changes())
        return {name: each.float() - self._base[name].float() for name, each in self._trained.items()}

    def factors(self) -> dict[str, Factors]:
        """Of a LoRA training, as it left them."""
        return factors_of(self._trained)

    def fitted(self, rank: int) -> Fitted:
        """Of a training of whole weights: a LoRA that comes close."""
        factors, rest = {}, {}
        lacking, whole = 0.0, 0.0
        for name, change in self.differences().items():
            whole = math.hypot(whole, float(change.norm()))
            if change.ndim == 2 and name.endswith(".weight"):
                made = low_rank(change, rank)
                lacking = math.hypot(lacking, float((change - made.change).norm()))
                factors[name.removesuffix(".weight")] = made
            else:
                rest[name] = change
        return Fitted(factors=factors, rest=rest, lacking=lacking, whole=whole)

    def _changes(self) -> Iterator[tuple[str, torch.Tensor]]:
        return ((f"{module}.weight", each.change) for module, each in self.factors().items())
