"""Weights from folders and from a hub: a real client against a small real server."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ditto_models.executors.of_call import call_scope
from ditto_models.gpu import hub as hub_client
from ditto_models.gpu.checkpoint import selected
from ditto_models.gpu.tensor_file import tensors_of
from ditto_models.gpu.weights import WeightsConfig, WeightsError, is_pinned, located, resolved
from tests.commands import ROOT
from tests.tiny_hub import TinyHub, tensor_file

ONE = tensor_file(weight=(2, 3), bias=(3,))
LARGE = tensor_file(weight=(200, 500))
PIPELINE = {
    "model_index.json": json.dumps(
        {
            "_class_name": "WanVACEPipeline",
            "transformer": ["diffusers", "WanVACETransformer3DModel"],
            "transformer_2": [None, None],
            "vae": ["diffusers", "AutoencoderKLWan"],
        }
    ).encode(),
    "transformer/config.json": b"{}",
    "transformer/diffusion_pytorch_model.safetensors.index.json": json.dumps(
        {"weight_map": {"weight": "diffusion_pytorch_model-00001-of-00001.safetensors"}}
    ).encode(),
    "transformer/diffusion_pytorch_model-00001-of-00001.safetensors": LARGE,
    "vae/config.json": b"{}",
    "vae/diffusion_pytorch_model.safetensors": ONE,
    "vae/diffusion_pytorch_model.fp16.safetensors": ONE,
    "safety/model.safetensors": ONE,
    "all_in_one.safetensors": LARGE,
    "vae/old.bin": b"pickle",
    "pipeline.py": b"raise SystemExit",
    "README.md": b"hello",
}


def folder_of(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def refusal(**weights: object) -> str:
    """The one line that a config's weights are refused with."""
    with pytest.raises(WeightsError) as raised:
        located(WeightsConfig.model_validate(weights))
    [line] = str(raised.value).splitlines()
    return line


