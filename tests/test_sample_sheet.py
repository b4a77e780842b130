"""The sheet of many samples: what it costs in memory, and what it says of none."""

from pathlib import Path

import numpy as np
import pytest

from memory.artifacts import ArtifactStore
from tools.media import Media
from tools.sample_sheet import pairs_sheet, small_frames


def test_frames_wait_for_the_sheet_without_their_video() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (49, 90, 160, 3), np.uint8)
    chosen = small_frames(frames)
    assert len(chosen) == 4
    assert not any(np.shares_memory(frame, frames) for frame in chosen)


def test_no_edited_video_is_no_sheet(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of 0 samples"):
        pairs_sheet([], Media(ArtifactStore(tmp_path)))
