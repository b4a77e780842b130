"""The runs that a studio shows, each under a short key: no path ever stands in an address."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agent.command import CommandError
from agent.run_config import RunConfig, saved_config
from memory.artifacts import ArtifactStore
from memory.ledger import Ledger


@dataclass(frozen=True)
class StudioRun:
    """A run that is looked at."""

    key: str
    """In addresses: letters, digits, dashes."""
    folder: Path
    ledger: Ledger
    artifacts: ArtifactStore

    @cached_property
    def config(self) -> RunConfig:
        """What it was begun with."""
        return saved_config(self.folder)


def open_runs(folders: Sequence[Path], read_only: bool) -> Mapping[str, StudioRun]:
    """Every run by its key, in the order given; the keys are the folders' names, made plain.

    Raises:
        CommandError: a folder is no run.
        LedgerError: a ledger is damaged.
    """
    runs: dict[str, StudioRun] = {}
    for folder in folders:
        if not (folder / "config.yaml").is_file():
            raise CommandError(f"{str(folder)!r} is no run: it has no config.yaml; expected the --out of agent.run")
        saved_config(folder)
        key = _key(folder, runs)
        ledger = Ledger(folder / "ledger.sqlite", read_only=read_only)
        runs[key] = StudioRun(key, folder, ledger, ArtifactStore(folder / "artifacts"))
    return runs


def _key(folder: Path, taken: Mapping[str, StudioRun]) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:40] or "run"
    return next(key for n in range(1, len(taken) + 2) if (key := plain if n == 1 else f"{plain}-{n}") not in taken)
