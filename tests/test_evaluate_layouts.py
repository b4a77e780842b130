"""Benchmarks' folders, made small by the names of files and keys that theirs have."""

import csv
import json
from pathlib import Path

import pytest

from agent.command import CommandError
from agent.evaluate.layouts import Layout, found_layout, listed
from agent.evaluate.pairs import EvaluationPair


def openve(folder: Path) -> Path:
    (folder / "videos").mkdir(parents=True)
    (folder / "videos" / "0054_style.mp4").touch()
    with (folder / "benchmark_videos.csv").open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["original_video", "edited_type", "prompt"])
        rows.writerow(["OpenVE-Bench/videos/0054_style.mp4", "global_style", "Apply Chinese Ink Wash\nstyle"])
        rows.writerow(["videos/gone.mp4", "local_add", "Add a hat, please"])
        rows.writerow(["videos/0054_style.mp4", "local_remove", ""])
    return folder


def editverse(folder: Path) -> Path:
    (folder / "videos").mkdir(parents=True)
    (folder / "videos" / "a.mp4").touch()
    entry = {"<text>": "<video1> Make it snow.", "<video1>": "videos/a.mp4", "type": "weather", "target_prompt": "Snow"}
    entry |= {"<video1> link": "https://example.org/a", "direction": "horizontal", "source_prompt": "A street"}
    entries = {
        "0": entry,
        "1": entry | {"<image1>": "images/x.png", "<image2>": ""},
        "2": {"<text>": "<video1>"},
        "3": 7,
    }
    (folder / "test.json").write_text(json.dumps(entries))
    return folder


def ivebench(folder: Path) -> Path:
    (folder / "ivebenchdb_mp4_short").mkdir(parents=True)
    (folder / "ivebenchdb_mp4_long").mkdir()
    entry = {
        "id": 1,
        "src_video_name": "001",
        "category": "Style",
        "subcategory": "x",
        "source_prompt": "a cat",
        "edit_prompt": "Paint it",
        "target_prompt": "a painted cat",
    }
    for subset in ("short", "long"):
        (folder / f"ivebenchdb_mp4_{subset}" / "001.mp4").touch()
        (folder / f"ivebenchdb_prompt_{subset}.json").write_text(json.dumps([entry]))
    return folder


BENCHMARKS = {"openve": openve, "editverse": editverse, "ivebench": ivebench}


@pytest.mark.parametrize("layout", BENCHMARKS)
def test_a_layout_is_known_by_its_list(tmp_path: Path, layout: Layout) -> None:
    folder = BENCHMARKS[layout](tmp_path / "benchmark")
    assert found_layout(folder) == layout
    pairs = listed(folder, layout, "test")
    assert all(pair.edited is None for pair in pairs)
    assert len({pair.id for pair in pairs}) == len(pairs)
    assert pairs[0].source.is_file()
    assert not pairs[0].problem


def problems(pairs: list[EvaluationPair]) -> list[str]:
    return [pair.problem for pair in pairs]


def test_openve_is_read_by_its_columns(tmp_path: Path) -> None:
    first, gone, bad = listed(openve(tmp_path / "OpenVE-Bench"), "openve", "test")
    assert (first.id, first.edit_type, first.instruction) == (
        "0054_style",
        "global_style",
        "Apply Chinese Ink Wash style",
    )
    assert first.target == ""
    assert (gone.problem, gone.source.name, gone.source.is_file()) == ("", "gone.mp4", False)
    assert bad.problem == "it has no prompt; expected text"


def test_editverse_gives_the_instruction_and_what_is_to_be_seen(tmp_path: Path) -> None:
    pairs = listed(editverse(tmp_path), "editverse", "test")
    assert (pairs[0].instruction, pairs[0].target, pairs[0].edit_type) == ("Make it snow.", "Snow", "weather")
    assert problems(pairs)[1:] == [
        "it gives <image1> beside the words, which an editor by words cannot use",
        "it has no <video1>; expected text",
        "it has no <video1>; expected text",
    ]


