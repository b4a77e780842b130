"""Whether the machine runs what the networks ask for: GPUs, driver, torch's build, number types, kernels, packages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.preflight.findings import Finding, fail, ok, warn
from agent.preflight.networks import Unit
from agent.profile import Component
from ditto_models.gpu.machine import Gpu, Gpus, TorchBuild, has, torch_problem

INSTALL = ".venv/bin/python -m pip install -c requirements/constraints.txt '.[gpu]'"
EXTRA = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "PIL")
"""Without which no network loads; all of the extra gpu."""
KERNELS = {
    "flash": ("flash_attn", "flash-attn"),
    "flash_varlen": ("flash_attn", "flash-attn"),
    "_flash_3": ("flash_attn_interface", "flash-attn 3, built from its repository"),
    "sage": ("sageattention", "sageattention"),
    "sage_varlen": ("sageattention", "sageattention"),
    "xformers": ("xformers", "xformers"),
}
"""Packages of attention kernels, by diffusers' names of them."""
FP8_CAPABILITY, BFLOAT16_CAPABILITY = (8, 9), (8, 0)


def machine_findings(
    units: Sequence[Unit], gpus: Gpus, torch: TorchBuild | None, networks: Component
) -> Iterator[Finding]:
    """Everything but memory. Nothing of a GPU is asked for where all networks are content with the CPU."""
    if not units:
        yield ok("gpu", "machine", "not wanted: no network of this profile runs on one")
        return
    yield _packages(torch)
    yield from _wanted(units)
    if not any(unit.wants_gpu for unit in units):
        yield ok("gpu", "machine", "not wanted: every placement.device is 'cpu'")
        return
    yield from _gpus(gpus, units)
    if gpus.found and torch is not None:
        yield _torch(torch, gpus)
        yield from _types(units, gpus.found)
    yield from _workers(networks, gpus)


def chosen(networks: Component, gpus: Gpus) -> tuple[Gpu, ...]:
    """The GPUs that networks would run on."""
    if networks.kind != "workers":
        return gpus.found[:1]
    devices = networks.settings.get("devices", "auto")
    if not isinstance(devices, list):
        return gpus.found
    numbers = [str(device).partition(":")[2] for device in devices if str(device).startswith("cuda")]
    return tuple(gpus.found[int(number)] for number in numbers if number.isdigit() and int(number) < len(gpus.found))


def num_workers(networks: Component, gpus: Gpus) -> int:
    """Processes that load networks."""
    devices = networks.settings.get("devices", "auto")
    return max(1, len(devices) if isinstance(devices, list) else len(chosen(networks, gpus)))


def _packages(torch: TorchBuild | None) -> Finding:
    missing = [name for name in EXTRA if (torch is None if name == "torch" else not has(name))]
    if missing:
        return fail("packages", "extra gpu", f"missing: {', '.join(missing)}", "all of the extra gpu", INSTALL)
    return ok("packages", "extra gpu", f"installed, torch {torch.version if torch else ''}")


def _wanted(units: Sequence[Unit]) -> Iterator[Finding]:
    """Packages that single settings ask for."""
    for unit in units:
        attention, quantization = unit.setting("attention", "native"), unit.setting("quantization", "none")
        if attention in KERNELS:
            module, package = KERNELS[attention]
            at = f"{unit.name}.placement.attention"
            if has(module):
                yield ok("attention", unit.name, f"{attention}: {module} is installed")
            else:
                yield fail(
                    "attention", unit.name, f"no package {module}", f"{attention}", f"install {package}, or {at}=native"
                )
        if quantization not in ("none", "fp8_layerwise") and not has("torchao"):
            yield fail("packages", unit.name, "no package torchao", f"quantization {quantization}", INSTALL)
        if any(weights.file.endswith(".gguf") for _, weights in unit.weights) and not has("gguf"):
            yield fail("packages", unit.name, "no package gguf", "to read a .gguf file", INSTALL)
        if unit.setting("compile", "off") != "off" and not has("triton"):
            at = f"{unit.name}.placement.compile"
            yield fail("packages", unit.name, "no package triton", "compile", f"install triton, or {at}=off")


