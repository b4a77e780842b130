"""What uploaded videos are, looked at once while the studio runs."""

from __future__ import annotations

import threading
from pathlib import Path

from agent.conversation.uploads import Uploaded, known_upload


class UploadFacts:
    """By run and name."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, str], Uploaded] = {}
        self._lock = threading.Lock()

    def remember(self, run: Path, uploaded: Uploaded) -> None:
        """What was just looked at need not be looked at again."""
        with self._lock:
            self._known[run, uploaded.name] = uploaded

    def of(self, run: Path, name: str) -> Uploaded:
        """Facts of a video that was taken.

        Raises:
            UploadRefused: the run has none of this name.
        """
        with self._lock:
            if (run, name) not in self._known:
                self._known[run, name] = known_upload(run, name)
            return self._known[run, name]
