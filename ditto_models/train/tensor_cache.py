"""Tensors on disk by a name that says what they are of: FOLDER/ab/cdef....safetensors, each there whole or not at all.

Several processes and trainings may share a folder, and any of them be killed at any moment.
"""

from __future__ import annotations

import errno
import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ditto_models.command import CommandFailed
from ditto_models.gpu.tensor_file import WeightsError, tensors_of
from ditto_models.train.whole_file import write_whole

if TYPE_CHECKING:
    import torch

_NAME = "tensor"
_OLD_SECONDS = 3600.0
"""A file is written in seconds: one that is unfinished for so long was left by a process that was killed."""


def key_of(*words: str) -> str:
    """The key of what these words describe, 64 hex digits."""
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


class TensorCache:
    """A folder of tensors by key."""

    def __init__(self, folder: Path) -> None:
        """The folder is made; what killed processes left unfinished is removed.

        Raises:
            OSError: it cannot be made.
        """
        self.folder = folder
        self._partial = folder / "partial"
        self._partial.mkdir(parents=True, exist_ok=True)
        for left in self._partial.iterdir():
            with suppress(FileNotFoundError):  # another training has finished it in between
                if time.time() - left.stat().st_mtime > _OLD_SECONDS:
                    left.unlink()

    def has(self, key: str) -> bool:
        """Whether the tensor is there, and its file as long as its header says."""
        try:
            return _NAME in tensors_of(self._path(key))
        except (OSError, WeightsError):
            return False

    def load(self, key: str) -> torch.Tensor | None:
        """The tensor, on the CPU; None where it is not there, or its file is torn."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            # Not load_file, which maps the file: one that is cut short while a step reads it would kill the process.
            tensor: torch.Tensor = load(self._path(key).read_bytes())[_NAME]
        except (FileNotFoundError, SafetensorError, KeyError):
            return None
        return tensor

    def save(self, key: str, tensor: torch.Tensor) -> None:
        """Put it there.

        Raises:
            CommandFailed: the disk is full; nothing is torn.
        """
        from safetensors.torch import save

        path = self._path(key)
        try:
            path.parent.mkdir(exist_ok=True)
            write_whole(path, [save({_NAME: tensor.contiguous()})], self._partial)
        except OSError as error:
            raise of_disk(error, self.folder) from error

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}.safetensors"


def of_disk(error: OSError, folder: Path) -> Exception:
    """What to say of a write that failed: of a full disk, what to do."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return CommandFailed(
        f"the disk of the cache {str(folder)!r} is full; make room, or put the cache elsewhere, and start again: "
        "what is encoded stays"
    )