def test_of_a_pipeline_only_its_components_are_fetched(model_hub: TinyHub) -> None:
    commit = model_hub.add("org/wan", PIPELINE)
    weights = WeightsConfig(repo="org/wan")
    assert resolved(weights) == "org/wan@main"
    folder = located(weights)
    assert folder.name == commit
    assert resolved(weights) == f"org/wan@{commit}"
    assert names_in(folder) == {
        "model_index.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model.safetensors.index.json",
        "transformer/diffusion_pytorch_model-00001-of-00001.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    }
    asked = {line.partition(f"{commit}/")[2] for line in model_hub.asked if "/resolve/" in line}
    assert asked == names_in(folder), "nothing else may even be asked for"


def test_a_pinned_revision_in_the_cache_needs_no_hub(model_hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = model_hub.add("org/wan", PIPELINE)
    pinned = WeightsConfig(repo="org/wan", revision=commit, parts=("vae",))
    folder = located(pinned)
    assert (folder / "vae/diffusion_pytorch_model.safetensors").read_bytes() == ONE
    assert not (folder / "transformer/diffusion_pytorch_model-00001-of-00001.safetensors").exists()
    model_hub.asked.clear()
    assert located(pinned) == folder
    assert not model_hub.asked
    # Parts that are not there yet are fetched, without the others again.
    assert located(WeightsConfig(repo="org/wan", revision=commit, parts=("transformer",))) == folder
    assert {line.rsplit("/", 1)[-1] for line in model_hub.asked if line.startswith("GET") and "/resolve/" in line} == {
        "diffusion_pytorch_model-00001-of-00001.safetensors"
    }
    # Nothing is asked where the hub must not be, and what is missing is said.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model_hub.asked.clear()
    assert located(WeightsConfig(repo="org/wan", revision=commit)) == folder
    (folder / "vae/diffusion_pytorch_model.safetensors").unlink()
    line = refusal(repo="org/wan", revision=commit)
    assert "are incomplete in the cache" in line
    assert "'vae/diffusion_pytorch_model.safetensors'" in line
    assert "not in the cache" in refusal(repo="org/wan", revision="0" * 40)
    assert "HF_HUB_OFFLINE" in refusal(repo="org/other")
    assert not model_hub.asked


def test_a_branch_that_moved_is_followed_and_named(model_hub: TinyHub) -> None:
    first = model_hub.add("org/depth", {"config.json": b"{}", "model.safetensors": ONE})
    weights = WeightsConfig(repo="org/depth")
    assert located(weights).name == first
    second = model_hub.add("org/depth", {"config.json": b'{"a": 1}', "model.safetensors": ONE})
    assert located(weights).name == second
    assert resolved(weights).endswith(second)
    assert located(WeightsConfig(repo="org/depth", revision=first)).name == first
    assert (is_pinned(weights), is_pinned(WeightsConfig(repo="org/depth", revision=first))) == (False, True)


def test_where_the_hub_fails_the_cache_is_used_and_that_is_noted(
    model_hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = model_hub.add("org/depth", {"config.json": b"{}", "model.safetensors": ONE})
    weights = WeightsConfig(repo="org/depth")
    folder = located(weights)
    model_hub.status = 500
    with call_scope() as notes:
        assert located(weights) == folder
    [said] = notes
    assert "answers 500" in said
    assert commit in said
    assert "answers 500; try again" in refusal(repo="org/new")
    monkeypatch.setattr(constants, "ENDPOINT", "http://user:secret@127.0.0.1:9")
    line = refusal(repo="org/new")
    assert "'http://127.0.0.1:9' cannot be reached" in line
    assert "secret" not in line


def test_a_hub_that_stays_silent_is_given_up(model_hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    model_hub.go_on.clear()
    begun = time.monotonic()
    with pytest.raises(hub_client.Unreachable, match="cannot be reached"):
        hub_client.listing("org/depth", "main", seconds=0.5)
    assert time.monotonic() - begun < 5


def test_refusals_say_what_to_do_and_tell_no_token(model_hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the hub has none of that name, or it is private" in refusal(repo="org/none")
    model_hub.add("org/gated", {"config.json": b"{}", "model.safetensors": ONE}, gated=True)
    line = refusal(repo="org/gated")
    assert f"accept their licence on {model_hub.url}/org/gated, then set HF_TOKEN" in line
    assert "no revision 'v9'" in refusal(repo="org/gated", revision="v9")
    assert "no such folder, and no hub's name either" in refusal(repo="/data/wan/none")
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    for status in (401, 403):
        model_hub.status = status
        line = refusal(repo="org/gated")
        assert f"refuses the token ({status})" in line
        assert "verysecret" not in line
    model_hub.status = 0
    assert located(WeightsConfig(repo="org/gated")).is_dir()
    assert any("hf_verysecret" in token for token in model_hub.tokens), "the token is used, only never said"


def test_a_download_that_breaks_off_is_taken_up_again(model_hub: TinyHub) -> None:
    commit = model_hub.add("org/wan", PIPELINE)
    model_hub.cuts.add("transformer/diffusion_pytorch_model-00001-of-00001.safetensors")
    folder = located(WeightsConfig(repo="org/wan", revision=commit))
    assert not model_hub.cuts
    assert (folder / "transformer/diffusion_pytorch_model-00001-of-00001.safetensors").read_bytes() == LARGE


def test_one_file_is_fetched_alone(model_hub: TinyHub) -> None:
    model_hub.add("org/lora", {"a.safetensors": ONE, "b[1].safetensors": LARGE, "q4.gguf": b"GGUF"})
    path = located(WeightsConfig(repo="org/lora", file="b[1].safetensors"))
    assert path.read_bytes() == LARGE
    assert names_in(path.parent) == {"b[1].safetensors"}
    assert located(WeightsConfig(repo="org/lora", file="q4.gguf")).suffix == ".gguf"
    assert resolved(WeightsConfig(repo="org/lora", file="q4.gguf")).endswith("/q4.gguf")
    assert "expected one of a.safetensors, b[1].safetensors, q4.gguf" in refusal(repo="org/lora", file="c.safetensors")
    with pytest.raises(ValidationError):
        WeightsConfig(repo="org/lora", file="lora.pt")


def test_code_and_pickles_are_refused_before_anything_large_is_fetched(model_hub: TinyHub) -> None:
    coded = {"config.json": b'{"auto_map": {"AutoModel": "model.Model"}}', "model.safetensors": LARGE}
    model_hub.add("org/coded", {**coded, "model.py": b"raise SystemExit"})
    assert "code of their own to run (config.json: auto_map)" in refusal(repo="org/coded")
    model_hub.add("org/old", {"config.json": b"{}", "pytorch_model.bin": LARGE})
    assert "'pytorch_model.bin' and no *.safetensors beside it" in refusal(repo="org/old")
    model_hub.add("org/custom", {**PIPELINE, "model_index.json": b'{"_class_name": ["pipeline", "Mine"]}'})
    assert "model_index.json: _class_name" in refusal(repo="org/custom")
    fetched = [line for line in model_hub.asked if "/resolve/" in line]
    assert not [line for line in fetched if re.search(r"\.(safetensors|bin|py)$", line)]


def test_folders_are_held_to_the_same_rules(tmp_path: Path) -> None:
    whole = folder_of(tmp_path / "whole", PIPELINE)
    assert located(WeightsConfig(repo=str(whole))) == whole
    assert resolved(WeightsConfig(repo=str(whole))) == "whole"
    assert is_pinned(WeightsConfig(repo=str(whole)))
    assert "no part 'transformer_3'" in refusal(repo=str(whole), parts=["transformer_3"])
    assert located(WeightsConfig(repo=str(whole), file="all_in_one.safetensors")).read_bytes() == LARGE
    shard = whole / "transformer/diffusion_pytorch_model-00001-of-00001.safetensors"
    shard.write_bytes(LARGE[:-1])
    assert f"has {len(LARGE) - 1} bytes, expected {len(LARGE)}" in refusal(repo=str(whole))
    assert located(WeightsConfig(repo=str(whole), parts=("vae",))) == whole
    shard.unlink()
    assert "incomplete" in refusal(repo=str(whole))
    pickled = folder_of(tmp_path / "pickled", {"config.json": b"{}", "model.bin": b""})
    assert "'model.bin' and no *.safetensors beside it" in refusal(repo=str(pickled))
    assert "have no *.safetensors" in refusal(repo=str(folder_of(tmp_path / "empty", {"config.json": b"{}"})))
    coded = folder_of(tmp_path / "coded", {"config.json": b'{"auto_map": {}}', "model.safetensors": ONE})
    assert "auto_map" in refusal(repo=str(coded))
    broken = folder_of(tmp_path / "broken", {"config.json": b"{", "model.safetensors": ONE})
    assert "is not JSON" in refusal(repo=str(broken))
    assert "give its folder as repo" in refusal(repo=str(broken / "model.safetensors"))


def test_headers_tell_sizes(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(ONE)
    found = tensors_of(path)
    assert {name: (one.dtype, one.parameters, one.bytes) for name, one in found.items()} == {
        "weight": ("F32", 6, 24),
        "bias": ("F32", 3, 12),
    }


@given(st.binary(max_size=200), st.integers(0, 60))
def test_no_file_but_a_whole_one_has_a_header(tmp_path_factory: pytest.TempPathFactory, noise: bytes, cut: int) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.safetensors"
    for content in (noise, ONE[: len(ONE) - 1 - cut], ONE + b"more"):
        path.write_bytes(content)
        with pytest.raises(WeightsError):
            tensors_of(path)


@given(st.lists(st.sampled_from([*PIPELINE, "a/b.pkl", "x.py", "text_encoder/model.safetensors"])), st.booleans())
def test_what_is_selected_never_runs_code(names: list[str], narrow: bool) -> None:
    parts = ("vae",) if narrow else ()
    chosen = selected(names, parts, "")
    assert all(name.endswith((".safetensors", ".json", ".txt", ".model", ".jinja")) for name in chosen)
    if narrow:
        assert all(name.startswith("vae/") or "/" not in name for name in chosen)
        assert "all_in_one.safetensors" not in chosen


def test_the_environment_names_hub_and_cache(model_hub: TinyHub, tmp_path: Path) -> None:
    commit = model_hub.add("org/depth", {"config.json": b"{}", "model.safetensors": ONE})
    code = (
        "from ditto_models.gpu.weights import *\n"
        "weights = WeightsConfig(repo='org/depth')\n"
        "print(located(weights)); print(resolved(weights))"
    )
    environment = {**os.environ, "HF_ENDPOINT": model_hub.url, "HF_HOME": str(tmp_path / "home")}
    for offline in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**environment, "HF_HUB_OFFLINE": offline, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        folder, name = done.stdout.split()
        assert folder == str(tmp_path / "home/hub/models--org--depth/snapshots" / commit)
        assert name == f"org/depth@{commit}"
