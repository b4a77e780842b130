"""Clips that people bring: taken by number or from their own file, judged less strictly, but not unsafe."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.conversation.orders import new_conversation
from agent.run_config import RunConfig
from agent.session import Session, open_session
from agent.state import SampleState
from ditto_models import video
from memory.sample import Event, Sample
from memory.talk import Given
from tests.fake_run import fake_models, fake_profile, make_clips
from tests.scenes import scene, write_shots


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("given")
    profile = fake_profile("clips.checks=[low_motion]")
    config = RunConfig(
        profile_name="embedded", seed=0, clips=str(make_clips(folder / "clips", count=2)), profile=profile
    )
    with open_session(folder / "run", config, fake_models(profile), 2, lambda line: None) as session:
        asyncio.run(session.take_in())
        (folder / "run" / "uploads").mkdir()
        yield session


def uploaded(session: Session, *lengths: int, still: bool = False, height: int = 48) -> str:
    """A file among the run's uploads, of shots so long."""
    made = session.run / "uploads" / "new.mp4"
    if still:
        video.write(made, np.repeat(scene(1, 7, height), lengths[0], axis=0), 25.0)
    else:
        write_shots(made, *lengths, seed=len(lengths), height=height)
    name = f"{hashlib.sha256(made.read_bytes()).hexdigest()}.mp4"
    made.rename(made.with_name(name))
    return name


def begun(session: Session, number: int, **given: object) -> tuple[Sample, Event]:
    """A conversation up to its clip."""
    new = new_conversation(f"talk-{number:012x}").model_copy(update={"given": Given.model_validate(given)})
    state = SampleState(sample=new, number=next(session.numbers), history=())
    ended: Sample = asyncio.run(session.graph.ainvoke(state))["sample"]
    return ended, session.stores.ledger.events(new.id)[0]


def test_a_clip_of_the_run_is_taken_by_its_number_until_its_file_changes(session: Session) -> None:
    sample, _ = begun(session, 1, clip_number=2)
    clip = session.stores.ledger.sources.clip(2)
    assert sample.clip is not None
    assert (sample.clip.clip_id, sample.stage) == (clip.clip_id, "awaiting_person")
    path = Path(clip.uri)
    path.write_bytes(path.read_bytes() + b"more")
    sample, event = begun(session, 2, clip_number=2)
    assert (sample.decision, sample.reasons) == ("quarantined", ["changed"])
    assert "the file of clip 2 is gone or has changed" in (event.error or "")


def test_of_a_persons_file_the_window_at_their_moment_is_taken_and_no_campaign_sees_it(session: Session) -> None:
    name = uploaded(session, 20, 30)
    before = list(session.stores.ledger.sources.fates())
    sample, event = begun(session, 3, upload=name, start_seconds=1.5)
    assert sample.clip is not None
    assert sample.clip.uri == f"uploads/{name}"
    assert sample.clip.start_seconds <= 1.5 < sample.clip.end_seconds
    assert sample.clip.video
    assert "campaign" not in event.note
    _, event = begun(session, 4, upload=name, start_seconds=99.0)
    assert "no whole clip holds 99.00 s, so the nearest was taken" in event.note
    assert list(session.stores.ledger.sources.fates()) == before
    assert not any("uploads" in clip.uri for clip in session.stores.ledger.sources.clips())


def test_what_a_campaign_would_drop_is_told_and_taken(session: Session) -> None:
    sample, event = begun(session, 5, upload=uploaded(session, 12, still=True))
    assert sample.stage == "awaiting_person"
    assert "a campaign would not take this clip (low motion:" in event.note


def test_what_cannot_be_worked_on_is_refused_in_words(session: Session) -> None:
    sample, event = begun(session, 6, upload=uploaded(session, 4, 4))
    assert (sample.decision, sample.reasons) == ("quarantined", ["too_short"])
    assert event.error == "this file cannot be used: too short: no shot reaches 9 frames"
    broken = session.run / "uploads" / f"{'0' * 64}.mp4"
    broken.write_bytes(b"no video at all")
    sample, event = begun(session, 7, upload=broken.name)
    assert (sample.decision, sample.reasons) == ("quarantined", ["unreadable"])
    assert str(session.run) not in (event.error or ""), "where the run lies is nobody's business"
    broken.unlink()
    sample, event = begun(session, 8, upload=broken.name)
    assert (sample.decision, sample.reasons) == ("quarantined", ["gone"])


@pytest.mark.slow  # the safety network is the real one
def test_an_unsafe_clip_is_refused_though_it_is_the_persons_own(tmp_path: Path) -> None:
    profile = fake_profile("clips.checks=[unsafe]", "clips.max_unsafe_probability=0")
    clips = make_clips(tmp_path / "clips")
    config = RunConfig(profile_name="embedded", seed=0, clips=str(clips), profile=profile)
    with open_session(tmp_path / "run", config, fake_models(profile), 1, lambda line: None) as session:
        (tmp_path / "run" / "uploads").mkdir()
        sample, event = begun(session, 9, upload=uploaded(session, 12))
    assert (sample.decision, sample.reasons) == ("quarantined", ["unsafe"])
    assert (event.error or "").startswith("this clip is turned down: unsafe: with probability")
