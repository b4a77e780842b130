"""How weights stand before anything of them is loaded: where they are, at which commit, how large, and what is wrong.

Nothing large is fetched. Of weights that are on the hub alone the configurations (kilobytes) are, since they say which
parts are needed and whether code would be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from ditto_models.gpu import hub
from ditto_models.gpu.checkpoint import PIPELINE, check, named_components, selected
from ditto_models.gpu.tensor_file import WeightsError, tensors_of
from ditto_models.gpu.weights import WeightsConfig, located


@dataclass(frozen=True, kw_only=True)
class Part:
    """A subfolder of weights; "" is their top folder."""

    stored_bytes: int
    parameters: int | None
    """Read from the files' headers; None where they are not here yet."""


@dataclass(frozen=True, kw_only=True)
class WeightsState:
    """What was found."""

    place: Literal["folder", "cache", "hub", "nowhere"]
    problem: str = ""
    """Why they cannot be loaded; empty where they can."""
    remark: str = ""
    """What else is to be known, for example that the hub could not be asked."""
    commit: str = ""
    """Of the hub's repository, where it is known."""
    to_fetch_bytes: int = 0
    parts: Mapping[str, Part] = field(default_factory=dict)
    licence: str = ""
    """As the hub's card names it."""
    gated: bool = False


def state_of(weights: WeightsConfig, seconds: float = hub.ANSWER_SECONDS) -> WeightsState:
    """Look at weights, asking the hub where that is allowed; a hub that does not answer has `seconds` a question."""
    folder = Path(weights.repo).expanduser()
    if folder.exists():
        return _here("folder", weights)
    try:
        commit = hub.cached_commit(weights.repo, weights.revision)
    except OSError:
        commit = ""
    if hub.is_offline():
        return _here("cache", weights, commit)
    try:
        listing = hub.listing(weights.repo, weights.revision, seconds)
    except WeightsError as error:
        if not commit:
            return WeightsState(place="nowhere", problem=str(error))
        found = _here("cache", weights, commit, offline=True)
        return replace(found, remark=str(error))
    try:
        return _on_hub(weights, listing)
    except WeightsError as error:
        return WeightsState(
            place="hub", problem=str(error), commit=listing.commit, licence=listing.licence, gated=listing.gated
        )


def problem_of(weights: WeightsConfig) -> str:
    """Why weights cannot be loaded, as far as it is quickly told; empty where nothing is known to be wrong.

    The hub is asked only where nothing of them is in a folder or in its cache.
    """
    folder = Path(weights.repo).expanduser()
    if not (folder.exists() or hub.is_offline()):
        try:
            if hub.cached_commit(weights.repo, weights.revision):
                return ""
        except OSError:
            pass
    return state_of(weights).problem


def _here(
    place: Literal["folder", "cache"], weights: WeightsConfig, commit: str = "", offline: bool = False
) -> WeightsState:
    try:
        at = located(weights) if not offline else _cached(weights, commit)
        return WeightsState(place=place, commit=commit, parts=_of_files(weights, at))
    except WeightsError as error:
        return WeightsState(
            place=place if commit or place == "folder" else "nowhere", problem=str(error), commit=commit
        )
    except OSError as error:
        return WeightsState(place=place, problem=f"weights {weights.repo!r} cannot be read: {error}", commit=commit)


def _cached(weights: WeightsConfig, commit: str) -> Path:
    folder = hub.cached(weights.repo, commit)
    if folder is None:
        raise WeightsError(f"weights {weights.repo!r} are not in the cache {hub.cache_folder()!r}")
    return check(folder, weights.parts, weights.file)


def _on_hub(weights: WeightsConfig, listing: hub.Listing) -> WeightsState:
    if weights.file:
        wanted = [weights.file]
        if weights.file not in listing.files:
            raise WeightsError(f"weights {weights.repo!r} have no file {weights.file!r}; mend file")
        folder = hub.cached(weights.repo, listing.commit)
    else:
        settings = [name for name in listing.files if _is_setting(name)]
        folder = hub.fetched(weights.repo, listing.commit, settings) if settings else None
        here = folder or Path(weights.repo)
        check(here, weights.parts, "", listed=listing.files)
        wanted = selected(listing.files, weights.parts or named_components(here), "")
    missing = [name for name in wanted if folder is None or not (folder / name).is_file()]
    parts = _of_names(wanted, listing.files)
    if not missing and folder is not None:
        parts = _of_files(weights, folder / weights.file)
    return WeightsState(
        place="hub" if missing else "cache",
        commit=listing.commit,
        to_fetch_bytes=sum(listing.files[name] for name in missing),
        parts=parts,
        licence=listing.licence,
        gated=listing.gated,
    )


def _is_setting(name: str) -> bool:
    return name == PIPELINE or PurePosixPath(name).name.endswith("config.json")


def _of_names(names: Iterable[str], sizes: Mapping[str, int]) -> dict[str, Part]:
    stored: defaultdict[str, int] = defaultdict(int)
    for name in names:
        if name.endswith((".safetensors", ".gguf")):
            stored[_part_of(name)] += sizes[name]
    return {part: Part(stored_bytes=size, parameters=None) for part, size in stored.items()}


def _of_files(weights: WeightsConfig, at: Path) -> dict[str, Part]:
    """Sizes of a folder's needed files, or of one file, by the headers of its tensors."""
    if at.is_file():
        known = at.suffix == ".safetensors"
        return {"": Part(stored_bytes=at.stat().st_size, parameters=_parameters([at]) if known else None)}
    names = (path.relative_to(at).as_posix() for path in at.rglob("*.safetensors") if path.is_file())
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for name in selected(names, weights.parts or named_components(at), ""):
        files[_part_of(name)].append(at / name)
    return {
        part: Part(stored_bytes=sum(path.stat().st_size for path in paths), parameters=_parameters(paths))
        for part, paths in sorted(files.items())
    }


def _parameters(paths: Iterable[Path]) -> int:
    return sum(tensor.parameters for path in paths for tensor in tensors_of(path).values())


def _part_of(name: str) -> str:
    return PurePosixPath(name).parts[0] if "/" in name else ""
