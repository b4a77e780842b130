"""Edits that an editor makes for an evaluation: each once, by what they are made of; what it cannot do is named."""

import threading
from pathlib import Path

import numpy as np
import pytest

from agent.clip_rules import IngestConfig
from agent.command import CommandError
from agent.evaluate.edits import Made, NoEdit, OfDataset, OfFolder, Told
from agent.evaluate.pairs import EvaluationPair
from agent.evaluate.run import Rows
from agent.judge.pair_files import MAX_FRAMES
from agent.judge.rows_progress import RowsProgress
from ditto_models import video
from ditto_models.gpu.network import DoesNotFit, OutOfMemory
from ditto_models.gpu.weights import WeightsError
from tests.scenes import FPS, scene

SMALL = IngestConfig(frames=9, max_width=64, max_height=48, min_height=16)


class Inverting:
    """An editor that inverts, and remembers what it was asked; it raises what it is told to."""

    def __init__(self, *raised: Exception) -> None:
        self.asked: list[str] = []
        self._raised = list(raised)

    def __call__(self, source: Path, instruction: str, out: Path, told: Told) -> None:
        self.asked.append(instruction)
        if self._raised:
            raise self._raised.pop(0)
        told("inverting", 0.5)
        read = video.read(source)
        video.write(out, 255 - read.frames, read.fps)


@pytest.fixture
def pair(tmp_path: Path) -> EvaluationPair:
    path = tmp_path / "source.mp4"
    video.write(path, scene(6, 0, 48, 64), FPS)
    return EvaluationPair(id="a/../b", source=path, instruction="Invert it")


def test_an_edit_is_made_once_and_again_where_anything_changed(pair: EvaluationPair, tmp_path: Path) -> None:
    editor, out = Inverting(), tmp_path / "out"
    first = Made(editor, "one", out, None).of(pair)
    assert first.source == pair.source
    assert first.edited.parent == out / "edits", "a name from outside is no path"
    assert np.abs(255 - video.read(first.edited).frames.astype(int) - video.read(pair.source).frames).mean() < 8
    assert Made(editor, "one", out, None).of(pair) == first
    assert editor.asked == ["Invert it"]
    other = EvaluationPair(id=pair.id, source=pair.source, instruction="Invert it all")
    moved = EvaluationPair(id=pair.id, source=pair.source.with_name("moved.mp4"), instruction=pair.instruction)
    moved.source.write_bytes(pair.source.read_bytes())
    found = [Made(editor, "two", out, None).of(pair), Made(editor, "one", out, None).of(other)]
    assert len({first.edited, *(one.edited for one in found)}) == 3
    assert Made(editor, "one", out, None).of(moved).edited == first.edited, "the same video, wherever it lies"
    video.write(pair.source, scene(6, 1, 48, 64), FPS)
    assert Made(editor, "one", out, None).of(pair).edited != first.edited
    assert len(editor.asked) == 4


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("10 frames"), "10 frames"),
        (OutOfMemory("too large"), "too large"),
        (video.VideoError("broken"), "broken"),
    ],
)
def test_what_it_cannot_do_is_a_reason_and_the_next_time_it_is_tried_again(
    pair: EvaluationPair, tmp_path: Path, error: Exception, told: str
) -> None:
    made = Made(Inverting(error), "one", tmp_path / "out", None)
    with pytest.raises(NoEdit, match=f"it could not be edited: {told}"):
        made.of(pair)
    assert list((tmp_path / "out" / "edits").iterdir()) == []
    assert made.of(pair).edited.is_file()


@pytest.mark.parametrize("error", [WeightsError("no such weights"), DoesNotFit("24 GB"), OSError(28, "disk full")])
def test_what_no_pair_would_fare_better_by_ends_it(pair: EvaluationPair, tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        Made(Inverting(error), "one", tmp_path / "out", None).of(pair)


def test_a_source_that_is_too_large_or_too_long_is_edited_as_a_copy(pair: EvaluationPair, tmp_path: Path) -> None:
    made = Made(Inverting(), "one", tmp_path / "out", SMALL)
    assert made.of(pair).source == pair.source
    large = tmp_path / "large.mp4"
    video.write(large, scene(5, 0, 96, 128), FPS)
    found = made.of(EvaluationPair(id="large", source=large, instruction="x"))
    for path in (found.source, found.edited):
        shown = video.probe(path)
        assert (shown.width, shown.height, shown.frames) == (64, 48, 5)
    assert found.source.parent == tmp_path / "out" / "sources"
    written = found.source.stat().st_mtime_ns
    assert made.of(EvaluationPair(id="large", source=large, instruction="y")).source.stat().st_mtime_ns == written
    long = tmp_path / "long.mp4"
    video.write(long, np.zeros((MAX_FRAMES + 9, 16, 16, 3), np.uint8), FPS)
    assert video.probe(made.of(EvaluationPair(id="long", source=long, instruction="x")).edited).frames == MAX_FRAMES


def test_a_source_that_cannot_be_read_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("words")
    for name, size in (("words.mp4", SMALL), ("words.mp4", None), ("gone.mp4", None), ("gone.mp4", SMALL)):
        with pytest.raises(NoEdit, match=name):
            Made(Inverting(), "one", tmp_path / "out", size).of(
                EvaluationPair(id="a", source=tmp_path / name, instruction="x")
            )
    with pytest.raises(CommandError, match="--out"):
        Made(Inverting(), "one", tmp_path / "words.mp4", None)


def test_no_more_are_made_once_a_person_stopped_it(pair: EvaluationPair, tmp_path: Path) -> None:
    editor, stop = Inverting(), threading.Event()
    pairs = [EvaluationPair(id=str(number), source=pair.source, instruction=f"{number}") for number in range(9)]
    progress = RowsProgress(9, stop, with_edits=True)
    rows = iter(Rows(pairs, Made(editor, "one", tmp_path / "out", None), stop, progress))
    assert next(rows).id == "0"
    stop.set()
    assert list(rows) == []
    assert editor.asked == ["0"]


def test_edits_of_others_go_by_the_names_that_benchmarks_have(pair: EvaluationPair, tmp_path: Path) -> None:
    folder = tmp_path / "edits"
    (folder / "a").mkdir(parents=True)
    asked = EvaluationPair(id="a", source=pair.source, instruction="x")
    with pytest.raises(NoEdit, match=r"a\.mp4, a/generate\.mp4, source\.mp4, source_edited\.mp4"):
        OfFolder(folder).of(asked)
    for name in ("source_edited.mp4", "source.mp4", "a/generate.mp4", "a.mp4"):
        (folder / name).touch()
        assert OfFolder(folder).of(asked).edited == folder / name
    with pytest.raises(NoEdit, match="no edits of its own"):
        OfDataset().of(asked)


@pytest.mark.parametrize("name", ["../b", "/b"])
def test_a_pairs_name_never_leads_out_of_the_folder_of_edits(pair: EvaluationPair, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "edits"
    folder.mkdir()
    (tmp_path / "b.mp4").touch()
    asked = EvaluationPair(id=name.replace("/b", f"{tmp_path}/b") if name == "/b" else name, source=pair.source)
    with pytest.raises(NoEdit, match="has no edit of it; expected one of source"):
        OfFolder(folder).of(asked)
