"""A run of profile served over fakes, led over HTTP by scripted servers, and what its trace holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from agent.campaign import Limits, Outcome
from agent.leads import build_leads
from agent.profile import Profile
from agent.session import Session
from memory.ledger import Ledger
from memory.sample import Event, ModelCall, Sample
from tests.fake_run import Values, fake_models, fake_profile, make_clips, run_fake
from tests.scripted_server import ScriptedServer
from tests.served import served_by


def led_run(
    tmp_path: Path,
    *servers: ScriptedServer,
    target: int = 2,
    most: int | None = None,
    profile: Profile | None = None,
    values: Values = lambda sample: {},
    prepare: Callable[[Session], None] = lambda session: None,
) -> tuple[Outcome, list[Sample]]:
    """One session; `values` are those of the measured critic where they are not good."""
    profile = profile or fake_profile(*served_by(*servers), name="served")
    models = fake_models(profile, values=values, leads=build_leads(profile))
    clips = make_clips(tmp_path / "clips")
    limits = Limits(target=target, max_candidates=most)
    return run_fake(tmp_path / "run", clips, target, profile=profile, models=models, limits=limits, prepare=prepare)


def events_of(run: Path, samples: Sequence[Sample]) -> list[Event]:
    ledger = Ledger(run / "ledger.sqlite")
    events = [event for sample in samples for event in ledger.events(sample.id)]
    ledger.close()
    return events


def calls_of(run: Path, samples: Sequence[Sample]) -> list[ModelCall]:
    return [call for event in events_of(run, samples) for call in event.calls]
