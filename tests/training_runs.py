"""Campaigns on fakes that train with programs that speak as the trainer and the evaluation do."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from agent import campaign
from agent.profile import Profile
from agent.training import job, trainings
from memory.dataset import split_of
from memory.jobs import Job, TrainingCall
from memory.ledger import Ledger
from tests.fake_run import fake_profile, make_clips

HERE = Path(__file__).parent
FIGURES = {"color_grade": (40, 1.0), "style": (40, 0.25)}


def training_overrides(
    pace: float = 0.02, fate: str = "done", figures: Mapping[str, tuple[int, float | None]] | str = FIGURES
) -> list[str]:
    """Of a profile that trains with the fakes, when it is told to."""
    told = figures if isinstance(figures, str) else json.dumps(figures)
    programs = {
        "command": [sys.executable, str(HERE / "fake_trainer.py"), str(pace), fate],
        "evaluate_command": [sys.executable, str(HERE / "fake_evaluator.py"), told],
    }
    given = [f"training.{name}={json.dumps(value)}" for name, value in programs.items()]
    return [*given, "training.recipes=[tiny]"]


def training_profile(
    *overrides: str,
    pace: float = 0.02,
    fate: str = "done",
    figures: Mapping[str, tuple[int, float | None]] | str = FIGURES,
) -> Profile:
    return fake_profile(*training_overrides(pace, fate, figures), *overrides)


def clips_of_train(folder: Path, count: int) -> Path:
    """Clips whose pairs are all trained on, whatever this machine's encoder makes of them."""
    make_clips(folder, count + 8)
    for clip in sorted(folder.iterdir()):
        if count and split_of(hashlib.sha256(clip.read_bytes()).hexdigest()) == "train":
            count -= 1
        else:
            clip.unlink()
    assert not count, "of so many clips too few are trained on"
    return folder


@pytest.fixture(scope="session")
def train_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four of them."""
    return clips_of_train(tmp_path_factory.mktemp("train") / "clips", 4)


@pytest.fixture
def quick_glances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Campaigns and jobs look around often."""
    for module in (campaign, trainings, job):
        monkeypatch.setattr(module, "GLANCE_SECONDS", 0.05)


def jobs_of(run: Path) -> list[Job]:
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        return ledger.jobs.jobs()


def calls_of(run: Path) -> list[TrainingCall]:
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        return ledger.jobs.calls()


def steps_of(run: Path, job: str) -> list[int]:
    """Every step of the optimizer that a job did, in order."""
    log = run / "training" / job / "editto" / "log.jsonl"
    return [json.loads(line)["step"] for line in log.read_text().splitlines()]


def begun_of(run: Path, job: str) -> list[dict[str, object]]:
    """How its trainer was called, each time."""
    lines = (run / "training" / job / "editto" / "begun.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
