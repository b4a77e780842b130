"""A content-addressed store of files: RUN/artifacts/ab/cdef....mp4, named by the sha256 of what they hold."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_REFERENCE = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{1,5}")


class ArtifactStore:
    """Files by content. A reference is the sha256 and the suffix, "cdab....png"; the same content is kept once.

    A file is visible under its name only when it is whole and on disk (temporary name, fsync, rename).

    What `put` finds there already it leaves, so nothing may be removed between a sample's put and the event that names
    it, which only then makes the ledger hold the artifact. Two rules keep that, under one lock with every put:
    - what was put since the oldest sample now under way began stays: its event may still be to come. What was put
      earlier belongs to a sample that has ended, so its event is in the ledger, or never will be;
    - what the ledger says that another sample holds stays.
    A put that comes after the removal finds nothing and brings its own file.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._temporary = root / "tmp"
        self._lock = threading.Lock()
        self._put_at: dict[str, float] = {}

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
        """Store bytes under their hash; `suffix` is like ".png". What is there already costs no write."""
        reference = hashlib.sha256(data).hexdigest() + suffix
        with self._lock:
            if self._place(reference).exists():
                self._put_at[reference] = time.monotonic()
                return reference
        with self.writing(suffix) as (path, references):
            path.write_bytes(data)
        return references[0]

    @contextmanager
    def writing(self, suffix: str) -> Iterator[tuple[Path, list[str]]]:
        """A temporary path to write a file to; when the block ends well, the list holds its reference."""
        # Not when it is opened: a run may be looked at where nobody may write.
        self._temporary.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=suffix, dir=self._temporary)
        os.close(handle)
        path = Path(name)
        references: list[str] = []
        try:
            yield path, references
            references.append(self._adopt(path))
        finally:
            path.unlink(missing_ok=True)

    def remove(self, reference: str, quiet_since: float, is_held: Callable[[str], bool]) -> bool:
        """Remove an artifact that nobody needs; False where it was put at `quiet_since` or later, or is held.

        `quiet_since`: when the oldest sample now under way began, as `time.monotonic`. Only for the run's owner.
        """
        with self._lock:
            if self._put_at.get(reference, float("-inf")) >= quiet_since or is_held(reference):
                return False
            self._place(reference).unlink(missing_ok=True)
            return True

    def forget_puts(self, before: float) -> None:
        """Forget when artifacts were put, for all that was before the oldest sample now under way began."""
        with self._lock:
            self._put_at = {reference: at for reference, at in self._put_at.items() if at >= before}

    def clear_temporary(self) -> None:
        """Remove what a killed run left half written. Only the owner of the run may call it."""
        if self._temporary.is_dir():
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
        place.parent.mkdir(exist_ok=True)
        path.chmod(0o644)
        with self._lock:
            self._put_at[reference] = time.monotonic()
            if place.exists():
                return reference
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
