"""Whether sources can be decoded, clips come in sizes that the networks take, and the disk has room for a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.filesize import decimal

from agent.choice import config_of
from agent.clip_rules import IngestConfig
from agent.disk import DiskConfig, bytes_wanted, free_bytes
from agent.preflight.findings import Finding, fail, ok, warn
from agent.preflight.networks import Unit
from agent.profile import Component

PAIRS = 100


def clip_findings(units: Sequence[Unit], clips: IngestConfig) -> Iterator[Finding]:
    """For networks that make videos."""
    for unit in units:
        if unit.makes == "video" and not unit.path:
            yield from _geometry(unit, clips)


def _geometry(unit: Unit, clips: IngestConfig) -> Iterator[Finding]:
    step, side = unit.grid.frames_step, unit.grid.side_step
    problems = []
    if clips.frames % step != 1 % step:
        below = (clips.frames - 1) // step * step + 1
        problems.append((f"{clips.frames} frames", f"{step}k+1", f"clips.frames={below} or {below + step}"))
    if clips.size_multiple % side:
        problems.append(
            (f"sides in multiples of {clips.size_multiple}", f"multiples of {side}", f"clips.size_multiple={side}")
        )
    largest = getattr(unit.config, "largest", None)
    most_frames, most_pixels = getattr(largest, "frames", None), getattr(largest, "pixels", None)
    if most_frames is not None and clips.frames > most_frames:
        problems.append((f"{clips.frames} frames", f"at most {most_frames}", f"clips.frames={most_frames}"))
    if most_pixels is not None and clips.max_width * clips.max_height > most_pixels:
        found = f"{clips.max_width}x{clips.max_height}"
        problems.append((found, f"at most {most_pixels} pixels", "smaller clips.max_width and clips.max_height"))
    for found, needed, change in problems:
        yield fail("clips", unit.name, found, needed, change)
    if not problems:
        size = f"{clips.frames} frames within {clips.max_width}x{clips.max_height}"
        yield ok("clips", unit.name, f"{size}, sides in multiples of {clips.size_multiple}")


def decoder_finding(decoder: Component) -> Finding | None:
    """Whether the device that is to decode does; None where it is the CPU.

    Raises:
        ProfileError: a setting of the decoder is unknown.
    """
    from ditto_models.executors.isolated import IsolatedConfig
    from ditto_models.hardware_decoder import CPU, HardwareError, check_device

    if decoder.kind != "process":
        return None
    device = config_of("decoder", decoder, IsolatedConfig).device
    if device == CPU:
        return None
    try:
        check_device(device)
    except HardwareError as error:
        found, _, needed = str(error).partition("; expected ")
        return fail("decoder", "decoder", found, needed.partition(",")[0], f"decoder.device={CPU}")
    return ok("decoder", "decoder", f"{device} decodes video")


def room_finding(clips: IngestConfig, disk: DiskConfig, runs: Path) -> Finding:
    """Whether a run may begin, and what it will take."""
    free, wanted = free_bytes(runs), bytes_wanted(PAIRS, clips)
    found = f"{decimal(free)} free at {str(runs)!r}"
    needed = f"about {decimal(wanted)} for {PAIRS} pairs, and disk.min_free_gb={disk.min_free_gb:g} to spare"
    if free < disk.min_free_gb * 1e9:
        return fail("room", "disk", found, needed, "make room, or another --out")
    if free < disk.min_free_gb * 1e9 + wanted:
        return warn("room", "disk", found, needed, "make room, or a small --target; a run stops in time and resumes")
    return ok("room", "disk", found, needed)
