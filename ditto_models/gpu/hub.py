"""The model hub and its cache, through huggingface_hub, with every refusal as one line and no question without an end.

Addresses may carry signatures and headers tokens: neither is ever part of a message.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ditto_models.gpu.tensor_file import WeightsError

ANSWER_SECONDS = 15.0
"""That the hub has to list a repository."""
NAME = re.compile(r"[\w.-]+/[\w.-]+")
"""ORGANISATION/NAME."""


class Unreachable(WeightsError):
    """The hub does not answer, or answers that it cannot: what lies in the cache may still do."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A repository at one commit, as the hub describes it."""

    commit: str
    files: Mapping[str, int]
    """Bytes, by name; 0 where the hub does not say."""
    licence: str
    """As its card names it; empty where it does not."""
    gated: bool
    """Whether its licence must be accepted first."""


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids to ask."""
    from huggingface_hub import constants

    return bool(constants.is_offline_mode())


def cache_folder() -> str:
    """Where fetched repositories lie: $HF_HUB_CACHE, else under $HF_HOME."""
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def endpoint() -> str:
    """The hub's address, without what a password may be in."""
    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    return f"{address.scheme}://{address.hostname}" + (f":{address.port}" if address.port else "")


def cached_commit(repo: str, revision: str) -> str:
    """The commit that a revision has in the cache; empty where none of it was fetched. Asks no network."""
    root = _root(repo)
    try:
        commit = (root / "refs" / revision).read_text().strip()
    except OSError:
        commit = revision
    return commit if (root / "snapshots" / commit).is_dir() else ""


def cached(repo: str, revision: str) -> Path | None:
    """The folder of a revision in the cache, which may be incomplete."""
    commit = cached_commit(repo, revision)
    return _root(repo) / "snapshots" / commit if commit else None


def cached_names(repo: str, commit: str) -> list[str] | None:
    """What the repository holds at a commit, as the hub said when it was fetched; None where that was not kept."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        return [file.path for file in get_cached_repo_tree(repo, revision=commit, cache_dir=cache_folder())]
    except CachedRepoTreeNotFoundError:
        return None


def listing(repo: str, revision: str, seconds: float = ANSWER_SECONDS) -> Listing:
    """Ask what a repository holds.

    Raises:
        Unreachable: the hub does not answer within `seconds`, or cannot.
        WeightsError: it refuses, or knows no such repository or revision.
    """
    from huggingface_hub import HfApi, constants

    try:
        found = HfApi(endpoint=constants.ENDPOINT).model_info(
            repo, revision=revision, files_metadata=True, timeout=seconds
        )
    except Exception as error:
        raise _told(error, repo, revision) from error
    if not found.sha:
        raise Unreachable(f"the hub {endpoint()!r} names no commit of {repo!r}; is HF_ENDPOINT a hub's address?")
    card = found.card_data
    licence = getattr(card, "license_name", None) or getattr(card, "license", None)
    return Listing(
        commit=found.sha,
        files={file.rfilename: file.size or 0 for file in found.siblings or []},
        licence=str(licence or ""),
        gated=bool(found.gated),
    )


def fetched(repo: str, commit: str, names: Sequence[str]) -> Path:
    """The folder of a commit with these files in it; those that are there are not asked for again.

    Raises:
        WeightsError: one cannot be had.
    """
    from huggingface_hub import constants, snapshot_download

    try:
        return Path(
            snapshot_download(
                repo,
                revision=commit,
                allow_patterns=[_literal(name) for name in names],
                cache_dir=cache_folder(),
                endpoint=constants.ENDPOINT,
            )
        )
    except Exception as error:
        raise _told(error, repo, commit) from error


def remember(repo: str, revision: str, commit: str) -> None:
    """Write into the cache which commit a branch or tag has, as a download by that name would have done."""
    path = _root(repo) / "refs" / revision
    if revision != commit:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(commit)
        os.replace(partial, path)


def _root(repo: str) -> Path:
    return Path(cache_folder()) / f"models--{repo.replace('/', '--')}"


def _literal(name: str) -> str:
    """A file's name as a pattern that nothing else fits."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def _told(error: Exception, repo: str, revision: str) -> WeightsError:
    """What went wrong, in one line without addresses."""
    from huggingface_hub import errors

    what = f"weights {repo!r}"
    if isinstance(error, errors.HFValidationError):
        return WeightsError(f"{what}: no such folder, and no hub's name either; expected ORGANISATION/NAME")
    if isinstance(error, errors.GatedRepoError):
        return WeightsError(
            f"{what} are gated: accept their licence on {endpoint()}/{repo}, then set HF_TOKEN to a token of "
            "that account"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return WeightsError(f"{what} have no revision {revision!r} on the hub; give a commit, a branch or a tag of it")
    if isinstance(error, errors.RepositoryNotFoundError):
        return WeightsError(f"{what}: the hub has none of that name, or it is private; mend the name, or set HF_TOKEN")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return Unreachable(f"{what}: the hub is not asked (HF_HUB_OFFLINE)")
    if isinstance(error, errors.HfHubHTTPError):
        return _refusal(what, error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WeightsError(f"{what}: the disk of the cache {cache_folder()!r} is full; make room, or set HF_HOME")
    if isinstance(error, PermissionError):
        return WeightsError(f"{what}: the cache {cache_folder()!r} cannot be written; mend its rights, or set HF_HOME")
    return Unreachable(
        f"{what}: the hub {endpoint()!r} cannot be reached ({_kind(error)}); check the network and HF_ENDPOINT, give a "
        "folder, or set HF_HUB_OFFLINE=1 where the cache has them"
    )


def _refusal(what: str, error: Exception) -> WeightsError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return WeightsError(
            f"{what}: the hub refuses the token ({status}); set HF_TOKEN to one that may read them, or unset it"
        )
    return Unreachable(f"{what}: the hub {endpoint()!r} answers {status}; try again, or give a folder")


def _kind(error: Exception) -> str:
    """An error's own words where they can hold no address of a file, else its kind."""
    words = " ".join(str(error).split())
    return words if 0 < len(words) <= 120 and "://" not in words else type(error).__name__
