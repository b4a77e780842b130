"""Where a dataset in our layout lies, given the run that made it or the folder itself."""

from __future__ import annotations

from pathlib import Path

from agent.command import CommandError


def dataset_folder(path: Path) -> Path:
    """RUN/dataset of a run, or `path` where it is such a folder.

    Raises:
        CommandError: there is no dataset, or no pair in it yet.
    """
    for folder in (path / "dataset", path):
        if any(folder.glob("shard-*/metadata.jsonl")):
            return folder
    if (path / "ledger.sqlite").is_file() or (path / "diffsynth.csv").is_file():
        raise CommandError(f"{str(path)!r} has no accepted pair yet; let agent.run make some first")
    raise CommandError(
        f"{str(path)!r} is neither a run nor its dataset: expected a folder with dataset/shard-*/metadata.jsonl; "
        "give the --out of agent.run"
    )
