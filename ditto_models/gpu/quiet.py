"""Libraries that would draw over a run's own display."""

from __future__ import annotations

import logging
import os

_TALKATIVE = ("torchao", "torch.utils._pytree")


def say_errors_only() -> None:
    """Before they are first imported: what diffusers, transformers and torchao warn of is for their own authors.

    DIFFUSERS_VERBOSITY and TRANSFORMERS_VERBOSITY are kept where they are set. What matters is checked and told by us.
    """
    for library in ("DIFFUSERS", "TRANSFORMERS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)


def hide_progress_bars() -> None:
    """Of transformers, which shows one for each model that it reads."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
