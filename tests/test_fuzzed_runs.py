"""A random model is a fuzzer: whatever it says over a real vLLM server, samples end in a legal decision, and it shows.

Models behind the other protocols are fakes, and the measured critic finds fault at random.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.campaign import Limits
from agent.leads import build_leads
from agent.policy import CALLS, max_steps
from agent.profile import Profile
from ditto_models.vllm_server import VllmServer
from memory.sample import Event, Sample
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake
from tests.led_run import events_of
from tests.served import served_by

LENIENT = {"instruction_followed": 0.3, "source_preserved": 0.3, "motion_preserved": 0.3, "visual_quality": 0.3}
"""A random model's scores should pass at times, so that samples get beyond their key frame."""
MOST = 1000


def mixed(server: VllmServer, mix: str) -> Profile:
    """Who is served: the planner, all of profile served, or all but the writer, whose gibberish ends most samples."""
    named = served_by(server)
    if mix == "planner":
        return fake_profile(*named, "planner={kind: vllm, temperature: 1.0}", "edits_per_clip=200")
    lenient = [f"policy.thresholds.{axis}={value}" for axis, value in LENIENT.items()]
    lenient += [f"policy.key_frame_thresholds.{axis}={LENIENT[axis]}" for axis in LENIENT if axis != "motion_preserved"]
    judge = ("judge={kind: vllm, votes: 1, key_frame_votes: 1}", *lenient)
    writer = ("writer={kind: catalogue}",) if mix == "planner and judge" else ()
    return fake_profile(*named, *judge, *writer, "edits_per_clip=200", name="served")


def at_random(sample: Sample) -> Mapping[str, float | None]:
    rng = random.Random(f"{sample.seed} {sum(sample.attempts.values())}")
    return {axis: rng.choice([0.9, 0.9, 0.1]) for axis in ("edit_applied", "temporal_steadiness")}


def fuzzed(tmp_path: Path, profile: Profile, samples: int) -> tuple[list[Sample], list[Event]]:
    models = fake_models(profile, values=at_random, leads=build_leads(profile))
    limits = Limits(target=MOST, max_candidates=samples, concurrency=4)
    run, clips = tmp_path / "run", make_clips(tmp_path / "clips")
    outcome, decided = run_fake(run, clips, MOST, profile=profile, models=models, limits=limits)
    assert (outcome, len(decided)) == ("candidates used up", samples)
    return decided, events_of(run, decided)


def check(decided: list[Sample], events: list[Event], profile: Profile) -> None:
    assert {sample.decision for sample in decided} <= {"accepted", "rejected", "unscored"}, Counter(
        (sample.decision, *sample.reasons) for sample in decided
    )
    for sample in decided:
        assert sum(sample.attempts.values()) <= max_steps(profile.policy)
        if sample.decision == "accepted":
            assert sample.verdict
            assert all(score.passed for score in sample.verdict.scores.values() if score.counted)
    for event in events:
        assert event.tool in CALLS[event.stage]
        planned = [call for call in event.calls if call.purpose == "planner"]
        assert len(planned) == len(event.refusals) + (event.by == "planner")  # each answer was taken or is told
        assert event.planner_fallback == (bool(planned) and event.by == "policy")
        assert all(refusal.problem for refusal in event.refusals)
    decisions = [event for event in events if any(call.purpose == "planner" for call in event.calls)]
    assert len(decisions) >= len(decided)
    assert sum(event.planner_fallback for event in decisions) <= max(1, 0.05 * len(decisions))


@pytest.mark.slow
@pytest.mark.parametrize(("mix", "samples"), [("planner", 12), ("planner and judge", 6), ("all of profile served", 6)])
def test_a_random_model_brings_every_sample_to_a_legal_end(
    tmp_path: Path, vllm_server: VllmServer, mix: str, samples: int
) -> None:
    profile = mixed(vllm_server, mix)
    check(*fuzzed(tmp_path, profile, samples), profile)


@pytest.mark.soak
@pytest.mark.parametrize("mix", ["planner", "planner and judge", "all of profile served"])
def test_random_models_of_both_families_bring_hundreds_of_samples_to_a_legal_end(
    tmp_path: Path, vllm_servers: tuple[VllmServer, ...], mix: str
) -> None:
    for server in vllm_servers:
        profile = mixed(server, mix)
        check(*fuzzed(tmp_path / server.config.model.rpartition("/")[2], profile, 200), profile)
