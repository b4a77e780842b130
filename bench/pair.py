"""What one pair costs: seconds and CPU seconds of every stage beside a floor, the least work that stage cannot avoid.

python -m bench.pair [--clips DIR] [--json]: one 640x360 clip of 49 frames, decoded, masked, edited, generated,
enhanced, judged and encoded on one thread.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeVar

import av
import cv2
import numpy as np

from ditto_models import assets, video
from ditto_models.base import EditRequest, Frame, Frames, KeyFramedClip, Masks
from ditto_models.embedded.carried import arrivals
from ditto_models.embedded.enhancer import TemporalEnhancer
from ditto_models.embedded.fitted_edit import fit_edit
from ditto_models.embedded.flow import FlowConfig, grid, measure_flow, reduced_grey, sample
from ditto_models.embedded.flow_meter import FlowMeter
from ditto_models.embedded.generator import LutFlowGenerator
from ditto_models.embedded.key_frame_editor import KeyFrameEditor
from ditto_models.embedded.subject_masker import SubjectMasker
from tools.catalogue import Expectation
from tools.critic.evidence import Evidence
from tools.critic.measured import VIDEO_AXES

WIDTH, HEIGHT, FRAMES, FPS = 640, 360, 49, 25.0
PAIR = ("decode", "mask", "key frame", "generate (all)", "encode")
"""What makes a pair, beside the critic; other stages are parts of these, or only for a video that flickers."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One stage; `ratio` is CPU seconds over its floor's, None where it has none."""

    stage: str
    seconds: float
    cpu_seconds: float
    floor: str
    ratio: float | None


class Stopwatch:
    """Collects the costs."""

    def __init__(self) -> None:
        self.costs: list[Cost] = []

    def time(self, stage: str, work: Callable[[], T], floor: str = "", least: Callable[[], object] | None = None) -> T:
        """Runs the work, and the least of it, and notes what both took."""
        floor_cpu = _cpu_seconds(least) if least else None
        started = time.perf_counter(), time.process_time()
        result = work()
        seconds, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
        ratio = cpu / max(floor_cpu, 1e-6) if floor_cpu is not None else None
        self.costs.append(Cost(stage=stage, seconds=seconds, cpu_seconds=cpu, floor=floor, ratio=ratio))
        return result


def measure(clip: Path, folder: Path) -> list[Cost]:
    """Costs of one pair made from the first window of a clip."""
    watch = Stopwatch()
    window = watch.time("decode", lambda: _window(clip), "FFmpeg alone, nothing converted", lambda: _bare_decode(clip))
    source, key_index = window.frames, len(window.frames) // 2
    masker = SubjectMasker()
    masks = watch.time("mask", lambda: masker.mask(source))
    key, mask = source[key_index], masks[key_index]
    request = EditRequest(
        text="", edit_type="style", scope="global", look="watercolour", parameters={}, strength=1.0, seed=0
    )
    key_edited = watch.time("key frame", lambda: KeyFrameEditor().edit(key, mask, request))
    flow = watch.time("flow", lambda: measure_flow(source), "DIS once a link, at its size", lambda: _bare_flow(source))
    everywhere = np.ones_like(mask)
    edit = watch.time("fit", lambda: fit_edit(key, key_edited, mask, everywhere, "structure"))
    _ = watch.time(
        "apply fit",
        lambda: [edit.apply(frame, one, everywhere) for frame, one in zip(source, masks, strict=True)],
        "one colour remap a frame",
        lambda: _bare_remaps(source),
    )
    watch.time(
        "of it the table",
        lambda: [edit.lut.apply(frame) for frame in source],
        "one colour remap a frame",
        lambda: _bare_remaps(source),
    )
    watch.time("chain flow", lambda: [list(arrivals(flow, key_index, way, FlowConfig())) for way in (1, -1)])
    meter = FlowMeter()
    generator = LutFlowGenerator(meter=meter)
    given = KeyFramedClip(source=source, masks=masks, key_index=key_index, key_edited=key_edited)
    edited = watch.time(
        "generate (all)",
        lambda: generator.generate(given, request, "structure"),
        "flow alone",
        lambda: measure_flow(source),
    )
    watch.time(
        "enhance (low)",
        lambda: TemporalEnhancer(meter=meter).enhance(source, edited, "low", 0),
        "flow alone",
        lambda: measure_flow(source),
    )
    _judge(watch, source, edited, masks, key_index, key_edited, meter)
    path = folder / "edited.mp4"
    watch.time(
        "encode",
        lambda: video.write(path, edited, FPS),
        "at the coarsest quality",
        lambda: video.write(path, edited, FPS, 51),
    )
    return watch.costs


def _judge(
    watch: Stopwatch,
    source: Frames,
    edited: Frames,
    masks: Masks,
    key_index: int,
    key_edited: Frame,
    meter: FlowMeter,
) -> None:
    evidence = Evidence(
        source=source,
        edited=edited,
        masks=masks,
        key_index=key_index,
        key_edited=key_edited,
        scope="global",
        expectation=Expectation(region="all", changes={"fine_detail": -0.2}),
        unsafe_probability=0.0,
        restyled=True,
        meter=meter,
    )
    watch.time("critic: flow, known", lambda: evidence.source_flow)
    for name, axis in VIDEO_AXES.items():
        watch.time(f"critic: {name}", lambda axis=axis: axis(evidence))  # type: ignore[misc]


def _window(clip: Path) -> video.Video:
    return video.read_window(clip, 0.0, None, FRAMES, WIDTH, HEIGHT)


def _bare_decode(clip: Path) -> None:
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in islice(container.decode(video=0), FRAMES):
            pass


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _bare_flow(source: Frames) -> None:
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [reduced_grey(frame, FlowConfig().max_width) for frame in source]
    for here, there in pairwise(grey):
        engine.calc(here, there, np.zeros((*here.shape, 2), np.float32))


def _bare_remaps(source: Frames) -> None:
    where = grid(*source.shape[1:3])
    for frame in source.astype(np.float32):
        sample(frame, where)


def _table(costs: list[Cost], peak_mebibytes: float) -> str:
    rows = [f"{'stage':28}{'seconds':>9}{'cpu-s':>9}   ratio to floor"]
    for cost in costs:
        beside = f"{cost.ratio:6.1f}x {cost.floor}" if cost.ratio is not None else ""
        rows.append(f"{cost.stage:28}{cost.seconds:9.3f}{cost.cpu_seconds:9.3f}   {beside}")
    whole = sum(cost.cpu_seconds for cost in costs if cost.stage in PAIR or cost.stage.startswith("critic"))
    rows.append(f"{'one pair, clip to verdict':37}{whole:9.3f}   {', '.join(PAIR)}, critic")
    return "\n".join([*rows, f"peak memory {peak_mebibytes:.0f} MiB"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.pair", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--clips", type=Path, help="folder of videos; the first by name is used (default: the sample clips)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    clips = sorted(path for path in (arguments.clips or assets.sample_clips()).iterdir() if path.is_file())
    if not clips:
        parser.error(f"--clips {str(arguments.clips)!r} holds no file; expected a folder of videos")
    with tempfile.TemporaryDirectory() as folder:
        costs = measure(clips[0], Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if arguments.json:
        print(json.dumps({"clip": clips[0].name, "stages": [asdict(cost) for cost in costs], "peak_mebibytes": peak}))
    else:
        print(clips[0].name, _table(costs, peak), sep="\n")


if __name__ == "__main__":
    main()
