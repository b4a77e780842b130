"""Libraries that would draw over a run's own display."""

from __future__ import annotations


def hide_progress_bars() -> None:
    """Of transformers, which shows one for each model that it reads."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
