"""What agent.preflight finds of GPUs, drivers, memory, disks and clips."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.preflight import machine, weights
from ditto_models.gpu.machine import Gpu, Gpus, TorchBuild
from ditto_models.gpu.memory_need import Clip, need_of
from tests.commands import problem_of
from tests.pretended_machine import PIPELINE, found, write_smi
from tests.tiny_hub import TinyHub

pytestmark = pytest.mark.usefixtures("quick_models")

LARGE = Clip(frames=101, height=720, width=1280)
VACE = {"transformer": 17_340_000_000, "text_encoder": 5_680_000_000, "vae": 127_000_000}


def test_clips_that_the_generator_cannot_take(model_hub: TinyHub, two_gpus: Path, vace_profile: Path) -> None:
    model_hub.add("org/vace", PIPELINE)
    fits = found(vace_profile)["generator", "clips"]
    assert fits.status == "ok"
    frames = found(vace_profile, "clips.frames=50")["generator", "clips"]
    assert (frames.status, frames.change) == ("fail", "clips.frames=49 or 53")
    sides = found(vace_profile, "clips.size_multiple=2")["generator", "clips"]
    assert (sides.status, sides.change) == ("fail", "clips.size_multiple=16")


def test_gpus_and_workers(
    model_hub: TinyHub, two_gpus: Path, vace_profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_hub.add("org/vace", PIPELINE)
    two = found(vace_profile)
    assert two["machine", "gpu"].found == "2 x NVIDIA H100; driver 570.1, for CUDA up to 12.8"
    assert two["machine", "torch"].status == "ok"
    assert two["networks", "workers"].status == "warn"
    workers = found(vace_profile, "networks={kind: workers}")["networks", "workers"]
    assert (workers.status, workers.found) == ("ok", "one worker on each of cuda:0, cuda:1")
    missing = found(vace_profile, "networks={kind: workers, devices: ['cuda:0', 'cuda:5']}")["networks", "workers"]
    assert (missing.status, missing.needed) == ("fail", "cuda:5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bb")
    assert "1 more hidden" in found(vace_profile)["machine", "gpu"].found
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert found(vace_profile)["machine", "gpu"].status == "fail"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    write_smi(two_gpus, rows="Failed to initialize NVML: Driver/library version mismatch", code=18)
    assert "Driver/library version mismatch" in found(vace_profile)["machine", "gpu"].found
    cpu = "generator.placement={device: cpu}", "generator.depth.placement={device: cpu}"
    assert found(vace_profile, *cpu)["machine", "gpu"].status == "ok"


def test_torch_against_the_driver() -> None:
    gpus = Gpus(found=(gpu_of(80),), cuda=(12, 8))
    cpu = machine._torch(TorchBuild(version="2.13.0+cpu", cuda=None), gpus)
    assert (cpu.status, "build for the CPU" in cpu.found) == ("fail", True)
    assert "torch==2.13.0 " in cpu.change
    newer = machine._torch(TorchBuild(version="2.13.0", cuda=(13, 0)), gpus)
    assert (newer.status, "update the driver" in newer.change) == ("fail", True)
    blind = machine._torch(TorchBuild(version="2.13.0", cuda=(12, 8)), gpus)
    assert (blind.status, "does not see the GPU" in blind.found) == ("fail", True)  # torch here is a CPU build


def gpu_of(gigabytes: float, capability: tuple[int, int] = (9, 0), free: float | None = None) -> Gpu:
    total = int(gigabytes * 1e9)
    left = total if free is None else int(free * 1e9)
    return Gpu(index=0, name="GPU", total_bytes=total, free_bytes=left, driver="570", capability=capability)


def test_number_types_and_kernels(model_hub: TinyHub, two_gpus: Path, vace_profile: Path) -> None:
    model_hub.add("org/vace", PIPELINE)
    write_smi(two_gpus, rows="0, GPU-aa, Tesla T4, 15360, 15000, 570.1, 7.5\\n")
    old = found(vace_profile, "generator.placement={quantization: fp8_dynamic, attention: sage}")
    assert (old["generator", "fp8"].status, old["generator", "bfloat16"].status) == ("fail", "warn")
    assert "generator.placement.quantization=fp8_weight" in old["generator", "fp8"].change
    assert (old["generator", "attention"].status, "sageattention" in old["generator", "attention"].change) == (
        "fail",
        True,
    )
    write_smi(two_gpus)
    assert found(vace_profile, "generator.placement={quantization: fp8_dynamic}")["generator", "fp8"].status == "ok"


def test_memory_says_which_setting_would_fit(model_hub: TinyHub, two_gpus: Path, tmp_path: Path) -> None:
    model_hub.add("Wan-AI/Wan2.1-VACE-14B-diffusers", {})
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: embedded\nclips: {size_multiple: 16, frames: 101, max_width: 1280, max_height: 720}\n"
        "generator: {kind: wan_vace}\n"
    )
    assert found(path)["generator", "memory"].status == "ok"
    busy = "0, GPU-aa, NVIDIA H100, 81559, 8000, 570.1, 9.0\\n"
    write_smi(two_gpus, rows=busy)
    shared = found(path)["generator", "memory"]
    assert (shared.status, "networks.devices" in shared.change) == ("warn", True)
    write_smi(two_gpus, rows="0, GPU-aa, RTX 4090, 24564, 24000, 570.1, 8.9\\n")
    small = found(path)["generator", "memory"]
    assert small.status == "warn"
    assert small.change.startswith("generator.placement.offload=")
    assert found(path, f"generator.placement={{{_yaml(small.change)}}}")["generator", "memory"].status == "ok"
    write_smi(two_gpus, rows="0, GPU-aa, GT 1030, 2048, 2000, 570.1, 8.9\\n")
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


def test_a_disk_that_is_too_small(
    model_hub: TinyHub, two_gpus: Path, vace_profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_hub.add("org/vace", PIPELINE)
    assert found(vace_profile)["disk", "download"].status == "ok"
    monkeypatch.setattr(weights, "free_bytes", lambda path: 1000)
    full = found(vace_profile)["disk", "download"]
    assert (full.status, "HF_HOME" in full.change) == ("fail", True)
    assert found(vace_profile, "disk.min_free_gb=1e9")["disk", "room"].status == "fail"


def test_a_decoder_that_is_not_there(model_hub: TinyHub, two_gpus: Path, vace_profile: Path) -> None:
    model_hub.add("org/vace", PIPELINE)
    assert ("decoder", "decoder") not in found(vace_profile)
    decoder = found(vace_profile, "decoder.device=cuda:0")["decoder", "decoder"]  # only nvidia-smi is pretended
    assert (decoder.status, decoder.change) == ("fail", "decoder.device=cpu")
    assert "cuda:0 does not decode video" in decoder.found
    assert "networks" in problem_of("agent.preflight", "networks={kind: workers, x: 1}")
