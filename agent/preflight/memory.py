"""Whether networks fit into the memory of the GPU and of the machine: estimates, by ditto_models/gpu/memory_need.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.filesize import decimal

from agent.clip_rules import IngestConfig
from agent.preflight.findings import Finding, fail, ok, warn
from agent.preflight.networks import Unit
from agent.preflight.weights import States
from ditto_models.gpu.geometry import Grid
from ditto_models.gpu.known_weights import known
from ditto_models.gpu.machine import Gpu
from ditto_models.gpu.memory_need import BYTES, Clip, Need, need_of
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.gpu.weights_state import WeightsState

OF_A_PART = "_file"
"""Ends the name of a setting that replaces a part of a pipeline by one file, for example transformer_file."""
LADDER = ("none", "model", "group", "sequential")


def clip_of(clips: IngestConfig, grid: Grid) -> Clip:
    """The largest clips that are cut, in the tokens of a network."""
    return Clip(
        frames=clips.frames,
        height=clips.max_height,
        width=clips.max_width,
        frames_step=grid.frames_step,
        side_step=grid.side_step,
    )


def parameters_of(unit: Unit, states: States) -> dict[str, int]:
    """Of each part of what a unit loads, as exactly as is known: by its files, the table, or its size on the hub."""
    counted: dict[str, int] = {}
    for path, weights in unit.weights:
        if path[-1].endswith(OF_A_PART):
            parts = states[weights].parts.values()
            known_size = sum(part.parameters or 0 for part in parts)
            # A GGUF file stays as small as it is; LoRAs are fused and add nothing.
            in_bytes = sum(part.stored_bytes for part in parts) // BYTES.get(unit.setting("dtype"), 2)
            counted[path[-1].removesuffix(OF_A_PART)] = known_size or in_bytes
        elif path == (*unit.path, "weights"):
            counted |= _counted(weights, states[weights], unit)
    return {part: count for part, count in counted.items() if count}


def _counted(weights: WeightsConfig, state: WeightsState, unit: Unit) -> dict[str, int]:
    entry = known(weights.repo)
    table = entry.parts if entry else {}
    stored_as = BYTES.get(unit.setting("dtype"), 2)
    if state.parts:
        return {
            name: part.parameters
            or (int(table[name].billion * 1e9) if name in table else part.stored_bytes // stored_as)
            for name, part in state.parts.items()
        }
    return {name: int(part.billion * 1e9) for name, part in table.items() if not weights.parts or name in weights.parts}


def memory_findings(
    units: Sequence[Unit], states: States, clips: IngestConfig, gpus: Sequence[Gpu], ram: int | None, workers: int
) -> Iterator[Finding]:
    """For each network that wants a GPU, and for all together. `gpus`: those that workers would have."""
    needs: dict[str, Need] = {}
    for unit in units:
        parameters, clip = parameters_of(unit, states), clip_of(clips, unit.grid)
        if not unit.wants_gpu:
            continue
        if not parameters:
            yield warn("memory", unit.name, "size unknown", "weights whose size can be read")
            continue
        needs[unit.name] = _need(unit, parameters, clip)
        if gpus:
            yield _fit(unit, parameters, clip, min(gpus, key=lambda gpu: gpu.total_bytes))
        else:
            yield warn("memory", unit.name, "no GPU to hold it against", f"about {_gb(needs[unit.name].gpu)}")
    if gpus and len(needs) > 1:
        yield _together(needs, min(gpu.total_bytes for gpu in gpus))
    if needs and ram is not None:
        yield _ram(needs, ram, workers)


def _need(unit: Unit, parameters: Mapping[str, int], clip: Clip, **changed: object) -> Need:
    settings: dict[str, object] = {
        "dtype": unit.setting("dtype", "bfloat16"),
        "quantization": unit.setting("quantization", "none"),
        "offload": unit.setting("offload", "none"),
        "vae_tiling": unit.setting("vae_tiling") == "True",
    }
    return need_of(parameters, unit.makes, clip, **{**settings, **changed})  # type: ignore[arg-type]


def _fit(unit: Unit, parameters: Mapping[str, int], clip: Clip, gpu: Gpu) -> Finding:
    need = _need(unit, parameters, clip).gpu
    found = f"{gpu.name}: {_gb(gpu.free_bytes)} free of {_gb(gpu.total_bytes)}"
    needed = f"about {_gb(need)}"
    if need <= gpu.free_bytes:
        return ok("memory", unit.name, found, needed)
    if need <= gpu.total_bytes:
        return warn(
            "memory", unit.name, found, needed, "end what else runs on the GPU, or name others: networks.devices"
        )
    change = _smaller(unit, parameters, clip, gpu.total_bytes)
    if not change:
        return fail("memory", unit.name, found, needed, "a larger GPU, a smaller model, or smaller clips: clips.frames")
    return warn("memory", unit.name, found, f"{needed}; else it is eased call by call, which is slower", change)


def _smaller(unit: Unit, parameters: Mapping[str, int], clip: Clip, room: int) -> str:
    """The setting nearest to today's that fits, by this estimate."""
    at = ".".join((unit.slot, *unit.path, "placement"))
    tried: list[tuple[str, dict[str, object]]] = [("vae_tiling=true", {"vae_tiling": True})]
    if unit.setting("quantization", "none") == "none":
        tried.append(("quantization=int8_weight", {"quantization": "int8_weight"}))
    rungs = LADDER[LADDER.index(unit.setting("offload", "none")) + 1 :]
    tried += [(f"offload={rung}", {"offload": rung}) for rung in rungs]
    tried += [(f"offload={rung} {at}.vae_tiling=true", {"offload": rung, "vae_tiling": True}) for rung in rungs]
    for words, changed in tried:
        need = _need(unit, parameters, clip, **changed).gpu
        if need <= room:
            return f"{at}.{words} (about {_gb(need)})"
    return ""


def _together(needs: Mapping[str, Need], room: int) -> Finding:
    staying = sum(need.resident for need in needs.values())
    peak = staying + max(need.gpu - need.resident for need in needs.values())
    found, needed = f"{_gb(room)} on each GPU", f"about {_gb(peak)} for all networks to stay loaded on one"
    if peak <= room:
        return ok("memory", "all networks", found, needed)
    return warn(
        "memory", "all networks", found, needed, "nothing, if they may take turns; each turn loads a network again"
    )


def _ram(needs: Mapping[str, Need], ram: int, workers: int) -> Finding:
    most = max(need.ram for need in needs.values()) * workers
    at_once = f"{workers} workers load one each" if workers > 1 else "the largest network is loaded"
    found, needed = f"{_gb(ram)} free", f"about {_gb(most)} while {at_once}"
    if most <= ram:
        return ok("memory", "RAM", found, needed)
    return warn("memory", "RAM", found, needed, "fewer workers (networks.devices), or more memory")


def _gb(size: int) -> str:
    return f"{size / 1e9:.0f} GB" if size >= 10e9 else decimal(size)
