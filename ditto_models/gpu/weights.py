"""Where a network's weights come from: a folder, or a hub's repository at a pinned revision; safetensors only.

Nothing that runs code when it is read is fetched, and a checkpoint that needs such is refused.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ditto_models.executors.of_call import note
from ditto_models.gpu import hub
from ditto_models.gpu.checkpoint import COMMIT, check, is_small, named_components, selected, shown
from ditto_models.gpu.tensor_file import WeightsError

__all__ = ["WeightsConfig", "WeightsError", "is_pinned", "located", "resolved"]


class WeightsConfig(BaseModel):
    """Which weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: str = Field(min_length=1)
    """A hub's name, for example "Wan-AI/Wan2.1-VACE-14B-diffusers", or a folder."""
    revision: str = Field(default="main", min_length=1)
    """Commit of the hub's repository, 40 hex digits; a branch or tag may change under a run."""
    parts: tuple[str, ...] = ()
    """Subfolders that are needed. Where none is named: those of model_index.json, or all where there is none."""
    file: str = Field(default="", pattern=r"^$|\.(safetensors|gguf)$")
    """One file, in place of all: a LoRA, or a quantized network."""


def located(weights: WeightsConfig) -> Path:
    """The folder of the weights, or their one `file`; downloaded on first use.

    A pinned revision that is complete in the hub's cache is used without asking the hub; so is any revision where
    HF_HUB_OFFLINE is set, or where the hub cannot be reached, which is noted.

    Raises:
        WeightsError: there is no such folder or repository, it is incomplete, has no safetensors, or needs code.
    """
    folder = Path(weights.repo).expanduser()
    if folder.is_dir():
        return check(folder, weights.parts, weights.file)
    if folder.exists():
        raise WeightsError(f"weights {weights.repo!r} are a file; give its folder as repo, and its name as file")
    return _of_hub(weights)


def resolved(weights: WeightsConfig) -> str:
    """What a sample's record names: the repository and its commit, or a folder's name. Asks no network.

    A branch's commit is known once its weights were fetched; before that the branch is named.
    """
    folder = Path(weights.repo).expanduser()
    file = f"/{weights.file}" if weights.file else ""
    if folder.is_dir():
        return shown(folder.resolve(), whole=True) + file
    return f"{weights.repo}@{hub.cached_commit(weights.repo, weights.revision) or weights.revision}{file}"


def is_pinned(weights: WeightsConfig) -> bool:
    """Whether the weights stay the same for good: at a commit, or in a folder of one's own."""
    return bool(COMMIT.fullmatch(weights.revision)) or Path(weights.repo).expanduser().is_dir()


def _of_hub(weights: WeightsConfig) -> Path:
    cached = hub.cached(weights.repo, weights.revision)
    if hub.is_offline():
        return _of_cache(weights, cached)
    if cached is not None and COMMIT.fullmatch(weights.revision):
        try:
            return _of_cache(weights, cached)
        except WeightsError:
            pass  # incomplete: the rest of it is fetched
    try:
        listing = hub.listing(weights.repo, weights.revision)
    except hub.Unreachable as error:
        if cached is None:
            raise
        note(f"{error}; {resolved(weights)} of the cache is used")
        return _of_cache(weights, cached)
    return _fetched(weights, listing)


def _of_cache(weights: WeightsConfig, cached: Path | None) -> Path:
    """The weights as they lie in the hub's cache.

    Raises:
        WeightsError: some of them do not, or must not be read.
    """
    if cached is None:
        raise WeightsError(
            f"weights {weights.repo!r} at {weights.revision!r} are not in the cache {hub.cache_folder()!r}, and the "
            "hub is not asked (HF_HUB_OFFLINE); fetch them where it can be, or give a folder"
        )
    names = hub.cached_names(weights.repo, cached.name)
    if names is not None:
        wanted = selected(names, weights.parts or named_components(cached), weights.file)
        if missing := [name for name in wanted if not (cached / name).is_file()]:
            raise WeightsError(
                f"weights {weights.repo!r} are incomplete in the cache {hub.cache_folder()!r}: {missing[0]!r} and "
                f"{len(missing) - 1} more are missing; let them be fetched where the hub can be asked"
            )
    return check(cached, weights.parts, weights.file)


def _fetched(weights: WeightsConfig, listing: hub.Listing) -> Path:
    """Small files first: they say which large ones are needed, and whether code would be."""
    wanted = [weights.file]
    if weights.file:
        _offered(weights, listing)
    else:
        small = [name for name in selected(listing.files, (), "") if is_small(name)]
        folder = hub.fetched(weights.repo, listing.commit, small)
        check(folder, weights.parts, "", listed=listing.files)
        wanted = small + selected(listing.files, weights.parts or named_components(folder), "")
    folder = hub.fetched(weights.repo, listing.commit, wanted)
    hub.remember(weights.repo, weights.revision, listing.commit)
    return check(folder, weights.parts, weights.file)


def _offered(weights: WeightsConfig, listing: hub.Listing) -> None:
    if weights.file not in listing.files:
        has = ", ".join(name for name in listing.files if name.endswith((".safetensors", ".gguf"))) or "none"
        raise WeightsError(f"weights {weights.repo!r} have no file {weights.file!r}; expected one of {has}")
