"""Numbers that bfloat16 networks hand on are not rounded to 8 bits more often than they must be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ditto_models.gpu.denoising import denoised
from ditto_models.gpu.sigmas import exact_scheduler

pytestmark = pytest.mark.slow


def test_a_video_keeps_its_precision_from_step_to_step_whatever_the_transformer_computes_in() -> None:
    scheduler = exact_scheduler((1.0, 0.5, 0.25, 0.0))
    scheduler.set_timesteps(device="cpu")
    noise = torch.randn(1, 16, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    velocity = torch.full_like(noise, 2.0).to(torch.bfloat16)
    latents = noise
    for timestep in scheduler.timesteps:
        latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
    assert latents.dtype == torch.float32
    assert torch.equal(latents, noise - 1.0 - 0.5 - 0.5)


def test_pixels_of_a_bfloat16_vae_become_the_levels_that_they_are_nearest_to() -> None:
    every = torch.linspace(0, 1, 4096).to(torch.bfloat16)
    picture = every.repeat(3, 1)[None, :, None]

    class Pipeline:
        def __call__(self, **_: object) -> object:
            return type("Output", (), {"frames": [picture]})

    made = denoised(Pipeline())[0, 0, :, 0]
    nearest = np.rint(every.to(torch.float32).numpy() * np.float32(255)).astype(np.uint8)
    assert np.array_equal(made, nearest)
