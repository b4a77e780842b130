"""Where a network's weights come from: a folder, or a hub's repository at a pinned revision; safetensors only."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""Of a repository. Never *.bin or *.pt, which run code when they are read, nor *.py."""


class WeightsError(RuntimeError):
    """Weights that cannot be had or must not be read; the message says what to do."""


class WeightsConfig(BaseModel):
    """Which weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: str = Field(min_length=1)
    """A hub's name, for example "Wan-AI/Wan2.1-VACE-14B-diffusers", or a folder."""
    revision: str = "main"
    """Commit of the hub's repository; a branch or tag may change under a run."""
    parts: tuple[str, ...] = ()
    """Subfolders that are needed; all where none is named."""


def located(weights: WeightsConfig) -> Path:
    """The folder of the weights, downloaded on first use; files of code or pickles are never fetched.

    Raises:
        WeightsError: there is no such folder or repository, or it has no safetensors.
    """
    folder = Path(weights.repo)
    if not folder.is_dir():
        folder = _downloaded(weights)
    if not any(folder.rglob("*.safetensors")):
        raise WeightsError(f"{weights.repo!r} has no *.safetensors; expected weights in that format, no other is read")
    return folder


def _downloaded(weights: WeightsConfig) -> Path:
    from huggingface_hub import snapshot_download

    roots = [f"{part}/" for part in weights.parts] or [""]
    patterns = [f"{root}{pattern}" for root in roots for pattern in WANTED] + ["*.json"]
    try:
        return Path(snapshot_download(weights.repo, revision=weights.revision, allow_patterns=patterns))
    except Exception as error:
        said = str(error).splitlines()[0]
        raise WeightsError(
            f"weights {weights.repo!r} at {weights.revision!r} cannot be had: {said}; "
            "give a folder, or run where the hub or its cache is"
        ) from error
