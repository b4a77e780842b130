"""Whole samples through profile gpu, every network tiny: real clips, the real graph, led over HTTP by a script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from agent.campaign import Limits, Outcome
from agent.context import build_models
from agent.profile import load_profile
from ditto_models import video
from ditto_models.executors import workers
from ditto_models.gpu.network import unload_all
from ditto_models.gpu.wan_vace import WanVace
from memory.dataset import read_metadata
from memory.sample import Event, Sample
from tests.commands import call, line_of, problem_of
from tests.expert import Votes, expert
from tests.fake_run import make_clips, run_fake
from tests.fields_loader import load_folder
from tests.led_run import events_of
from tests.scripted_answers import Answer, Asked, ToolCall
from tests.scripted_server import ScriptedServer
from tests.served import served_by
from tests.tiny_editto import tiny_editto
from tests.tiny_gpu import PLAIN, Fate, UnluckyVace, fates, tiny_gpu

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]

WORKERS = "networks={kind: workers, devices: [cpu]}"
THREADS = "networks={kind: threads}"
FRAMES = ("middle", "first", "last")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="module")
def tiny(folder: Path) -> tuple[str, ...]:
    return tiny_gpu(folder)


@pytest.fixture(scope="module")
def clips(folder: Path) -> Path:
    return make_clips(folder / "clips", count=4, frames=16, height=64)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(looking_on) as running:
        yield running


def looking_on(asked: Asked) -> Answer:
    """The expert, but where its target is not seen in a frame it takes another: random weights see it in some."""
    if "edit_key_frame" not in asked.tools or "is not seen in frame" not in asked.text:
        return expert()(asked)
    tried = asked.text.count("is not seen in frame")
    return ToolCall("edit_key_frame", json.dumps({"frame": FRAMES[tried % 3], "strength": 0.8, "candidates": 1}))


def run(
    path: Path, clips: Path, server: ScriptedServer, *overrides: str, unlucky: bool = False, **limits: Any
) -> tuple[Outcome, list[Sample], list[Event]]:
    """A session with one sample at a time."""
    profile = load_profile("gpu", (*overrides, *served_by(server)))
    models = build_models(profile)
    if unlucky:
        models = replace(models, generator=UnluckyVace(cast(WanVace, models.generator).config))
    bounds = Limits(concurrency=1, **limits)
    outcome, decided = run_fake(path, clips, bounds.target, profile=profile, models=models, limits=bounds)
    return outcome, decided, events_of(path, decided)


def test_the_command_makes_pairs_by_both_routes_that_load(
    tmp_path: Path, tiny: tuple[str, ...], clips: Path, server: ScriptedServer
) -> None:
    path = tmp_path / "run"
    bounds = ("--target", 2, "--max-candidates", 3, "--concurrency", 1)
    arguments = ("--profile", "gpu", "--clips", clips, "--out", path, *bounds, *tiny, *served_by(server), THREADS)
    done = call("agent.run", *arguments)
    assert "target met: 2 of 2 pairs accepted" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    rows = list(read_metadata(path / "dataset"))
    assert {row["scope"] for row in rows} == {"global", "local"}
    for row in rows:
        shard = path / "dataset" / "shard-00000"
        source, edited = (video.read(shard / str(row[f"{half}_file_name"])) for half in ("source", "edited"))
        assert source.frames.shape == edited.frames.shape == (9, 64, 64, 3)
        assert source.fps == edited.fps
    assert sorted(load_folder(path / "dataset", tmp_path / "cache")["id"]) == sorted(str(row["id"]) for row in rows)
    routes = {}
    for row in rows:
        events = json.loads(call("agent.inspect", path, row["id"], "--json").stdout)["events"]
        [made] = [event for event in events if event["tool"] == "generate_video"]
        routes[row["scope"]] = made["arguments"]["route"]
    assert routes == {"global": "structure", "local": "mask"}


def test_short_memory_is_eased_then_costs_one_sample_and_a_killed_worker_costs_none(
    tmp_path: Path,
    tiny: tuple[str, ...],
    folder: Path,
    clips: Path,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what a GPU was held for is counted: this machine has none, so that time on its CPU stands for it.

    SAM 3 is the first that the first worker is asked for, and depth that the second is: each must load by itself.
    """
    monkeypatch.setattr(workers, "is_gpu", lambda device: True)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    eased: tuple[Fate, ...] = ("out of memory", "out of memory", "")  # room from the others, then a step of its own
    lost: tuple[Fate, ...] = ("out of memory", "out of memory")
    fates(folder, *eased, *lost, "killed", "")
    path, no_subject = tmp_path / "run", ("masker.max_share=0", "target_masker={kind: none}")
    outcome, decided, events = run(
        path, clips, server, *tiny, *no_subject, WORKERS, unlucky=True, target=2, max_candidates=3
    )
    assert outcome == "target met"
    assert [sample.decision for sample in decided] == ["accepted", "failed", "accepted"]
    first, second, third = (event for event in events if event.tool == "generate_video")
    assert re.search("out of memory, unloaded .*; .* out of memory, encodes and decodes in tiles", first.note)
    assert second.error
    assert "ran out of memory with nothing left to ease: CUDA out of memory" in second.error
    assert "crashed (SIGKILL), so the call was tried again on a new one" in third.note
    of_networks = [event for event in events if event.tool in ("edit_key_frame", "generate_video")]
    assert all(event.gpu_seconds > 0 for event in of_networks)
    assert sum(event.gpu_seconds for event in events) == pytest.approx(sum(sample.gpu_seconds for sample in decided))
    for sample in decided:
        shown = json.loads(call("agent.inspect", path, sample.id, "--json").stdout)
        told = [f"{event['note']} {event['error']}" for event in shown["events"]]
        assert any("out of memory" in text or "SIGKILL" in text for text in told)

    outcome, decided, _ = run(path, clips, server, *tiny, *no_subject, WORKERS, target=9, gpu_hours=1e-4)
    assert (outcome, decided) == ("GPU hours used up", [])


