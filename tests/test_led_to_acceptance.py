"""A tiny model that learned from the embedded planner's traces leads samples to acceptance, over HTTP from a real vLLM.

Beside it a random model under the same strict tools, on the same clips and seeds: what the planner says decides what
is called, what is made and what becomes of a sample.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ditto_models.vllm_server import VllmServer
from memory.artifacts import ArtifactStore
from memory.sample import Sample
from tests.planner_traces import Led, lead
from tests.served import served_planner
from tests.vllm_server import FAMILIES, TRAINED, Servers

pytestmark = pytest.mark.slow

SAMPLES, SEED = 12, 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("led")


@pytest.fixture(scope="module")
def both(servers: Servers) -> tuple[VllmServer, VllmServer]:
    """A server with the trained model and one with a random model, started at the same time."""
    trained, random = servers.get(f"{TRAINED}-{FAMILIES[0]}", FAMILIES[0])
    return trained, random


@pytest.fixture(scope="module")
def by_trained(both: tuple[VllmServer, VllmServer], folder: Path) -> Led:
    return lead(served_planner(both[0], temperature=0.0), folder, SAMPLES, SEED)


@pytest.fixture(scope="module")
def by_random(both: tuple[VllmServer, VllmServer], folder: Path) -> Led:
    return lead(served_planner(both[1], temperature=1.0), folder, SAMPLES, SEED, concurrency=4)


def test_a_trained_model_leads_samples_to_acceptance(by_trained: Led, by_random: Led) -> None:
    assert by_trained.accepted >= SAMPLES // 2 > by_random.accepted
    assert all(event.tokens and event.prompt_hash for event in by_trained.planned)
    assert {event.model for event in by_trained.planned if event.tool == "accept"} == {TRAINED}


def test_policy_hardly_ever_steps_in(by_trained: Led, by_random: Led) -> None:
    for led in (by_trained, by_random):
        assert sum(event.planner_fallback for event in led.planned) < 0.05 * len(led.planned)


def test_another_planner_makes_other_calls_pictures_and_outcomes(by_trained: Led, by_random: Led) -> None:
    shared = by_trained.samples.keys() & by_random.samples.keys()
    assert len(shared) == SAMPLES
    assert sum(by_trained.calls(sample) != by_random.calls(sample) for sample in shared) > SAMPLES // 2
    outcomes = [(by_trained.samples[sample].decision, by_random.samples[sample].decision) for sample in shared]
    assert ("accepted", "rejected") in outcomes
    differences = [
        difference for sample in shared if (difference := _key_frames_apart(by_trained, by_random, sample)) is not None
    ]
    assert max(differences) > 5


def test_the_same_planner_makes_the_same_calls_pictures_and_outcomes(
    both: tuple[VllmServer, VllmServer], folder: Path, by_trained: Led
) -> None:
    again = lead(served_planner(both[0], temperature=0.0), folder, 4, SEED)
    for sample in again.samples:
        assert again.calls(sample) == by_trained.calls(sample)
        assert again.samples[sample].decision == by_trained.samples[sample].decision
        assert (_key_frames_apart(again, by_trained, sample) or 0) < 2


def _key_frames_apart(one: Led, other: Led, sample: str) -> float | None:
    """How far apart the edited key frames of a sample are in two runs, in levels of 0..255; None where one has none."""
    pictures = [_key_frame(led.run, led.samples[sample]) for led in (one, other)]
    if any(picture is None for picture in pictures):
        return None
    first, second = (np.asarray(picture, dtype=np.float64) for picture in pictures)
    return float(np.abs(first - second).mean())


def _key_frame(run: Path, sample: Sample) -> object:
    if sample.key_frame is None:
        return None
    picture = cv2.imread(str(ArtifactStore(run / "artifacts").path(sample.key_frame.chosen)))
    assert picture is not None
    return picture