def _gpus(gpus: Gpus, units: Sequence[Unit]) -> Iterator[Finding]:
    if not gpus.found:
        first = next(unit for unit in units if unit.wants_gpu)
        yield fail(
            "gpu",
            "machine",
            gpus.problem,
            "an NVIDIA GPU",
            f"run where there is one, or let a network take the CPU: {first.name}.placement.device=cpu",
        )
        return
    names = ", ".join(dict.fromkeys(gpu.name for gpu in gpus.found))
    hidden = f" ({gpus.hidden} more hidden by CUDA_VISIBLE_DEVICES)" if gpus.hidden else ""
    cuda = f", for CUDA up to {_dotted(gpus.cuda)}" if gpus.cuda else ""
    yield ok("gpu", "machine", f"{len(gpus.found)} x {names}{hidden}; driver {gpus.found[0].driver}{cuda}")


def _torch(torch: TorchBuild, gpus: Gpus) -> Finding:
    if torch.cuda is None:
        upto = f" up to {_dotted(gpus.cuda)}" if gpus.cuda else ""
        return fail(
            "torch",
            "machine",
            f"torch {torch.version} is a build for the CPU",
            f"one for CUDA{upto}",
            f"reinstall torch=={torch.version.partition('+')[0]} and its torchvision from an index with CUDA builds "
            "(pypi.org, or download.pytorch.org/whl/cuNNN)",
        )
    found = f"torch {torch.version} for CUDA {_dotted(torch.cuda)}"
    if gpus.cuda and torch.cuda[0] > gpus.cuda[0]:
        return fail(
            "torch",
            "machine",
            found,
            f"at most CUDA {_dotted(gpus.cuda)}, which the driver runs",
            f"update the driver, or install a torch for CUDA {gpus.cuda[0]}",
        )
    if problem := torch_problem():
        return fail("torch", "machine", f"{found} does not see the GPU: {problem}", "a GPU", "see nvidia-smi; restart")
    return ok("torch", "machine", f"{found} sees the GPU")


def _types(units: Sequence[Unit], gpus: Sequence[Gpu]) -> Iterator[Finding]:
    weakest = min(gpu.capability for gpu in gpus)
    if weakest == (0, 0):
        return
    has_it = f"{min(gpus, key=lambda gpu: gpu.capability).name} has CUDA capability {_dotted(weakest)}"
    for unit in units:
        if not unit.wants_gpu:
            continue
        at = f"{unit.name}.placement"
        if unit.setting("quantization", "none") == "fp8_dynamic":
            if weakest < FP8_CAPABILITY:
                needed = f"{_dotted(FP8_CAPABILITY)} or later for fp8_dynamic"
                yield fail("fp8", unit.name, has_it, needed, f"{at}.quantization=fp8_weight or int8_dynamic")
            else:
                yield ok("fp8", unit.name, has_it)
        if unit.setting("dtype", "bfloat16") == "bfloat16" and weakest < BFLOAT16_CAPABILITY:
            needed = f"{_dotted(BFLOAT16_CAPABILITY)} or later for bfloat16 at speed"
            yield warn("bfloat16", unit.name, has_it, needed, f"{at}.dtype=float16")


def _workers(networks: Component, gpus: Gpus) -> Iterator[Finding]:
    if networks.kind != "workers":
        if len(gpus.found) > 1:
            found = f"networks.kind is {networks.kind!r}: one of {len(gpus.found)} GPUs is used"
            yield warn("workers", "networks", found, "a worker for each GPU", "'networks={kind: workers}'")
        return
    devices = networks.settings.get("devices", "auto")
    named = [str(device) for device in devices] if isinstance(devices, list) else []
    seen = [f"cuda:{number}" for number in range(len(gpus.found))]
    if missing := [device for device in named if device != "cpu" and device not in seen]:
        found = f"{', '.join(seen) or 'no GPU'}"
        yield fail("workers", "networks", found, ", ".join(missing), "mend networks.devices, or CUDA_VISIBLE_DEVICES")
    elif named or seen:
        yield ok("workers", "networks", f"one worker on each of {', '.join(named or seen)}")


def _dotted(numbers: tuple[int, int] | None) -> str:
    return ".".join(map(str, numbers or ()))
