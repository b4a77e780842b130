"""The commands as a script meets them: exit codes, one line of error, and the JSON that is promised.

Most are called here rather than as processes, which take a second or two to start; each is a process at least once.
"""

import asyncio
import contextlib
import importlib
import io
import itertools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.campaign import Limits
from ditto_models import assets, video
from memory.ledger import Ledger
from memory.owner import Owner
from memory.sample import Event, Sample
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake

ROOT = Path(__file__).parent.parent
RECORD = {
    "id",
    "decision",
    "reasons",
    "edit_type",
    "scope",
    "instruction",
    "attempts",
    "model_seconds",
    "source",
}
EVENT = {
    "seq",
    "at",
    "stage",
    "next_stage",
    "tool",
    "arguments",
    "result",
    "seconds",
    "attempt",
    "by",
    "model",
    "prompt_hash",
    "tokens",
    "error",
}
TINY = ("clips.frames=9", "clips.max_width=192", "clips.max_height=108")


def run_command(module: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def call(module: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """As `run_command`, in this process."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            code = importlib.import_module(module).main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    return subprocess.CompletedProcess(module, code, out.getvalue(), error.getvalue())


def problem_of(module: str, *arguments: object) -> str:
    """The error of a command that must refuse: exit code 2, one line, nothing else said."""
    done = call(module, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def line_of(error: str) -> str:
    """The one line of an error that argparse did not find."""
    [line] = error.splitlines()
    assert line.startswith("error: ")
    return line


# agent.run


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--target"),
        (("--target", "0"), "'0' is not a whole number from 1 up"),
        (("--target", "some"), "'some' is not a whole number from 1 up"),
        (("--target", "1", "--concurrency", "-1"), "'-1' is not a whole number from 1 up"),
        (("--target", "1", "--nonsense"), "--nonsense"),
        (("--target", "1", "--seed", "x"), "--seed"),
    ],
)
def test_arguments_that_do_not_parse_are_told_last_on_stderr(arguments: tuple[str, ...], told: str) -> None:
    assert told in problem_of("agent.run", *arguments).splitlines()[-1]


def test_a_missing_folder_is_one_line_and_leaves_no_run(tmp_path: Path) -> None:
    arguments = ("--target", 1, "--clips", tmp_path / "nowhere", "--out", tmp_path / "run")
    done = run_command("agent.run", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere' is not a folder" in line_of(done.stderr)
    assert problem_of("agent.run", *arguments) == done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("clips.frames=0", "clips.frames"),
        ("nonsense=1", "nonsense"),
        ("clips.frames", "no '='"),
        ("masker.kind=oracle", "masker.kind is 'oracle'; expected one of selfie"),
        ("generator.nonsense=1", "nonsense"),
    ],
)
def test_a_bad_setting_is_one_line_and_leaves_no_run(tmp_path: Path, override: str, told: str) -> None:
    clips = make_clips(tmp_path / "clips", count=1)
    error = problem_of("agent.run", "--target", 1, "--clips", clips, "--out", tmp_path / "run", override)
    assert told in line_of(error)
    assert not (tmp_path / "run").exists()


def test_an_unknown_profile_and_a_run_that_is_a_file_are_one_line(tmp_path: Path) -> None:
    clips = make_clips(tmp_path / "clips", count=1)
    both = ("--target", 1, "--clips", clips, "--out", tmp_path / "file")
    (tmp_path / "file").write_text("")
    assert "not a folder" in line_of(problem_of("agent.run", *both))
    assert "'nonsense' not found" in line_of(problem_of("agent.run", *both, "--profile", "nonsense"))


def test_clips_that_are_used_up_are_exit_code_3_then_a_changed_seed_is_refused(tmp_path: Path) -> None:
    clips = make_clips(tmp_path / "clips", count=2)
    (clips / "words.mp4").write_text("words")
    # The settings stand on both sides of the options: both are read.
    arguments = ("clips.min_height=40", "--target", 2, "--clips", clips, "--out", tmp_path / "run", "clips.frames=30")
    done = run_command("agent.run", *arguments)
    assert (done.returncode, done.stderr) == (3, "")
    assert "clip0.mp4: rejected, too short" in done.stdout
    assert "words.mp4: rejected, unreadable" in done.stdout
    assert "clips used up: 0 of 2" in done.stdout
    assert "seed: 0 -> 5" in line_of(problem_of("agent.run", *arguments, "--seed", 5))
    assert call("agent.run", *arguments, "--seed", 5, "--accept-config").returncode == 3
    assert {Path(source["uri"]).name: source["outcome"] for source in inspect_json(tmp_path / "run")["sources"]} == {
        "clip0.mp4": "rejected",
        "clip1.mp4": "rejected",
        "words.mp4": "rejected",
    }


def test_a_run_that_another_process_owns_is_refused(tmp_path: Path) -> None:
    clips = make_clips(tmp_path / "clips", count=1)
    (tmp_path / "run").mkdir()
    with Owner(tmp_path / "run"):
        error = problem_of("agent.run", "--target", 1, "--clips", clips, "--out", tmp_path / "run")
    assert "is owned by pid" in line_of(error)


@pytest.fixture(scope="module")
def real_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a real clip."""
    folder = tmp_path_factory.mktemp("real")
    window = video.read_window(assets.ensure("bigbuckbunny"), 1.0, None, 27, 192, 108)
    video.write(folder / "bunny.mp4", window.frames, window.fps)
    return folder


@pytest.mark.slow
def test_a_target_that_is_met_is_exit_code_0_and_the_same_command_makes_no_more(
    tmp_path: Path, real_clips: Path
) -> None:
    run = tmp_path / "run"
    arguments = ("--target", 2, "--clips", real_clips, "--out", run, *TINY, "clips.min_height=100")
    done = run_command("agent.run", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "target met: 2 of 2" in done.stdout
    lines = (run / "dataset/shard-00000/metadata.jsonl").read_text()
    assert len(lines.splitlines()) == 2
    again = run_command("agent.run", *arguments)
    assert (again.returncode, again.stderr) == (0, "")
    assert (run / "dataset/shard-00000/metadata.jsonl").read_text() == lines
    listed = json.loads(run_command("agent.inspect", run, "--decision", "accepted", "--json").stdout)
    assert {sample["id"] for sample in listed["samples"]} == {json.loads(line)["id"] for line in lines.splitlines()}
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in log if line["event"] == "session ended"] == ["target met", "target met"]


@pytest.mark.slow
def test_an_interrupted_run_is_exit_code_1_and_resumes(tmp_path: Path, real_clips: Path) -> None:
    arguments = ["--target", "2", "--clips", str(real_clips), "--out", str(tmp_path / "run"), *TINY]
    arguments += ["clips.min_height=100", "--concurrency", "1"]
    command = [sys.executable, "-m", "agent.run", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "describe_clip" in line:
                process.send_signal(signal.SIGINT)
                break
        out, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (1, "")
    assert "the same command resumes where it stopped" in out
    assert run_command("agent.run", *arguments).returncode == 0


# agent.inspect


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with accepted, rejected and unscored samples, one that is under way, and a source that was rejected."""
    folder = tmp_path_factory.mktemp("inspected")
    clips = make_clips(folder / "clips", count=2)
    video.write(clips / "short.mp4", np.zeros((4, 48, 64, 3), np.uint8), 25.0)
    values: Mapping[str, Mapping[str, float | None]] = {"000002": {"safety": 0.1}, "000003": {"source_motion": None}}
    profile = fake_profile()
    models = fake_models(profile, values=lambda sample: values.get(sample.id[:6], {}))
    limits = Limits(target=9, max_candidates=4, concurrency=1)
    run_fake(folder / "run", clips, target=9, profile=profile, models=models, limits=limits)
    begin(folder / "run")
    return folder / "run"


def begin(run: Path) -> None:
    """Leave a sample that was only begun."""
    ledger = Ledger(run / "ledger.sqlite")
    sample = Sample(id="000005-begun", seed=5, stage="clip", attempts={"sample_clip": 1})
    event = Event(
        sample_id=sample.id,
        stage="new",
        next_stage="clip",
        tool="sample_clip",
        arguments={},
        result={},
        seconds=0.1,
        attempt=1,
        by="policy",
    )
    asyncio.run(ledger.append(event, sample, 5))
    ledger.close()


def inspect_json(run: Path, *arguments: object) -> Any:
    done = call("agent.inspect", run, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_the_json_of_a_run_has_the_promised_keys(run: Path) -> None:
    done = run_command("agent.inspect", run, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found == inspect_json(run)
    assert set(found) == {"counts", "samples", "sources"}
    assert found["counts"] == {"accepted": 2, "pending": 1, "rejected": 1, "unscored": 1}
    assert [sample["id"][:6] for sample in found["samples"]] == [f"00000{number}" for number in range(1, 6)]
    assert all(set(sample) == RECORD for sample in found["samples"])
    assert found["samples"][0]["attempts"] >= 7
    assert found["samples"][0]["source"].endswith(".mp4")
    assert found["samples"][4] == {
        "id": "000005-begun",
        "decision": "pending",
        "reasons": [],
        "edit_type": None,
        "scope": None,
        "instruction": None,
        "attempts": 1,
        "model_seconds": 0.0,
        "source": None,
    }
    sources = {Path(source["uri"]).name: source for source in found["sources"]}
    assert all(set(source) == {"uri", "outcome", "reason"} for source in sources.values())
    assert {name: source["outcome"] for name, source in sources.items()} == {
        "clip0.mp4": "used",
        "clip1.mp4": "used",
        "short.mp4": "rejected",
    }
    assert sources["short.mp4"]["reason"].startswith("too short")


def samples(run: Path) -> Iterator[dict[str, Any]]:
    yield from inspect_json(run)["samples"]


def test_the_json_of_a_sample_is_its_record_with_events_and_verdict(run: Path) -> None:
    for record in samples(run):
        found = inspect_json(run, record["id"])
        assert set(found) == RECORD | {"events", "verdict"}
        assert {key: found[key] for key in RECORD} == record
        assert all(set(event) >= EVENT for event in found["events"])
        assert {event["by"] for event in found["events"]} <= {"planner", "policy", "person"}
        assert [event["seq"] for event in found["events"]] == sorted({event["seq"] for event in found["events"]})
        steps = [(event["stage"], event["next_stage"]) for event in found["events"]]
        assert all(before[1] == after[0] for before, after in itertools.pairwise(steps))


def test_the_verdict_of_a_sample_says_which_rule_decided_on_which_axis(run: Path) -> None:
    rules = {}
    for record in samples(run):
        verdict = inspect_json(run, record["id"])["verdict"]
        if verdict is None:
            continue
        assert set(verdict) == {"decision", "reasons", "rule", "scores"}
        assert all(set(score) == {"value", "threshold", "passed", "reason"} for score in verdict["scores"].values())
        rules[record["decision"]] = (verdict["rule"], verdict["reasons"])
    assert rules == {
        "accepted": ("all_passed", []),
        "rejected": ("gate", ["safety"]),
        "unscored": ("unscored", ["source_motion"]),
    }


def test_filters_keep_the_samples_of_a_decision_and_of_a_reason(run: Path) -> None:
    whole = inspect_json(run)
    for decision, count in whole["counts"].items():
        kept = inspect_json(run, "--decision", decision)
        assert [sample["decision"] for sample in kept["samples"]] == [decision] * count
        assert kept["counts"] == whole["counts"]
    assert [sample["decision"] for sample in inspect_json(run, "--reason", "safety")["samples"]] == ["rejected"]
    assert inspect_json(run, "--reason", "safety", "--decision", "accepted")["samples"] == []
    assert inspect_json(run, "--reason", "nonsense")["samples"] == []


def test_people_read_what_was_done_and_why_it_was_dropped(run: Path) -> None:
    listed = run_command("agent.inspect", run)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "2 accepted, 1 pending, 1 rejected, 1 unscored" in listed.stdout
    assert "[safety]" in listed.stdout
    assert "short.mp4: rejected too short" in listed.stdout
    [rejected] = [record for record in samples(run) if record["decision"] == "rejected"]
    one = call("agent.inspect", run, rejected["id"]).stdout
    assert "video: rejected by rule gate: safety" in one
    assert "FAIL" in one
    for tool in ("sample_clip", "write_instruction", "critique_video", "reject"):
        assert f"{tool}(" in one


def test_an_unknown_sample_and_a_folder_that_is_no_run_are_one_line(run: Path, tmp_path: Path) -> None:
    assert "no sample 'nonsense'" in line_of(problem_of("agent.inspect", run, "nonsense"))
    done = run_command("agent.inspect", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a run" in line_of(done.stderr)
    assert "is not a run" in line_of(problem_of("agent.inspect", tmp_path / "nowhere", "--json"))


def test_looking_at_a_run_changes_nothing_of_it(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    before = inspect_json(copy)
    with Owner(copy):
        assert inspect_json(copy) == before
    files = {path.relative_to(run) for path in run.rglob("*") if path.suffix not in (".sqlite-wal", ".sqlite-shm")}
    assert files == {path.relative_to(copy) for path in copy.rglob("*")} - {Path("ledger.sqlite-wal")}