def test_a_video_that_the_model_rejects_is_enhanced_then_made_again_on_threads(
    tmp_path: Path, tiny: tuple[str, ...], clips: Path
) -> None:
    unload_all()
    model = expert(failing_first("does everything move", times=2))

    def enhancing(asked: Asked) -> Answer:
        may_enhance = "enhance_video" in asked.tools and "accept" not in asked.tools
        return ToolCall("enhance_video", '{"noise": "low"}') if may_enhance else model(asked)

    with ScriptedServer(enhancing) as server:
        once, quick = "judge={kind: vllm, votes: 1}", (THREADS, "masker={kind: selfie}", "target_masker={kind: none}")
        outcome, [sample], events = run(tmp_path / "run", clips, server, *tiny, *quick, once, target=1)
    assert outcome == "target met"
    made = [event.tool for event in events if event.tool in ("generate_video", "enhance_video", "retry")]
    assert made == ["generate_video", "enhance_video", "retry", "generate_video"]
    assert sample.diagnoses
    assert sample.gpu_seconds == 0


def test_a_trained_editto_makes_the_videos_of_a_run(
    tmp_path: Path, tiny: tuple[str, ...], clips: Path, server: ScriptedServer
) -> None:
    """By the instruction alone, whatever the route; the record names what was trained, and of what."""
    unload_all()
    model = tiny_editto(tmp_path / "checkpoint")
    trained = f"generator={{kind: editto, model: {model}, {PLAIN}, sampling: {{kind: few, num_steps: 2}}, "
    quick = ("masker={kind: selfie}", "target_masker={kind: none}")
    settings = (*tiny, *quick, THREADS, trained + "guidance_scale: 1, key_frame: never}")
    outcome, [sample], events = run(tmp_path / "run", clips, server, *settings, target=1)
    assert outcome == "target met"
    [made] = [event for event in events if event.tool == "generate_video"]
    assert made.model == "checkpoint/editto.safetensors on base"
    assert sample.decision == "accepted"
    told = json.loads(call("agent.preflight", "--profile", "gpu", *settings, *served_by(server), "--json").stdout)
    of_weights = {one["of"]: one for one in told["findings"] if one["check"] == "weights"}
    assert "base is in a folder" in of_weights["generator"]["found"]
    assert "editto.safetensors is in a folder" in of_weights["generator.trained"]["found"]
    problem = problem_of("agent.preflight", "--profile", "gpu", *settings, f"generator.model={tmp_path}")
    assert "has no editto.json" in line_of(problem)


def failing_first(question: str, times: int) -> Votes:
    """Finds fault the first times that it is asked this."""
    left = times

    def votes(asked: Asked) -> int:
        nonlocal left
        if question not in asked.text or not left:
            return 9
        left -= 1
        return 3

    return votes
