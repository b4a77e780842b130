"""The arguments that say which run is meant and how it is made; every command that opens a run has them."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --clips, --out, --profile, --seed, --accept-config and key.path=value."""
    parser.add_argument("--clips", type=Path, metavar="DIR", help="folder of videos (default: the sample clips)")
    parser.add_argument("--out", type=Path, default=Path("runs/default"), metavar="RUN", help="default: %(default)s")
    parser.add_argument(
        "--profile", default="embedded", metavar="P", help="a name or a .yaml file (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument("--accept-config", action="store_true", help="resume although the configuration has changed")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="settings of the profile, changed")


SECRET = ".api_key="
"""In a setting that is told nobody."""


def told_arguments(options: argparse.Namespace) -> list[str]:
    """What a command of agent.run was given, as the command that resumes it needs it; secrets are left out."""
    given = {
        "--target": options.target,
        "--clips": options.clips,
        "--out": options.out,
        "--profile": None if options.profile == "embedded" else options.profile,
        "--seed": options.seed or None,
        "--max-candidates": options.max_candidates,
        "--gpu-hours": options.gpu_hours,
        "--max-hours": options.max_hours,
        "--concurrency": None if options.concurrency == 2 else options.concurrency,
    }
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    return [*words, *(setting for setting in options.overrides if SECRET not in setting)]
