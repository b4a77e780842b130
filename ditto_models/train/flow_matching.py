"""The loss: flow matching on the edited video's latents, conditioned as WanVACEPipeline conditions.

With noise level s, x_t = (1 - s) x_0 + s noise, the network learns noise - x_0 at time 1000 s (Lipman et al. 2023,
arXiv 2210.02747; shift and logit-normal levels after Esser et al. 2024, arXiv 2403.03206). VACE reads the source
beside it (Jiang et al. 2025, arXiv 2503.07598), and the key frame as one more latent frame in front, which carries no
loss. Tensor suffixes as in items.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from ditto_models.gpu.sigmas import NUM_TRAIN_TIMESTEPS, shifted
from ditto_models.train.items import Item

if TYPE_CHECKING:
    import torch

MASK_CHANNELS = 64
"""Of VACE's mask: the 8x8 pixels of a latent one."""


class NoiseConfig(BaseModel):
    """At which noise levels the network is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shift: float = Field(default=5.0, gt=0)
    """How much more often at high noise; as the model samples."""
    logit_mean: float = 0.0
    """Of the normal distribution whose logistic function a level is, before the shift."""
    logit_std: float = Field(default=1.0, gt=0)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What is random in the loss of one sample."""

    sigma: float
    """Noise level, 0 to 1."""
    noise_CTHW: torch.Tensor
    """One latent frame longer than the video: the first is for the key frame, whether it is given or not."""


def draw(config: NoiseConfig, seed: int, step: int, place: int, like_CTHW: torch.Tensor) -> Draw:
    """The draw of the sample at a place of a step's whole batch: the same on every process and in every session."""
    import torch

    generator = torch.Generator().manual_seed(_mixed(seed, step, place))
    level = torch.sigmoid(torch.randn((), generator=generator) * config.logit_std + config.logit_mean)
    channels, frames, height, width = like_CTHW.shape
    noise = torch.randn((channels, frames + 1, height, width), generator=generator)
    return Draw(sigma=shifted(float(level), config.shift), noise_CTHW=noise)


def vace_context(items: Sequence[Item], with_key: bool) -> torch.Tensor:
    """What VACE reads of pairs of one shape, B(2C+64)THW: as WanVACEPipeline builds it of the source alone, every pixel
    to be made anew, with the key frame as a reference in front where it is given."""
    import torch

    video = torch.stack([torch.cat([item.empty_CTHW, item.source_CTHW]) for item in items])
    mask = torch.ones(len(items), MASK_CHANNELS, *video.shape[2:], dtype=video.dtype, device=video.device)
    if with_key:
        key = torch.stack([item.key_C1HW for item in items])
        video = torch.cat([torch.cat([key, torch.zeros_like(key)], dim=1), video], dim=2)
        mask = torch.cat([torch.zeros_like(mask[:, :, :1]), mask], dim=2)
    return torch.cat([video, mask], dim=1)


def losses(transformer: Any, items: Sequence[Item], draws: Sequence[Draw], given: Sequence[bool]) -> torch.Tensor:
    """The loss of each sample, B: mean squared error of the velocity over its video's latents.

    `given` says of each sample whether it has the key frame. Those with and those without are of different lengths, so
    they pass through the network as two batches; all must be of one bucket, on the transformer's device.
    """
    import torch

    places = {with_key: [place for place, has in enumerate(given) if has == with_key] for with_key in (True, False)}
    found: dict[int, torch.Tensor] = {}
    for with_key, members in places.items():
        if members:
            made = _losses(
                transformer, [items[place] for place in members], [draws[place] for place in members], with_key
            )
            found |= dict(zip(members, made, strict=True))
    return torch.stack([found[place] for place in range(len(items))])


def _losses(transformer: Any, items: Sequence[Item], draws: Sequence[Draw], with_key: bool) -> torch.Tensor:
    import torch

    clean = torch.stack([item.edited_CTHW for item in items]).float()
    if with_key:
        clean = torch.cat([torch.stack([item.key_C1HW for item in items]).float(), clean], dim=2)
    begin = 0 if with_key else 1
    noise = torch.stack([each.noise_CTHW[:, begin:] for each in draws]).to(clean.device)
    sigma = torch.tensor([each.sigma for each in draws], device=clean.device)
    level = sigma.view(-1, 1, 1, 1, 1)
    dtype = items[0].text_LD.dtype
    velocity = transformer(
        hidden_states=((1 - level) * clean + level * noise).to(dtype),
        timestep=sigma * NUM_TRAIN_TIMESTEPS,
        encoder_hidden_states=torch.stack([item.text_LD for item in items]),
        control_hidden_states=vace_context(items, with_key).to(dtype),
        return_dict=False,
    )[0]
    wrong = (velocity.float() - (noise - clean)) ** 2
    of_video: torch.Tensor = wrong[:, :, 1:] if with_key else wrong
    return of_video.mean(dim=(1, 2, 3, 4))


def _mixed(*numbers: int) -> int:
    """One seed of several numbers; neighbours share nothing."""
    return int.from_bytes(hashlib.sha256(" ".join(map(str, numbers)).encode()).digest()[:8]) >> 1
