"""What is in the files of a snapshot's pairs, by sha256: hashed once, known again by their size and time.

One folder a training, with a file of lines for every process that hashed some. From when a file was hashed it must stay
as it is: a training that is taken up again would go on with other data in silence.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, get_args

from ditto_models.train.pair_files import Which, check_pair, content_of
from ditto_models.train.pairs import TrainingPair, UnusablePair


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """Of one file."""

    num_bytes: int
    modified_ns: int
    content: str


class Contents:
    """The contents of pairs' files."""

    def __init__(self, folder: Path) -> None:
        """What is known already is read; the folder is made."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, dict[Which, _Known]] = {}
        self._read: dict[str, int] = {}
        self._own: IO[bytes] | None = None
        self._read_new()

    def of(self, pair: TrainingPair) -> dict[Which, str]:
        """The sha256 of each of its files; hashed where they were never seen or were touched.

        Raises:
            UnusablePair: a file is missing, changed since it was hashed first, or not what the dataset says.
            OSError: the disk is full.
        """
        if pair.id not in self._known:
            self._read_new()  # another process may have been there
        before = self._known.get(pair.id)
        now = {which: _stamp(pair, which) for which in _WHICH}
        if before and all((known.num_bytes, known.modified_ns) == now[which] for which, known in before.items()):
            return {which: known.content for which, known in before.items()}
        if before is None:
            check_pair(pair)
        found = {
            which: _Known(num_bytes=size, modified_ns=modified, content=content_of(pair, which))
            for which, (size, modified) in now.items()
        }
        for which, known in (before or {}).items():
            if known.content != found[which].content:
                raise UnusablePair(pair.id, f"{which} {str(pair.files[which])!r} changed since it was first encoded")
        self._add(pair.id, found)
        return {which: known.content for which, known in found.items()}

    def _add(self, pair_id: str, found: dict[Which, _Known]) -> None:
        if self._own is None:
            self._own = (self.folder / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl").open("xb", buffering=0)
        files = {which: asdict(known) for which, known in found.items()}
        self._own.write(json.dumps({"id": pair_id, **files}).encode() + b"\n")
        self._known[pair_id] = found

    def _read_new(self) -> None:
        """Lines that came since the last look; one that is not whole is looked at again."""
        for path in sorted(self.folder.glob("*.jsonl")):
            begin = self._read.get(path.name, 0)
            if path.stat().st_size <= begin:
                continue
            with path.open("rb") as file:
                file.seek(begin)
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read[path.name] = begin + len(whole)
            for line in whole.splitlines():
                self._take(line)

    def _take(self, line: bytes) -> None:
        """Know what a line says; of one that a full disk or a power cut spoilt the files are hashed again."""
        try:
            fields = json.loads(line)
            self._known[fields["id"]] = {which: _Known(**fields[which]) for which in _WHICH}
        except (ValueError, LookupError, TypeError):
            return


_WHICH: tuple[Which, ...] = get_args(Which)


def _stamp(pair: TrainingPair, which: Which) -> tuple[int, int]:
    """Size and time of a file."""
    try:
        found = pair.files[which].stat()
    except OSError as error:
        raise UnusablePair(pair.id, f"{which} {str(pair.files[which])!r} is missing or cannot be read") from error
    return found.st_size, found.st_mtime_ns
