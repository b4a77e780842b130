"""How fast files become clips, and that memory does not grow with their number: python -m bench.ingest [--files N]

Small films, each with bytes of its own, go through the real decoder process, ledger and backup. Checks that ask a
network are left out and timed apart, a window at a time, on a sample clip. The floor is FFmpeg's bare decoding.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from agent.profile import Profile, load_profile
from agent.second_look import build_second_look
from agent.source_models import build_decoder, build_source_models
from agent.sources import Sources
from agent.stores import open_ledger
from agent.survey import survey
from ditto_models import assets, video
from ditto_models.embedded.fingerprint import fingerprint

KINDS = 20
"""Different films; the files differ in a few bytes that no player reads."""
FRAMES, HEIGHT, WIDTH = 12, 96, 128
SETTINGS = ("clips.frames=10", "clips.min_height=32", "clips.checks=[uneven_rate, black, frozen, low_motion]")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--files", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        _many_files(Path(name), options.files)
    _one_window()


def _many_files(folder: Path, files: int) -> None:
    clips, run = folder / "clips", folder / "run"
    write_films(clips, files)
    run.mkdir()
    profile = load_profile("embedded", SETTINGS)
    decoder = build_decoder(profile.decoder, os.cpu_count() or 1)
    with open_ledger(run, print) as ledger:
        sources = Sources(ledger, decoder, build_second_look(profile, decoder), profile, 0, lambda line: None)
        found_seconds = _seconds(lambda: sources.find(clips, besides=run))
        rows = asyncio.run(_take_all(sources, files))
        clip_count = sum(1 for _ in ledger.sources.uses())
    decoder.close()
    print(f"{files} files found in {found_seconds:.2f} s; {clip_count} clips")
    for taken, seconds, mebibytes in rows:
        print(f"  after {taken:6} files: {taken / seconds:7.1f} files/s, {mebibytes:6.1f} MiB in this process")
    floor = _seconds(lambda: _bare_decoding(sorted(clips.iterdir())[:500])) / min(500, files)
    print(f"  {rows[-1][1] / files * 1000:.2f} ms a file, {rows[-1][1] / files / floor:.1f}x bare decoding")


async def _take_all(sources: Sources, files: int) -> list[tuple[int, float, float]]:
    """Files looked at, seconds and resident MiB, at each tenth of the way."""
    began, rows, taken = time.perf_counter(), list[tuple[int, float, float]](), 0
    while (clips := await sources.take_in()) is not None:
        before, taken = taken, taken + len(clips)
        if before * 10 // files != taken * 10 // files:
            rows.append((taken, time.perf_counter() - began, _resident_mebibytes()))
    return rows


def _one_window() -> None:
    """What each check costs on one window of a sample clip."""
    profile = load_profile("embedded")
    models = build_source_models(profile)
    assert models.text_reader is not None
    assert models.safety is not None
    path = assets.sample_clips() / "bigbuckbunny.mp4"
    window = video.read_window(path, 0.0, None, 49, 640, 360).frames
    looks = window[[5, 24, 43]]
    whole = _cpu_seconds(lambda: survey(str(path), profile.model_dump_json()))
    print(f"{path.name}, {len(survey(str(path), profile.model_dump_json()).windows)} windows of 49 frames:")
    for what, seconds in {
        "the file, all checks": whole,
        "the file, no network": _cpu_seconds(lambda: survey(str(path), _without_networks(profile))),
        "text, a frame": _cpu_seconds(lambda: models.text_reader.read(window[24])),  # type: ignore[union-attr]
        "safety, a window": _cpu_seconds(lambda: models.safety.unsafe_probability(looks)),  # type: ignore[union-attr]
        "fingerprint, a window": _cpu_seconds(lambda: fingerprint(looks)),
        "bare decoding of the file": _cpu_seconds(lambda: _bare_decoding([path])),
    }.items():
        print(f"  {what:28}{seconds:8.3f} CPU-s")


def _without_networks(profile: Profile) -> str:
    checks = tuple(check for check in profile.clips.checks if check not in ("text", "unsafe"))
    return profile.model_copy(update={"clips": profile.clips.model_copy(update={"checks": checks})}).model_dump_json()


def write_films(folder: Path, files: int) -> None:
    """So many small films that move; no two files are equal."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for kind in range(min(KINDS, files)):
        tiles = rng.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        picture = tiles.repeat(8, axis=0).repeat(8, axis=1)
        path = folder / "film.part"
        video.write(path, np.stack([np.roll(picture, 2 * index, axis=1) for index in range(FRAMES)]), 25.0)
        film = path.read_bytes()
        path.unlink()
        for number in range(kind, files, KINDS):
            (folder / f"{number:06d}.mp4").write_bytes(film + struct.pack(">I4sQ", 16, b"free", number))


def _bare_decoding(paths: list[Path]) -> None:
    for path in paths:
        with av.open(str(path)) as container:
            for _ in container.decode(video=0):
                pass


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _resident_mebibytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
