"""Drawing clips: the fresh ones first, again only when no more will come, and never too often."""

import pytest

from memory.sample import Clip
from tools.clip_table import ClipTable
from tools.result import NoClipLeft


def clip(number: int) -> Clip:
    return Clip(
        clip_id=f"clip{number}",
        uri=f"{number}.mp4",
        sha256="0" * 64,
        start_seconds=0,
        end_seconds=1,
        fps=25,
        frames=25,
        width=64,
        height=48,
    )


def table(*uses: int, limit: int = 2) -> ClipTable:
    made = ClipTable(clip, limit)
    for number, used in enumerate(uses, 1):
        made.add(number, used)
    return made


def test_each_clip_is_drawn_once_before_any_twice() -> None:
    clips = table(0, 1, 0)
    clips.complete = True
    assert [clips.draw().clip_id for _ in range(5)] == ["clip1", "clip3", "clip1", "clip2", "clip3"]
    with pytest.raises(NoClipLeft, match="all 3 clips"):
        clips.draw()


def test_while_clips_may_come_none_is_promised_twice() -> None:
    clips = table(0, 0)
    assert [clips.claim() for _ in range(3)] == [True, True, False]
    clips.draw()
    assert not clips.claim()
    clips.add(3)
    assert clips.claim()
    clips.complete = True
    assert [clips.claim() for _ in range(4)] == [True, True, True, False]


def test_a_clip_is_taken_up_once_and_one_that_is_retired_not_again() -> None:
    clips = table(0)
    clips.add(1)
    clips.complete = True
    clips.retire(clips.draw().clip_id)
    assert not clips.claim()
    with pytest.raises(NoClipLeft):
        clips.draw()


def test_uses_beyond_the_limit_count_as_the_limit() -> None:
    clips = table(7, limit=2)
    clips.complete = True
    assert not clips.claim()
