"""agent.inspect as a script and a person meet it: the JSON that is promised, filters, and why a sample was dropped."""

import asyncio
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.campaign import Limits
from ditto_models import video
from memory.ledger import Ledger
from memory.owner import Owner
from memory.sample import Event, Sample
from tests.commands import call, line_of, problem_of, run_command
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake

RECORD = {
    "id",
    "decision",
    "reasons",
    "edit_type",
    "scope",
    "instruction",
    "attempts",
    "model_seconds",
    "conversation",
    "stage",
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
    """What is said of a run or a sample, but what its disk is like just now."""
    done = call("agent.inspect", run, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    found.pop("disk", None)
    return found


def test_a_sheet_of_nothing_is_told_and_not_written(run: Path, tmp_path: Path) -> None:
    said = problem_of("agent.inspect", run, "--decision", "failed", "--sheet", tmp_path / "sheet.png")
    assert "--sheet has nothing to show" in said
    assert not (tmp_path / "sheet.png").exists()


def test_the_json_of_a_run_has_the_promised_keys(run: Path) -> None:
    done = run_command("agent.inspect", run, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    disk = found.pop("disk")
    assert set(disk) == {"artifacts", "dataset", "ledger", "memory", "training", "uploads", "free", "estimated"}
    assert min(disk["artifacts"], disk["ledger"], disk["memory"], disk["free"]) > 0
    assert found == inspect_json(run)
    parts = {"counts", "samples", "sources", "dropped", "jobs", "training_calls", "diversity", "sessions"}
    assert set(found) == parts
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
        "conversation": False,
        "stage": "clip",
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
        keys = {"value", "threshold", "passed", "reason", "counted", "combined"}
        assert all(set(score) == keys for score in verdict["scores"].values())
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
    assert "too short 1" in listed.stdout
    assert "short.mp4: rejected too short" in run_command("agent.inspect", run, "--sources").stdout
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
