"""Judging many pairs: every row has an outcome, lists of any origin are read, and the report shows text as text."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import cv2
import pytest

from agent.judge.judged import Judged
from agent.judge.pair_list import MAX_LINE, ListedPair, list_pairs
from agent.judge.row import judged_row, measure_row
from agent.judge.rows import judge_rows
from agent.profile import load_profile
from ditto_models import video
from ditto_models.executors.base import Timed, WorkerLost
from tests.commands import ROOT, call, line_of, problem_of, run_command
from tests.fake_run import make_clips, run_fake
from tests.report_page import check_page
from tests.test_judge import AXES, FPS, FREE, GLOBAL, critic, moving, nightly

P = ParamSpec("P")
T = TypeVar("T")
PROFILE = load_profile("embedded")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """source.mp4, night.mp4, small.mp4 (another size), night.png and pipe.mp4, which would wait for ever."""
    folder = tmp_path_factory.mktemp("pairs")
    for name, frames in (("source", moving()), ("night", nightly(moving())), ("small", moving(height=64))):
        video.write(folder / f"{name}.mp4", frames, FPS)
    cv2.imwrite(str(folder / "night.png"), nightly(moving())[5][..., ::-1])
    os.mkfifo(folder / "pipe.mp4")
    return folder


def jsonl(folder: Path, *rows: object, name: str = "list.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def judged(row: ListedPair, with_sheet: bool = False) -> Judged:
    measured = measure_row(row, critic(), None, PROFILE, with_sheet)
    return measured if isinstance(measured, Judged) else judged_row(measured, None, PROFILE.policy)


# lists


def test_a_csv_may_call_its_columns_by_other_names_and_begin_anywhere(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    path = tmp_path / "lists" / "made elsewhere.CSV"
    near = os.path.relpath(clips, path.parent)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Prompt", "video", "vace_video", "price"])
        rows.writerow([GLOBAL, f"{near}/night.mp4", str(clips / "source.mp4"), "3"])
        rows.writerow([])
        rows.writerow(["Two\nlines, “é”", "a.mp4", "b.mp4"])
    first, second = list_pairs(path)
    assert judged(first).decision == "accepted"
    assert first.id == "row 1"
    assert second.instruction == "Two\nlines, “é”"
    assert second.files
    assert second.files.edited == path.parent.absolute() / "a.mp4"


def test_a_key_frame_in_a_list_must_be_followed(clips: Path) -> None:
    pair = {"source": "source.mp4", "edited": "night.mp4", "instruction": GLOBAL, "key_frame": "night.png"}
    path = jsonl(clips, pair | {"key_frame_index": 5, "id": "x"}, pair | {"key_frame": "source.mp4"})
    good, bad = map(judged, list_pairs(path))
    assert (good.id, good.decision) == ("x", "accepted")
    assert good.scores["key_frame_followed"].passed
    assert bad.decision == "unreadable"
    assert "cannot be read as an image" in bad.reasons[0]


GOOD = {"source": "source.mp4", "edited": "night.mp4", "instruction": GLOBAL}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('{"source": ', "is no JSON object"),
        ("[1, 2]", "is no JSON object"),
        ("[" * 200_000, "is no JSON object"),
        ("x" * (3 * MAX_LINE), "is no JSON object"),
        (GOOD | {"source": None}, "it has no source; expected one of source, source_path"),
        (GOOD | {"edited": 7}, "its edited is 7; expected text"),
        (GOOD | {"instruction": " "}, "its instruction is empty"),
        (GOOD | {"instruction": "a" * 3000}, "has 3000 characters"),
        (GOOD | {"key_frame": "night.png", "key_frame_index": "middle"}, "key_frame_index is 'middle'"),
        (GOOD | {"key_frame": "night.png", "key_frame_index": 10}, "expected 0 to 9"),
        (GOOD | {"key_frame_index": 3}, "give both or neither"),
        (GOOD | {"key_frame": "pipe.mp4"}, "cannot be read as an image"),
        (GOOD | {"source": "nowhere.mp4"}, "nowhere.mp4' is not a file"),
        (GOOD | {"source": "\ud800\0.mp4"}, "is not a file"),
        (GOOD | {"source": "n" * 300}, "File name too long"),
        (GOOD | {"source": "pipe.mp4"}, "pipe.mp4' is not a file"),
        (GOOD | {"source": "night.png/../.."}, "is not a file"),
        (GOOD | {"source": "list.jsonl"}, "as a video"),
        (GOOD | {"edited": "small.mp4"}, "differs in size"),
    ],
)
def test_a_bad_row_is_an_outcome_and_the_next_is_judged(clips: Path, row: object, told: str) -> None:
    bad, good = map(judged, list_pairs(jsonl(clips, row, GOOD)))
    assert bad.decision == "unreadable"
    assert told in bad.reasons[0]
    assert len(bad.reasons[0].splitlines()) == 1
    assert bad.scores == {}
    json.dumps(bad.as_json()).encode()
    assert (good.id, good.decision) == ("row 2", "accepted")


def test_a_bad_row_of_a_csv_does_not_end_it(clips: Path) -> None:
    path = clips / "list.csv"
    path.write_bytes(
        b"source,edited,instruction\nsource.mp4\nnight\xff.mp4,b.mp4,\xff\n"
        + b"x" * 200_000
        + b"\nsource.mp4,night.mp4,"
        + GLOBAL.encode()
        + b"\n"
    )
    rows = list(map(judged, list_pairs(path)))
    assert [row.decision for row in rows] == ["unreadable", "unreadable", "unreadable", "accepted"]
    assert "it has no edited" in rows[0].reasons[0]
    assert "row 3 is not CSV" in rows[2].reasons[0]


def test_our_own_layout_is_judged_with_its_key_frames(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_fake(run, make_clips(tmp_path / "clips"), target=2)
    metadata = run / "dataset" / "shard-00000" / "metadata.jsonl"
    ids = [json.loads(line)["id"] for line in metadata.read_text().splitlines()]
    with metadata.open("a") as file:
        file.write('{"id": "half of a li')
    for path in (run, run / "dataset"):
        rows = list(list_pairs(path))
        assert [row.id for row in rows] == ids
        assert all(judged(row).scores["key_frame_followed"].value is not None for row in rows)


# the command


@pytest.mark.slow
def test_a_list_from_anywhere_end_to_end(clips: Path, tmp_path: Path) -> None:
    strange = clips / "night <b>&'\n.mp4"
    strange.write_bytes((clips / "night.mp4").read_bytes())
    path = jsonl(
        clips,
        GOOD | {"id": "good"},
        GOOD | {"id": "free", "instruction": FREE},
        GOOD | {"id": "untouched", "edited": "source.mp4"},
        GOOD | {"id": "gone", "source": "gone.mp4"},
        GOOD | {"id": "<script>", "edited": strange.name},
    )
    before = {found: found.stat().st_mtime_ns for found in clips.iterdir()}
    done = call("agent.judge", "--dataset", path, "--json", "--html", tmp_path / "r.html", "--workers", 2)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["counts"] == {"accepted": 2, "rejected": 1, "unscored": 1, "unreadable": 1}
    assert [(pair["id"], pair["decision"]) for pair in report["pairs"]] == [
        ("good", "accepted"),
        ("free", "unscored"),
        ("untouched", "rejected"),
        ("gone", "unreadable"),
        ("<script>", "accepted"),
    ]
    assert set(report["axes"]) == AXES
    free = report["pairs"][1]
    assert set(free) == {"id", "source", "edited", "instruction", "decision", "reasons", "scores"}
    assert free["scores"]["edit_applied"]["value"] is None
    assert "edit_applied" in free["reasons"]
    page = check_page((tmp_path / "r.html").read_text())
    assert "Unscored is neither accepted nor rejected" in page.text
    assert len(page.all("article")) == 4
    assert len(page.all("img")) == 4 * 8
    assert {found: found.stat().st_mtime_ns for found in clips.iterdir()} == before

    text = call("agent.judge", "--dataset", path, "--jsonl", tmp_path / "r.jsonl")
    assert "5 pairs: 2 accepted, 1 rejected, 1 unscored, 1 unreadable" in text.stdout
    assert "unscored: neither accepted nor rejected" in text.stdout
    assert "gone.mp4' is not a file" in text.stdout
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert lines == report["pairs"]


class Crashing:
    """An executor that loses every call whose row says so, and carries out the others at once."""

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Timed[T]:
        if isinstance(args[0], ListedPair) and args[0].id == "poison":
            raise WorkerLost("the decoder crashed (SIGSEGV)")
        return Timed(value=function(*args, **kwargs), seconds=0.0)

    def close(self) -> None: ...


@pytest.mark.slow
def test_a_row_that_is_lost_with_its_worker_is_an_outcome(clips: Path) -> None:
    rows = list_pairs(jsonl(clips, GOOD | {"id": "poison"}, GOOD | {"id": "good"}, GOOD | {"id": "poison"}))
    found = list(judge_rows(rows, Crashing(), PROFILE, 2, False))
    assert [(row.id, row.decision) for row in found] == [
        ("poison", "unreadable"),
        ("good", "accepted"),
        ("poison", "unreadable"),
    ]
    assert found[0].reasons == ["the decoder crashed (SIGSEGV)"]


@pytest.mark.slow
def test_a_person_who_stops_it_gets_what_was_judged_until_then(clips: Path, tmp_path: Path) -> None:
    path = jsonl(clips, *[GOOD] * 2000)
    command = [
        sys.executable,
        "-m",
        "agent.judge",
        "--dataset",
        str(path),
        "--json",
        "--html",
        str(tmp_path / "r.html"),
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout
        assert running.stderr
        first = running.stdout.readline() + running.stdout.readline()
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: the workers get it too
        report = json.loads(first + running.stdout.read())
        assert running.stderr.read() == ""
    assert running.returncode == 1
    assert report["stopped"]
    assert 1 <= len(report["pairs"]) == report["counts"]["accepted"] < 2000
    assert "Stopped by a person" in check_page((tmp_path / "r.html").read_text()).text


@pytest.mark.slow
def test_one_unscored_pair_says_plainly_what_it_means(clips: Path) -> None:
    done = run_command("agent.judge", clips / "source.mp4", clips / "night.mp4", "--instruction", FREE)
    assert done.returncode == 0
    assert "unscored: neither accepted nor rejected" in done.stdout


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        ("", "empty.jsonl", "lists no pair"),
        ("source,edited\na,b\n", "short.csv", "has no column for instruction; expected (instruction: instruction, pr"),
        ("", "empty.csv", "has no column for source, edited, instruction"),
        ("x", "list.txt", "is no list of pairs"),
    ],
)
def test_a_file_that_lists_no_pairs_is_refused_in_a_line(tmp_path: Path, content: str, name: str, told: str) -> None:
    (tmp_path / name).write_text(content)
    assert told in line_of(problem_of("agent.judge", "--dataset", tmp_path / name))


def test_a_report_that_cannot_be_written_is_told_before_the_work(clips: Path, tmp_path: Path) -> None:
    path = jsonl(clips, GOOD)
    for place in (tmp_path / "nowhere" / "r.html", tmp_path):
        assert "--html" in line_of(problem_of("agent.judge", "--dataset", path, "--html", place))
    assert list(tmp_path.iterdir()) == []


def test_options_of_one_pair_and_of_many_do_not_mix(clips: Path, tmp_path: Path) -> None:
    mixed = problem_of("agent.judge", clips / "source.mp4", "--dataset", tmp_path, "--instruction", "x")
    assert "SOURCE, --instruction has no meaning with --dataset" in line_of(mixed)
    pair: Any = (clips / "source.mp4", clips / "night.mp4", "--instruction", "x")
    assert "--html has no meaning without --dataset" in line_of(problem_of("agent.judge", *pair, "--html", "r.html"))
    assert "SOURCE, EDITED and --instruction, or --dataset" in problem_of("agent.judge", clips / "source.mp4")
    assert re.search("neither a run nor its dataset", problem_of("agent.judge", "--dataset", tmp_path))
