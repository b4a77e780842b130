"""A campaign that trains with the real trainer, at the smallest size; the evaluation has tests of its own."""

import json
from pathlib import Path

import pytest

from agent.profile import load_profile
from ditto_models.gpu.editto_card import read_card
from memory.dataset import split_of
from tests.fake_run import make_clips, run_fake
from tests.training_runs import jobs_of

pytestmark = pytest.mark.slow


def test_a_campaign_hands_its_pairs_to_the_trainer(tmp_path: Path) -> None:
    small = ["clips.frames=9", "clips.max_width=64", "clips.max_height=48", "clips.min_height=16", "clips.checks=[]"]
    training = ["training.at_end=true", "training.evaluate_on=none"]
    sizes = "data.buckets=[{frames: 5, height: 32, width: 48}]"
    quick = [f"training.overrides={json.dumps([sizes, 'steps=2', 'saving.every_steps=1', 'logging.every_steps=1'])}"]
    profile = load_profile("embedded", [*small, *training, *quick, "decoder.kind=thread"])
    run, said = tmp_path / "run", list[str]()
    outcome, decided = run_fake(run, make_clips(tmp_path / "clips", count=5), 3, profile=profile, say=said.append)
    assert (outcome, len(decided)) == ("target met", 3)
    [job] = jobs_of(run)
    assert (job.status, job.error) == ("done", ""), said
    assert job.progress
    assert (job.progress.step, job.progress.steps) == (2, 2)
    assert job.progress.loss
    editto = run / "training" / job.id / "editto"
    card = read_card(editto)
    of_train = [sample for sample in decided if sample.clip and split_of(sample.clip.sha256) == "train"]
    assert (card.steps, card.num_pairs) == (2, len(of_train))
    assert list((run / "training" / "cache").iterdir())
