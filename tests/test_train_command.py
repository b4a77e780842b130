"""python -m ditto_models.train, on a small dataset of real files."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ditto_models.gpu.editto_card import read_card
from ditto_models.gpu.editto_weights import with_editto
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.placement import PlacementConfig
from ditto_models.train.__main__ import main
from ditto_models.train.log_lines import read_log
from ditto_models.train.random_base import save_random_base
from tests.commands import ROOT, call, line_of
from tests.pair_folder import write_pair

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]
COMMAND = "ditto_models.train.__main__"
QUICK = ("--recipe", "tiny", "steps=6", "validation.every_steps=3", "saving.every_steps=3", "logging.tensorboard=false")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs to train on, one of which is torn, and one to validate with."""
    folder = tmp_path_factory.mktemp("run") / "dataset"
    shard = folder / "shard-00000"
    for number, split in enumerate(("train", "train", "train", "validation")):
        write_pair(shard, f"00000{number}", split=split)
    torn = shard / "edited" / "000001.mp4"
    torn.write_bytes(torn.read_bytes()[:200])
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory, quick_torch: None) -> tuple[Path, Any]:
    """CKPT, and what the command said."""
    out = tmp_path_factory.mktemp("out") / "editto"
    return out, call(COMMAND, "--data", data, "--out", out, *QUICK)


def test_a_dataset_is_trained_on_and_a_torn_pair_is_skipped_and_named(trained: tuple[Path, Any]) -> None:
    out, done = trained
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("data: 3 pairs to train on (3 in 80x48x9), 1 to validate with\ntrains: linear, ")
    assert "skipped pair '000001'" in done.stderr
    assert [json.loads(line)["pair"] for line in (out / "skipped.jsonl").read_text().splitlines()] == ["000001"]
    assert [line.step for line in read_log(out) if line.validation_loss is not None] == [3, 6]
    assert {"recipe.yaml", "snapshot.jsonl", "curriculum.png"} <= {path.name for path in out.iterdir()}
    assert [path.name for path in sorted((out / "checkpoints").iterdir())] == ["step-000003", "step-000006"]


def test_what_was_trained_goes_onto_the_base_that_its_card_names(trained: tuple[Path, Any]) -> None:
    out, _ = trained
    card = read_card(out)
    pipeline = load_pipeline("WanVACEPipeline", card.base, PlacementConfig(device="cpu", dtype="float32"))
    with_editto(pipeline.transformer, out / "editto.safetensors")
    state = pipeline.transformer.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in load_file(out / "editto.safetensors").items())


def test_the_same_command_has_nothing_left_to_do_and_more_steps_go_on(trained: tuple[Path, Any], data: Path) -> None:
    out, _ = trained
    again = call(COMMAND, "--data", data, "--out", out, *QUICK, "--json")
    assert json.loads(again.stdout) == {"out": str(out), "steps": 6, "done": True}
    more = call(COMMAND, "--data", data, "--out", out, *QUICK, "steps=7")
    assert more.returncode == 0, more.stderr
    assert read_log(out)[-1].step == 7


def test_what_does_not_fit_is_said_in_a_line(trained: tuple[Path, Any], data: Path, tmp_path: Path) -> None:
    out, _ = trained
    for words, said in (
        (
            (data, out, *QUICK, "steps=8", "seed=5"),
            "was begun with seed=0, not 5; give the same recipe",
        ),
        ((data, tmp_path / "new"), "and torch sees no GPU; to see a training work here, give --recipe tiny"),
        ((data, tmp_path / "new", "--recipe", "tiny", "device=cuda"), "device=cuda, but torch sees no GPU"),
        ((tmp_path, tmp_path / "new", *QUICK), "has no shard-*/metadata.jsonl"),
    ):
        refused = call(COMMAND, "--data", words[0], "--out", *words[1:])
        assert refused.returncode == 2
        assert said in line_of(refused.stderr)


def test_a_folder_is_in_use_from_when_a_training_prepares_there(data: Path, tmp_path: Path) -> None:
    words = ["--data", str(data), "--out", str(tmp_path / "editto"), *QUICK]
    with subprocess.Popen([sys.executable, "-m", COMMAND, *words], cwd=ROOT, stdout=subprocess.DEVNULL) as first:
        try:
            while not (tmp_path / "editto" / "snapshot.jsonl").exists():
                assert first.poll() is None
                time.sleep(0.01)
            first.send_signal(signal.SIGSTOP)
            assert not (tmp_path / "editto" / "recipe.yaml").exists(), "it only prepares"
            second = call(COMMAND, *words)
        finally:
            first.kill()
    assert second.returncode == 2
    assert "another training is at work" in line_of(second.stderr)


def test_the_base_of_a_try_that_came_to_no_step_is_not_another_recipes(
    trained: tuple[Path, Any], data: Path, tmp_path: Path
) -> None:
    save_random_base(tmp_path / "base", "tiny", seed=5)
    done = call(COMMAND, "--data", data, "--out", tmp_path, "--cache", trained[0] / "latents", *QUICK, "steps=1")
    assert done.returncode == 0, done.stderr
    weights = "base/transformer/diffusion_pytorch_model.safetensors"
    assert (tmp_path / weights).read_bytes() == (trained[0] / weights).read_bytes()


@pytest.mark.parametrize(("local_rank", "says"), [("0", True), ("1", False)])
def test_what_all_find_wrong_is_said_once_a_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], local_rank: str, says: bool
) -> None:
    monkeypatch.setenv("RANK", "8")
    monkeypatch.setenv("LOCAL_RANK", local_rank)
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "new"), "--recipe", "none.yaml"]) == 2
    assert ("none.yaml" in capsys.readouterr().err) is says


def test_a_pair_that_breaks_between_two_sessions_leaves_the_plan_as_it_was(
    trained: tuple[Path, Any], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    shutil.copytree(trained[0], out)
    for path in out.glob("snapshot/*/edited/000000.mp4"):
        path.unlink()
    more = call(COMMAND, "--data", data, "--out", out, *QUICK, "steps=8")
    assert more.returncode == 0, more.stderr
    skipped = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
    assert [(each["pair"], each["step"]) for each in skipped] == [("000001", 0), ("000000", 1)]


def test_a_lora_goes_into_the_pipeline_of_diffusers(data: Path, tmp_path: Path) -> None:
    words = ("steps=2", "trains={kind: lora, rank: 4, alpha: 8}", "ema=null", "data.cache=none")
    done = call(COMMAND, "--data", data, "--out", tmp_path, *QUICK, *words)
    assert done.returncode == 0, done.stderr
    pipelines = [
        load_pipeline("WanVACEPipeline", read_card(tmp_path).base, PlacementConfig(device="cpu", dtype="float32"))
        for _ in range(2)
    ]
    pipelines[0].load_lora_weights(str(tmp_path), weight_name="editto.safetensors")
    pipelines[0].fuse_lora(components=["transformer"])
    with_editto(pipelines[1].transformer, tmp_path / "editto.safetensors")
    theirs, ours = (pipeline.transformer.vace_blocks[0].attn1.to_q for pipeline in pipelines)
    assert torch.allclose(theirs.weight, ours.weight, atol=1e-6)
    base = save_random_base(tmp_path / "base", "tiny")
    untouched = load_file(base / "transformer" / "diffusion_pytorch_model.safetensors")
    assert not torch.allclose(ours.weight, untouched["vace_blocks.0.attn1.to_q.weight"], atol=1e-6)
