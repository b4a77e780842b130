"""What studios make to show lies apart, and is gone once they are."""

import os
import tempfile
from pathlib import Path

import pytest

from agent.studio.scratch import PREFIX, scratch_folder


def test_a_killed_studios_folder_is_removed_and_a_living_ones_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead, fresh, other = (tmp_path / name for name in (f"{PREFIX}dead", f"{PREFIX}fresh", "else"))
    for folder in (dead, fresh, other):
        folder.mkdir()
        (folder / "pair.mp4").write_bytes(b"x")
    (tmp_path / f"{PREFIX}link").symlink_to(other)
    with scratch_folder() as living:
        for folder in (dead, other, living):
            os.utime(folder, (0, 0))
        with scratch_folder() as second:
            assert living.is_dir()
            assert second != living
            assert not dead.exists()
            assert fresh.is_dir(), "its studio may be about to lock it"
            assert (other / "pair.mp4").is_file()
        assert not second.exists()
    assert not living.exists()
