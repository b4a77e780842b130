"""Export as webdataset: tar files whose members are ID.source.mp4, ID.edited.mp4, the key frames and ID.json."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agent.export.snapshot import ExportPair

SUFFIXES = {"source": ".mp4", "edited": ".mp4", "key_frame_source": ".png", "key_frame_edited": ".png"}


class WebdatasetFormat:
    """Shards for `webdataset.WebDataset` and others that read tar by its names."""

    def name(self, split: str, number: int, total: int) -> str:
        """For example train-000000.tar."""
        return f"{split}-{number:06d}.tar"

    def write(self, path: Path, pairs: Iterable[ExportPair]) -> None:
        """Write pairs as one tar; no time and no user is in it, so equal pairs give equal bytes."""
        from webdataset import TarWriter

        # The writer's own opener would run a name that begins with "pipe:" as a command.
        with (
            path.open("wb") as file,
            TarWriter(file, user="", group="", mode=0o644, mtime=0, encoder=False) as writer,
        ):
            for pair in pairs:
                files = {f"{name}{SUFFIXES[name]}": content for name, content in pair.read().items()}
                writer.write({"__key__": pair.record.id, "json": pair.line.encode(), **files})
