"""To be called before the first import of diffusers or transformers: makes it work beside a CPU torch, and quiet."""

from __future__ import annotations

from ditto_models.torchvision_cpu import declare_operators


def prepare_libraries() -> None:
    """Declare what torchvision lacks, and draw no bars while weights are read."""
    declare_operators()
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    of_diffusers.disable_progress_bar()
    of_transformers.disable_progress_bar()
