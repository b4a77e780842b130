"""Which files of a checkpoint are needed, and what it is refused for: code, pickles, missing or cut files.

A checkpoint is a folder as diffusers or transformers save it, or the list of a repository's files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from ditto_models.gpu.tensor_file import WeightsError, tensors_of

SMALL = ("*.json", "*.txt", "*.model", "*.jinja")
"""Configurations and vocabularies."""
WEIGHTS = "*.safetensors"
VARIANT = "*.fp16*.safetensors", "*.bf16*.safetensors", "*.non_ema*.safetensors"
"""Second copies that loading does not ask for."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Run code when they are read."""
INDEX = "*.safetensors.index.json"
PIPELINE = "model_index.json"
COMMIT = re.compile(r"[0-9a-f]{40}")


def shown(folder: Path, whole: bool = False) -> str:
    """A folder as messages name it: a snapshot of the hub's cache by its repository; `whole`: and commit."""
    if not COMMIT.fullmatch(folder.name) or folder.parent.name != "snapshots":
        return folder.name if whole else repr(str(folder))
    repo = folder.parents[1].name.removeprefix("models--").replace("--", "/")
    return f"{repo}@{folder.name}" if whole else repr(repo)


def is_small(name: str) -> bool:
    """Whether a file is a configuration or vocabulary, to be had before any weights."""
    return any(fnmatch(PurePosixPath(name).name, pattern) for pattern in SMALL)


def selected(names: Iterable[str], parts: Sequence[str], file: str) -> list[str]:
    """Of a repository's files those that are needed: the one `file`, or what loads `parts`, all parts where empty.

    Never pickles nor *.py. Small files of the top folder belong to every part.
    """
    if file:
        return [file]
    return [name for name in names if _is_wanted(name) and _is_of(name, parts)]


def _is_wanted(name: str) -> bool:
    base = PurePosixPath(name).name
    return is_small(name) or (fnmatch(base, WEIGHTS) and not any(fnmatch(base, variant) for variant in VARIANT))


def _is_of(name: str, parts: Sequence[str]) -> bool:
    if not parts or ("/" not in name and is_small(name)):
        return True
    return any(name.startswith(f"{part.strip('/')}/") for part in parts)


def named_components(folder: Path) -> tuple[str, ...]:
    """The components that a pipeline's model_index.json names; none where the folder is no pipeline.

    Raises:
        WeightsError: the file cannot be read.
    """
    path = folder / PIPELINE
    if not path.is_file():
        return ()
    return tuple(
        name
        for name, value in _fields(path).items()
        if not name.startswith("_") and isinstance(value, list) and len(value) == 2 and value[1] is not None
    )


def check(folder: Path, parts: Sequence[str], file: str, listed: Mapping[str, int] | None = None) -> Path:
    """The folder, or its one `file`, found fit to be loaded; `listed` are its files where not all are fetched yet.

    Raises:
        WeightsError: it needs code or pickles, files are missing or cut short, or a part is not there.
    """
    if file:
        path = folder / file
        if not path.is_file():
            raise WeightsError(f"weights {shown(folder)} have no file {file!r}; mend file, or the folder")
        if path.suffix == ".safetensors":
            tensors_of(path)
        return path
    wanted = tuple(parts) or named_components(folder)
    names = sorted(listed) if listed is not None else _names(folder)
    for part in wanted:
        if not any(name.startswith(f"{part.strip('/')}/") for name in names):
            raise WeightsError(f"weights {shown(folder)} have no part {part!r}; mend parts, or take a whole version")
    _refuse_code(folder, [name for name in names if _is_of(name, wanted)])
    _refuse_pickles(folder, names, wanted)
    if listed is None:
        for name in selected(names, wanted, ""):
            _complete(folder, name)
    return folder


def _names(folder: Path) -> list[str]:
    # A snapshot of the hub's cache consists of links; one that leads nowhere is a file that is not there.
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _refuse_code(folder: Path, names: Iterable[str]) -> None:
    """`auto_map` and a pipeline class with a module of its own name code in the repository that loading would run."""
    for name in names:
        if not fnmatch(PurePosixPath(name).name, "*config.json") and name != PIPELINE:
            continue
        fields = _fields(folder / name)
        if "auto_map" in fields or isinstance(fields.get("_class_name"), list):
            raise WeightsError(
                f"weights {shown(folder)} want code of their own to run ({name}: "
                f"{'auto_map' if 'auto_map' in fields else '_class_name'}), which is never done; "
                "take a version that diffusers or transformers load by themselves"
            )


def _refuse_pickles(folder: Path, names: Sequence[str], parts: Sequence[str]) -> None:
    """What is loaded is there in safetensors: loading would fall back on pickles in silence."""
    safe = {PurePosixPath(name).parent for name in selected(names, parts, "") if name.endswith(".safetensors")}
    read = {PurePosixPath(part) for part in parts} or {PurePosixPath(".")}
    for name in names:
        path = PurePosixPath(name)
        if path.suffix in PICKLES and path.parent in read - safe:
            raise WeightsError(
                f"weights {shown(folder)} have {name!r} and no *.safetensors beside it; that format runs code when it "
                "is read and is never loaded: take a version in safetensors, or convert it elsewhere"
            )
    if not safe:
        raise WeightsError(
            f"weights {shown(folder)} have no *.safetensors (variants such as fp16 are not looked for); "
            "expected weights in that format, no other is read"
        )


def _complete(folder: Path, name: str) -> None:
    path = folder / name
    if name.endswith(".safetensors"):
        tensors_of(path)
    elif fnmatch(path.name, INDEX):
        shards = _fields(path).get("weight_map")
        shards = set(shards.values()) if isinstance(shards, dict) else set()
        if missing := sorted(shard for shard in shards if not (path.parent / str(shard)).is_file()):
            raise WeightsError(
                f"weights {shown(folder)} are incomplete: {missing[0]!r} is missing beside {name}; fetch them again"
            )


def _fields(path: Path) -> dict[str, object]:
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WeightsError(f"{str(path)!r} is not JSON, or cannot be read; fetch it again") from error
    if not isinstance(fields, dict):
        raise WeightsError(f"{str(path)!r} is not a JSON object; fetch it again")
    return fields
