"""A content-addressed store of files: RUN/artifacts/ab/cdef....mp4, named by the sha256 of what they hold."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_REFERENCE = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{1,5}")


class ArtifactStore:
    """Files by content. A reference is the sha256 and the suffix, "cdab....png"; the same content is kept once.

    A file is visible under its name only when it is whole and on disk (temporary name, fsync, rename).
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._temporary = root / "tmp"
        self._temporary.mkdir(parents=True, exist_ok=True)

    def path(self, reference: str) -> Path:
        """Where the artifact lies.

        Raises:
            ValueError: `reference` is not of the form that `put` returns.
            FileNotFoundError: there is no such artifact.
        """
        if not _REFERENCE.fullmatch(reference):
            raise ValueError(f"{reference!r} is no artifact reference; expected 64 hex digits and a suffix")
        path = self._place(reference)
        if not path.is_file():
            raise FileNotFoundError(f"artifact {reference!r} is missing from {str(self.root)!r}")
        return path

    def put(self, data: bytes, suffix: str) -> str:
        """Store bytes under their hash; `suffix` is like ".png"."""
        with self.writing(suffix) as (path, references):
            path.write_bytes(data)
        return references[0]

    @contextmanager
    def writing(self, suffix: str) -> Iterator[tuple[Path, list[str]]]:
        """A temporary path to write a file to; when the block ends well, the list holds its reference."""
        handle, name = tempfile.mkstemp(suffix=suffix, dir=self._temporary)
        os.close(handle)
        path = Path(name)
        references: list[str] = []
        try:
            yield path, references
            references.append(self._adopt(path))
        finally:
            path.unlink(missing_ok=True)

    def clear_temporary(self) -> None:
        """Remove what a killed run left half written. Only the owner of the run may call it."""
        for path in self._temporary.iterdir():
            path.unlink()

    def _place(self, reference: str) -> Path:
        return self.root / reference[:2] / reference[2:]

    def _adopt(self, path: Path) -> str:
        with path.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        reference = digest + path.suffix
        place = self._place(reference)
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            path.chmod(0o644)
            path.rename(place)
            sync_folder(place.parent)
        return reference


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
