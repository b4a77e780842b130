"""The main job as a person runs it: real clips, real embedded models, and a real vision-language model in the lead."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ditto_models import video
from ditto_models.vllm_server import VllmServer
from memory.dataset import read_metadata
from tests.commands import call
from tests.served import served_by

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


def ditto(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


def inspected(*arguments: object) -> dict[str, Any]:
    shown = call("agent.inspect", *arguments, "--json")
    assert shown.returncode == 0, shown.stderr
    loaded: dict[str, Any] = json.loads(shown.stdout)
    return loaded


def test_sample_clips_become_accepted_pairs_that_load(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = ditto("agent.run", "--target", 2, "--out", run)
    assert done.returncode == 0, done.stderr
    assert "target met: 2 of 2 pairs accepted" in done.stdout
    lines = list(read_metadata(run / "dataset"))
    assert len({str(line["instruction"]) for line in lines}) == 2
    for line in lines:
        shard = run / "dataset" / "shard-00000"
        source, edited = (video.read(shard / str(line[f"{half}_file_name"])) for half in ("source", "edited"))
        assert source.frames.shape == edited.frames.shape
        assert len(source.frames) == line["frames"] == 49
        assert isinstance(line["scores"], dict)
        assert None not in line["scores"].values(), "the loader could not tell the column's type"
        assert np.abs(source.frames.astype(int) - edited.frames).mean() > 2
    found = inspected(run, lines[0]["id"])
    assert found["verdict"]["rule"] == "all_passed"
    assert found["events"][0]["stage"] == "new"
    assert found["events"][-1]["tool"] == "accept"
    sheet = tmp_path / "sheet.png"
    assert ditto("agent.inspect", run, "--decision", "accepted", "--sheet", sheet).returncode == 0
    picture = cv2.imread(str(sheet))
    assert picture is not None
    assert picture.shape[1] == 896
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert {"session begun", "accept", "session ended"} <= {line["event"] for line in logged}


def test_a_vision_language_model_leads_the_embedded_models_on_real_clips(
    tmp_path: Path, vllm_server: VllmServer
) -> None:
    run = tmp_path / "run"
    planner = ["planner.kind=vllm", *served_by(vllm_server)]
    small = ["clips.frames=17", "clips.max_width=320", "clips.max_height=180"]
    done = ditto("agent.run", "--target", 2, "--max-candidates", 2, "--out", run, *planner, *small)
    assert done.returncode in (0, 3), done.stderr
    for listed in inspected(run)["samples"]:
        assert listed["decision"] in ("accepted", "rejected")
        events = inspected(run, listed["id"])["events"]
        led = [event for event in events if event["by"] == "planner"]
        assert led, "the model led no step"
        assert all(event["tokens"] for event in led)
        assert not any(event["planner_fallback"] for event in events)
