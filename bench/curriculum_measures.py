"""What the test of the curriculum measures of an arm, on pairs it never saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.curriculum_codec import LinearCodec
from bench.curriculum_setting import Setting
from ditto_models.gpu.sigmas import NUM_TRAIN_TIMESTEPS, shifted
from ditto_models.train.flow_matching import Draw, NoiseConfig, draw, losses, vace_context
from ditto_models.train.items import Item

if TYPE_CHECKING:
    import torch

BATCH = 32
NOISE_SEED = 3_000_000
"""Of held-out noise: the same for every arm, seed and step."""
T_97_5 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Student's t at 97.5 %, by the number of differences."""
Clip = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Of paired numbers, with the interval that holds its mean at 95 %, by Student's t."""

    mean: float
    low: float
    high: float


def difference(these: Sequence[float], those: Sequence[float]) -> Difference:
    """These less those."""
    each = np.array(these) - np.array(those)
    half = T_97_5[len(each)] * float(each.std(ddof=1)) / math.sqrt(len(each))
    return Difference(mean=float(each.mean()), low=float(each.mean()) - half, high=float(each.mean()) + half)


def levels(setting: Setting) -> list[float]:
    """Noise levels whose mean loss stands for what training draws: the middles of equal shares of its levels."""
    config = setting.noise
    normal = NormalDist(config.logit_mean, config.logit_std)
    shares = [(number + 0.5) / setting.levels for number in range(setting.levels)]
    return [shifted(1 / (1 + math.exp(-normal.inv_cdf(share))), config.shift) for share in shares]


def held_out_loss(network: Any, items: Sequence[Item], setting: Setting, with_key: bool = False) -> list[float]:
    """Of each item, the mean over the levels."""
    import torch

    found = np.zeros(len(items))
    with torch.no_grad():
        for begin in range(0, len(items), BATCH):
            batch = items[begin : begin + BATCH]
            for number, level in enumerate(levels(setting)):
                draws = [
                    Draw(sigma=level, noise_CTHW=_noise(item, begin + place, number))
                    for place, item in enumerate(batch)
                ]
                found[begin : begin + BATCH] += losses(network, batch, draws, [with_key] * len(batch)).numpy()
    return list(found / setting.levels)


def generated(network: Any, items: Sequence[Item], setting: Setting) -> torch.Tensor:
    """Edited latents of each item, BCTHW, by the instruction alone: Euler steps of the flow, no guidance."""
    import torch

    times = np.linspace(1, 0, setting.euler_steps + 1)
    sigmas = [shifted(time, setting.noise.shift) for time in times]
    parts = []
    with torch.no_grad():
        for begin in range(0, len(items), BATCH):
            batch = items[begin : begin + BATCH]
            latents = torch.stack([_noise(item, begin + place, -1)[:, 1:] for place, item in enumerate(batch)])
            for here, there in pairwise(sigmas):
                velocity = network(
                    hidden_states=latents,
                    timestep=torch.full((len(batch),), here * NUM_TRAIN_TIMESTEPS),
                    encoder_hidden_states=torch.stack([item.text_LD for item in batch]),
                    control_hidden_states=vace_context(batch, with_key=False),
                    return_dict=False,
                )[0]
                latents = latents + (there - here) * velocity
            parts.append(latents)
    return torch.cat(parts)


def edit_applied(made: Clip, source: Clip, edited: Clip) -> float:
    """1 - |made - edited| / |source - edited| over all pixels: 1 is the edit itself, 0 the source as it was or as far
    off, cut at -1."""
    wrong, asked = (np.abs(each.astype(np.float32) - edited).mean() for each in (made, source))
    return float(np.clip(1 - wrong / max(asked, 1e-6), -1, 1))


def decoded(codec: LinearCodec, latents_CTHW: torch.Tensor) -> Clip:
    """As pixels."""
    return codec.decode(latents_CTHW.numpy())


def _noise(item: Item, place: int, number: int) -> torch.Tensor:
    return draw(NoiseConfig(), NOISE_SEED, number, place, item.edited_CTHW).noise_CTHW
