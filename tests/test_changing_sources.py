"""A folder that changes while a run goes: nothing is recorded that is not so, and what comes back is used again."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.session import Session
from agent.survey import survey
from ditto_models import video
from memory.sample import Event, Sample
from tests.fake_run import fake_profile, run_fake
from tests.scenes import write_shots

pytestmark = pytest.mark.slow

PROFILE = fake_profile("edits_per_clip=2")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    for number in range(6):
        write_shots(tmp_path / "clips" / f"{number}.mp4", 12, seed=number)
    return tmp_path / "clips"


def after_events(count: int, act: Callable[[], object]) -> Callable[[Session], None]:
    """What `run_fake` prepares so that something happens after so many events."""
    seen: list[Event] = []

    def listen(event: Event, sample: Sample) -> None:
        seen.append(event)
        if len(seen) == count:
            act()

    return lambda session: session.listeners.append(listen)


def test_a_folder_that_is_away_for_a_while_spoils_nothing(tmp_path: Path, clips: Path) -> None:
    told: list[str] = []
    away = after_events(3, lambda: clips.rename(tmp_path / "away"))
    outcome, decided = run_fake(tmp_path / "run", clips, target=12, profile=PROFILE, prepare=away, say=told.append)
    assert outcome == "clips used up"
    assert {sample.decision for sample in decided} <= {"accepted", None}
    assert any("is gone" in line for line in told)
    (tmp_path / "away").rename(clips)
    outcome, decided = run_fake(tmp_path / "run", clips, target=12, profile=PROFILE)
    assert outcome == "target met"


def test_a_file_that_is_replaced_is_not_taken_for_what_it_was(tmp_path: Path, clips: Path) -> None:
    def replace_all() -> None:
        for number in range(6):
            write_shots(clips / f"{number}.mp4", 12, seed=100 + number)

    def look_first(session: Session) -> None:
        asyncio.run(session.take_in())
        asyncio.run(session.take_in())
        replace_all()

    _, decided = run_fake(tmp_path / "run", clips, target=3, profile=PROFILE, prepare=look_first)
    assert not [sample for sample in decided if sample.clip], "of what was looked at, nothing is there any more"
    outcome, decided = run_fake(tmp_path / "run", clips, target=3, profile=PROFILE)
    there = {hashlib.sha256(path.read_bytes()).hexdigest() for path in clips.iterdir()}
    assert outcome == "target met"
    assert {sample.clip.sha256 for sample in decided if sample.clip} <= there


def test_a_file_that_is_written_to_while_it_is_looked_at_is_looked_at_again(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, probe, profile_json = clips / "0.mp4", video.probe, PROFILE.model_dump_json()

    def copied_meanwhile(copied: Path | str) -> video.Probe:
        write_shots(path, 24, seed=50)
        return probe(copied)

    monkeypatch.setattr(video, "probe", copied_meanwhile)
    found = survey(str(path), profile_json)
    assert found.rejected.startswith("changing: "), "part of what was seen may be of something else"
    monkeypatch.undo()
    again = survey(str(path), profile_json)
    assert again.windows
    assert found.stamp != again.stamp, "which is how the next session knows that it must look again"
