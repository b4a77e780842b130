"""What made a sample, for its record: models, prompts, settings, code."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from memory.group_commit import now
from memory.sample import Provenance
from prompts.library import hash_of_all

ROOT = Path(__file__).parent.parent


def provenance(models: Mapping[str, str], config_hash: str) -> Provenance:
    """The record of a sample accepted now."""
    return Provenance(
        models=dict(models),
        prompts_hash=hash_of_all(),
        config_hash=config_hash,
        code_version=code_version(),
        created_at=now(),
    )


@cache
def code_version() -> str:
    """The version, and the commit where this is a git checkout; "+changed" where files differ from it."""
    version = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    if not (ROOT / ".git").exists():
        return version
    described = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+changed", "--abbrev=12"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{version}+{described.stdout.strip()}" if described.returncode == 0 else version
