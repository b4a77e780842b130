"""How far a training has come, in words."""

from __future__ import annotations

from memory.jobs import Progress


def told(progress: Progress) -> str:
    """How far a training has come, in a few words."""
    loss = "" if progress.loss is None else f", loss {progress.loss:.4f}"
    left = "" if progress.seconds_left is None else f", {minutes(progress.seconds_left)} left"
    if progress.step == progress.steps:
        return f"all {progress.steps} steps made{loss}"
    return f"step {progress.step} of {progress.steps}{loss}{left}"


def minutes(seconds: float) -> str:
    """A time that is only about right."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
