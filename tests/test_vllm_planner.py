"""A real vLLM server with a tiny random vision-language model leads samples through the real graph, on a real clip."""

from pathlib import Path

import pytest

from agent.campaign import Limits
from agent.leads import build_leads
from agent.policy import max_steps
from ditto_models.vllm_server import VllmServer
from memory.ledger import Ledger
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake

pytestmark = pytest.mark.slow


def test_a_vision_language_model_leads_samples_through_the_graph(tmp_path: Path, vllm_server: VllmServer) -> None:
    profile = fake_profile(
        "edits_per_clip=4",
        f"servers.vlm.base_urls={vllm_server.base_url}",
        f"servers.vlm.model={vllm_server.model}",
        "planner={kind: vllm, temperature: 1.0}",
    )
    models = fake_models(profile, leads=build_leads(profile))
    limits = Limits(target=100, max_candidates=6)
    run = tmp_path / "run"
    outcome, decided = run_fake(
        run, make_clips(tmp_path / "clips"), target=100, profile=profile, models=models, limits=limits
    )
    assert outcome == "candidates used up"
    ledger = Ledger(run / "ledger.sqlite")
    events = [event for sample in decided for event in ledger.events(sample.id)]
    ledger.close()
    assert all(sample.decision in ("accepted", "rejected") for sample in decided), [s.reasons for s in decided]
    assert all(sum(sample.attempts.values()) <= max_steps(profile.policy) for sample in decided)
    led = [event for event in events if event.by == "planner"]
    assert len(led) >= len(decided)
    assert all(event.tokens and event.prompt_hash for event in led)
    assert {event.model for event in led if event.tool == "reject"} <= {vllm_server.model}
    assert sum(event.planner_fallback for event in events) <= len(led) * 0.05
