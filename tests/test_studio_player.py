"""The packed video of a pair: both halves in one picture, each with its frame's number."""

import threading
from pathlib import Path

import numpy as np
import pytest

from agent.studio.proxy import BITS, BLOCK, NO_FRAME, Pair, Proxies, pair_of
from ditto_models import video
from memory.artifacts import ArtifactStore
from memory.sample import Clip, Sample

WIDTH, HEIGHT, FPS = 64, 48, 10.0


def store_video(store: ArtifactStore, level: int, frames: int = 5) -> str:
    with store.writing(".mp4") as (path, references):
        video.write(path, np.full((frames, HEIGHT, WIDTH, 3), level, dtype=np.uint8), FPS)
    return references[0]


def pair(source: str, edited: str) -> Pair:
    return Pair(source=source, edited=edited, width=WIDTH, height=HEIGHT, frames=5, fps=FPS)


def number(picture: np.ndarray, shown: Pair, tile: int) -> int:
    """What the strip under a tile says."""
    row = picture[tile * shown.step + shown.height + 8, BLOCK // 2 : BITS * BLOCK : BLOCK, 1]
    return int("".join("1" if level > 128 else "0" for level in row), 2)


def test_every_frame_carries_its_number_under_each_tile(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    shown = pair(store_video(store, 60), store_video(store, 80))
    played = video.read(Proxies(tmp_path).path(shown, store))
    assert played.fps == FPS
    assert [[number(frame, shown, tile) for tile in range(3)] for frame in played.frames] == [[n] * 3 for n in range(5)]
    levels = [int(played.frames[2, tile * shown.step + 20, 20, 1]) for tile in range(3)]
    assert levels == pytest.approx([60, 80, 80], abs=6)  # the difference, 20, is shown four times as strong


def test_a_frame_that_one_half_does_not_have_is_said_to_be_missing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    shown = pair(store_video(store, 60), store_video(store, 80, frames=3))
    played = video.read(Proxies(tmp_path).path(shown, store))
    assert [number(frame, shown, 0) for frame in played.frames] == [0, 1, 2, 3, 4]
    assert [number(frame, shown, 1) for frame in played.frames] == [0, 1, 2, NO_FRAME, NO_FRAME]


def test_each_frame_is_a_key_frame(tmp_path: Path) -> None:
    import av

    store = ArtifactStore(tmp_path / "artifacts")
    shown = pair(store_video(store, 60), "")
    with av.open(str(Proxies(tmp_path).path(shown, store))) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    assert [packet.is_keyframe for packet in packets] == [True] * 5


def test_a_pair_is_made_once_even_where_two_ask_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    shown = pair(store_video(store, 60), store_video(store, 80))
    made: list[Path] = []
    write = video.write

    def counted(path: Path, *rest: object, **more: object) -> None:
        made.append(path)
        write(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(video, "write", counted)
    proxies = Proxies(tmp_path)
    asking = [threading.Thread(target=proxies.path, args=(shown, store)) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(made) == 1


def test_what_was_used_longest_ago_goes_when_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.studio.proxy.MOST_BYTES", 1)
    store = ArtifactStore(tmp_path / "artifacts")
    proxies = Proxies(tmp_path)
    first = proxies.path(pair(store_video(store, 60), ""), store)
    second = proxies.path(pair(store_video(store, 90), ""), store)
    assert (first.exists(), second.exists()) == (False, True)


def test_a_large_clip_is_shown_at_most_640_pixels_wide_and_one_without_pictures_not_at_all() -> None:
    clip = Clip(
        clip_id="c", uri="c.mp4", sha256="0", start_seconds=0, end_seconds=1, fps=25, frames=25, width=1918, height=1080
    )
    sample = Sample(id="s", seed=0)
    assert pair_of(sample) is None
    assert pair_of(sample.model_copy(update={"clip": clip})) is None
    shown = pair_of(sample.model_copy(update={"clip": clip.model_copy(update={"video": "v"})}))
    assert shown is not None
    assert (shown.width, shown.height, shown.edited) == (640, 360, "")
