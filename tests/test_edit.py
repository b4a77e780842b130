"""python -m ditto_models.edit on tiny weights: the clip's size, frames, moments and sound round a new picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ditto_models.edit_progress import EditProgress
from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.clip_edit import plan_of
from ditto_models.gpu.editto_card import BASE, WEIGHTS
from ditto_models.timeline import frames_of, timeline_of
from tests.clips_with_sound import make_clip
from tests.commands import call, line_of, problem_of, run_command
from tests.tiny_editto import tiny_editto

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]

EDIT = "ditto_models.edit"
MOMENTS = (0, 40, 100, 400, 520, 540, 900, 1000, 1033, 1500, 1540, 1600)
QUICK = ("--steps", 2, "--guidance", 1, "--set", "placement.device=cpu", "--set", "placement.dtype=float32")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = Bucket(frames=9, height=32, width=48)
    return tiny_editto(tmp_path_factory.mktemp("edit") / "model", buckets=(small,))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mkv", MOMENTS, width=61, height=39, sound="aac")


def edit(clip: Path, model: Path, out: Path, *more: object, instruction: str = "make it snow") -> dict[str, Any]:
    done = call(EDIT, clip, "--instruction", instruction, "--model", model, "--out", out, *QUICK, *more, "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def pixels(path: Path) -> np.ndarray[Any, Any]:
    return np.stack(list(frames_of(timeline_of(path))))


def test_a_clip_of_any_size_and_length_comes_back_with_its_own_size_moments_and_sound(
    clip: Path, model: Path, tmp_path: Path
) -> None:
    answer = edit(clip, model, tmp_path / "out.mp4")
    made, source = timeline_of(tmp_path / "out.mp4"), timeline_of(clip)
    assert (made.width, made.height, made.frames) == (source.width, source.height, source.frames) == (61, 39, 12)
    assert [round(moment * made.tick * 1000) for moment in made.shown_at] == list(MOMENTS)
    assert answer["sound"] == "kept"
    assert answer["windows"] == [[0, 9], [3, 12]]
    assert (answer["made_width"], answer["made_height"]) == (48, 32)
    assert answer["model"] == f"model/{WEIGHTS} on {BASE}"
    assert not answer["is_steady"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv", "out.mp4"]

    first = pixels(tmp_path / "out.mp4")
    others: tuple[tuple[object, ...], ...] = (("--seed", 1), ("--steps", 3), ("--guidance", 3), ("--carry", "none"))
    for option in others:
        edit(clip, model, tmp_path / f"{option[0]}.mp4", *option)
        assert not np.array_equal(pixels(tmp_path / f"{option[0]}.mp4"), first), option
    edit(clip, model, tmp_path / "words.mp4", instruction="make it night")
    assert not np.array_equal(pixels(tmp_path / "words.mp4"), first)
    before, after = first[:3], pixels(tmp_path / "--carry.mp4")[:3]
    assert np.abs(before.astype(int) - after).mean() < 2, "the first window sees the instruction alone either way"
    edit(clip, model, tmp_path / "words.mp4", "--overwrite")
    again, other = pixels(tmp_path / "words.mp4"), pixels(tmp_path / "--seed.mp4")
    off, far = (np.abs(first.astype(int) - each).mean() for each in (again, other))
    assert off < far / 5, "the same but for x264, which codes a little differently now and then"


def test_a_released_file_over_its_base_and_another_size(clip: Path, model: Path, tmp_path: Path) -> None:
    file, base = model / WEIGHTS, model / BASE
    answer = edit(clip, file, tmp_path / "out.mp4", "--base", base, "--largest", "32x32x5")
    assert [end - begin for begin, end in answer["windows"]] == [5] * 3
    assert answer["made_width"] * answer["made_height"] <= 1024
    assert timeline_of(tmp_path / "out.mp4").frames == 12


def test_it_is_made_at_the_size_nearest_in_shape_to_those_of_its_training() -> None:
    wide, high = Bucket(frames=81, height=480, width=832), Bucket(frames=81, height=832, width=480)
    phone = plan_of(1080, 1920, 300, (wide, high))
    assert (phone.canvas.width, phone.canvas.height) == (464, 832)
    assert [window.frames for window in phone.windows] == [69] * 5
    film = plan_of(3840, 2160, 81, (wide, high))
    assert (film.canvas.width, film.canvas.height, len(film.windows)) == (832, 464, 1)
    assert plan_of(320, 180, 10, (wide,)).canvas.width == 832, "small ones are scaled up"


def test_a_stopped_or_failed_edit_leaves_no_file(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: EditProgress, plan: object, window: int, step: int) -> None:
        if window == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(EditProgress, "told", stop)
    there = sorted(tmp_path.iterdir())
    done = call(EDIT, clip, "--instruction", "snow", "--model", model, "--out", tmp_path / "out.mp4", *QUICK)
    assert (done.returncode, line_of(done.stderr)) == (1, "error: stopped")
    assert sorted(tmp_path.iterdir()) == there


def test_a_person_who_stops_it_while_libraries_are_read_sees_a_line(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "ditto_models.gpu.geometry":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "ditto_models.gpu.geometry")
    monkeypatch.setattr(sys, "meta_path", [Impatient(), *sys.meta_path])
    done = call(EDIT, clip, "--instruction", "snow", "--model", model, "--out", tmp_path / "out.mp4", *QUICK)
    assert (done.returncode, line_of(done.stderr)) == (1, "error: stopped")


def test_what_cannot_be_done_is_told_in_a_line(clip: Path, model: Path, tmp_path: Path) -> None:
    out, empty = tmp_path / "out.mp4", tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "broken.mp4").write_bytes(clip.read_bytes()[:500])
    (tmp_path / "there.mp4").write_text("before")
    good: dict[str, object] = {"clip": clip, "--instruction": "snow", "--model": model, "--out": out}
    refused: list[tuple[dict[str, object], str]] = [
        ({"--instruction": " \n"}, "--instruction is empty"),
        ({"--instruction": "snow \udcff"}, "is no UTF-8 text"),
        ({"--seed": 2**63}, "--seed is 9223372036854775808; expected 0 to"),
        ({"--model": empty}, "has no editto.json"),
        ({"--model": tmp_path / "nowhere"}, "is not there"),
        ({"--model": model / WEIGHTS}, "--base"),
        ({"--model": tmp_path / "x.safetensors", "--base": model}, "is not there"),
        ({"clip": tmp_path / "broken.mp4"}, "cannot read"),
        ({"clip": tmp_path / "nowhere.mp4"}, "is not a file"),
        ({"--out": clip}, "is the clip itself"),
        ({"--out": tmp_path / "there.mp4"}, "--overwrite"),
        ({"--out": tmp_path / "nowhere" / "out.mp4"}, "no folder"),
        ({"--out": tmp_path / "out.gif"}, ".mp4, .mov, .mkv"),
        ({"--largest": "48x32"}, "WIDTHxHEIGHTxFRAMES"),
        ({"--largest": "50x32x9"}, "multiples of 16"),
        ({"--steps": 0}, "greater than or equal to 1"),
        ({"--set": "placement.ofload=group"}, "there is no setting"),
    ]
    for changed, said in refused:
        given = good | changed
        arguments = [given.pop("clip"), *(word for pair in given.items() for word in pair)]
        assert said in line_of(problem_of(EDIT, *arguments))
    assert not out.exists()
    assert (tmp_path / "there.mp4").read_text() == "before"


def test_weights_that_do_not_suit_fail_in_a_line_as_a_process(clip: Path, model: Path, tmp_path: Path) -> None:
    other = ("--set", "weights={repo: /nowhere/at/all}")
    done = run_command(EDIT, clip, "--instruction", "snow", "--model", model, "--out", tmp_path / "out.mp4", *other)
    assert done.returncode == 1
    assert "/nowhere/at/all" in line_of(done.stderr)
    assert not (tmp_path / "out.mp4").exists()