def test_ivebench_keeps_its_two_subsets_apart(tmp_path: Path) -> None:
    long, short = sorted(listed(ivebench(tmp_path), "ivebench", "test"), key=lambda pair: pair.id)
    assert (long.id, short.id) == ("long-1", "short-1")
    assert "mp4_long" in str(long.source)
    assert "mp4_short" in str(short.source)
    assert (short.instruction, short.target, short.edit_type) == ("Paint it", "a painted cat", "Style")
    assert long.group != short.group


def test_a_folder_that_is_none_or_two_is_refused(tmp_path: Path) -> None:
    for folder in (openve, editverse):
        folder(tmp_path / folder.__name__)
    (tmp_path / "openve" / "test.json").write_text("{}")
    with pytest.raises(CommandError, match="openve and editverse; say which: --layout"):
        found_layout(tmp_path / "openve")
    with pytest.raises(CommandError, match="is no folder of ivebench"):
        listed(tmp_path / "openve", "ivebench", "test")
    with pytest.raises(CommandError, match=r"neither a run nor its dataset.*benchmark_videos\.csv"):
        listed(tmp_path, found_layout(tmp_path), "test")
    with pytest.raises(CommandError, match=r"test\.json' lists no pair"):
        listed(tmp_path / "openve", "editverse", "test")


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000], ids=["list", "half", "deep"])
def test_a_list_that_cannot_be_read_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "test.json").write_text(text)
    with pytest.raises(CommandError, match="cannot be read as editverse"):
        listed(tmp_path, "editverse", "test")


@pytest.mark.parametrize("layout", BENCHMARKS)
@pytest.mark.parametrize("name", ["{outside}/secret.mp4", "../secret.mp4", "videos/../../secret.mp4"])
def test_a_list_never_leads_out_of_its_folder(tmp_path: Path, layout: Layout, name: str) -> None:
    folder = BENCHMARKS[layout](tmp_path / "benchmark")
    (tmp_path / "secret.mp4").touch()
    places = {"0054_style.mp4": name, "videos/a.mp4": name, "001": name}
    for path in (*folder.glob("*.csv"), *folder.glob("*.json")):
        text = path.read_text(encoding="utf-8-sig")
        for before, after in places.items():
            text = text.replace(before, after.format(outside=tmp_path))
        path.write_text(text.replace("OpenVE-Bench/videos/", "").replace("videos//", "/"), encoding="utf-8-sig")
    pairs = [pair for pair in listed(folder, layout, "test") if not pair.problem]
    assert "secret.mp4" in {pair.source.name for pair in pairs}
    assert all(pair.source.resolve().is_relative_to(folder) for pair in pairs)
    (folder / "videos").mkdir(exist_ok=True)
    (folder / "videos" / "secret.mp4").touch()
    found = [pair.source for pair in listed(folder, layout, "test") if pair.source.name == "secret.mp4"]
    assert set(found) == {folder / "videos" / "secret.mp4"}, "the file's name still counts"


def test_words_that_are_no_text_are_a_problem_of_their_pair(tmp_path: Path) -> None:
    folder = editverse(tmp_path / "benchmark")
    entry = {"<text>": "Make it \ud83c.", "<video1>": "videos/a.mp4"}
    (folder / "test.json").write_text(
        json.dumps({"0": entry, "1": entry | {"<text>": "Snow", "target_prompt": "\udc00"}})
    )
    assert all("half a character" in problem for problem in problems(listed(folder, "editverse", "test")))


def test_a_list_without_the_columns_is_refused_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "benchmark_videos.csv").write_text("video,prompt\r\na.mp4,Make it snow\r\n", encoding="utf-8-sig")
    with pytest.raises(CommandError, match="has no column original_video, only video, prompt"):
        listed(tmp_path, "openve", "test")
