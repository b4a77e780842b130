"""Profile gpu with a tiny checkpoint in every slot of a network, and a generator to which things happen."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Literal

from agent.profile import load_profile
from agent.verdicts import GATES
from ditto_models.base import Frames
from ditto_models.gpu.wan_vace import WanVace
from tests.tiny_editors import tiny_editor
from tests.tiny_guides import tiny_depth, tiny_sam3
from tests.tiny_wan import tiny_vace, tiny_wan22
from tools.critic.axes import MODEL_AXES

PLAIN = "placement: {device: cpu, dtype: float32}"
SMALL = ("clips.frames=9", "clips.max_width=64", "clips.max_height=64", "clips.min_height=16", "clips.checks=[]")
POLICY = load_profile("gpu").policy
LENIENT = tuple(
    f"policy.{thresholds}.{axis}=0"
    for thresholds in ("thresholds", "key_frame_thresholds")
    for axis in getattr(POLICY, thresholds)
    if axis not in (*GATES, *MODEL_AXES)
)
"""Random weights make noise: what is measured of a picture may be anything; gates and the model's judgement stand."""


def tiny_gpu(folder: Path) -> tuple[str, ...]:
    """Overrides of profile gpu that fill every slot with checkpoints of about a megabyte, made in the folder."""
    editor = tiny_editor("flux2_klein", folder / "editor")
    vace, wan22 = tiny_vace(folder / "vace"), tiny_wan22(folder / "wan22")
    depth, sam3 = tiny_depth(folder / "depth"), tiny_sam3(folder / "sam3")
    masker = f"{{kind: sam3, weights: {{repo: {sam3}}}, {PLAIN}, subjects: [square], objects: best}}"
    return (
        *SMALL,
        *LENIENT,
        "decoder.kind=thread",
        "disk.min_free_gb=0",
        f"masker={masker}",
        f"target_masker={masker}",
        f"editor={{kind: flux2_klein, weights: {{repo: {editor}}}, {PLAIN}, steps: 2}}",
        f"generator={{kind: wan_vace, weights: {{repo: {vace}}}, {PLAIN}, sampling: {{kind: few, num_steps: 2}}, "
        f"depth: {{weights: {{repo: {depth}}}, short_side: 64, {PLAIN}}}}}",
        f"enhancer={{kind: wan22_low_noise, weights: {{repo: {wan22}}}, {PLAIN}, low: [500, 250], medium: [500]}}",
    )


Fate = Literal["", "out of memory", "killed"]


class UnluckyVace(WanVace):
    """Suffers the next fate of a list each time that it makes a video; the list outlives its process."""

    def _made(self, pipeline: Any, controls: Any, request: Any) -> Frames:
        fate = next_fate(Path(self.config.weights.repo).parent / "fates")
        if fate == "out of memory":
            import torch

            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        if fate == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._made(pipeline, controls, request)


def next_fate(path: Path) -> str:
    fates = path.read_text().splitlines() if path.exists() else []
    path.write_text("\n".join(fates[1:]))
    return fates[0] if fates else ""


def fates(folder: Path, *fates: Fate) -> None:
    """What will happen to the `UnluckyVace` whose weights lie in this folder, in order."""
    (folder / "fates").write_text("\n".join(fates))
