"""Files that are there whole or not at all, whatever ends the process or the machine."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{16}")


def unfinished(path: Path) -> Path:
    """A name beside a path for what is to be renamed to it."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


def sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder that nobody writes to now."""
    for left in folder.iterdir():
        if _UNFINISHED.fullmatch(left.name):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def write_whole(path: Path, parts: Iterable[bytes], partial_folder: Path | None = None) -> None:
    """Write a file under a temporary name, and rename it once it is on disk; several processes may at once.

    Args:
        path: of the file; its folder must exist
        parts: what it holds, in order
        partial_folder: where the temporary file lies, on the same file system; beside the file where None

    Raises:
        OSError: the disk is full or broken; nothing of the file is left.
    """
    partial = unfinished((partial_folder or path.parent) / path.name)
    try:
        with partial.open("xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a write that fails does not say of what
        raise


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], header: Mapping[str, str]) -> None:
    """Write a safetensors file, tensor by tensor.

    Raises:
        OSError: the disk is full or broken; nothing of the file is left.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    partial = unfinished(path)
    try:
        partial.touch(exist_ok=False)
        mode = partial.stat().st_mode
        save_file(dict(tensors), partial, dict(header))
        partial.chmod(mode)  # the library lets nobody else read what it writes
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except SafetensorError as error:
        raise OSError(f"{str(path)!r} could not be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
