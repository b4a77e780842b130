"""A GPU's decoder gives the same frames as the CPU, and where there is none one line says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import av
import numpy as np
import pytest

from agent.profile import ProfileError
from agent.source_models import build_decoder
from agent.survey import survey
from ditto_models import assets, video
from ditto_models.container import opened
from ditto_models.executors.base import WorkerLost
from ditto_models.executors.isolated import IsolatedConfig, IsolatedExecutor
from ditto_models.hardware_decoder import HardwareError, check_device
from ditto_models.small_frames import glimpse, walk
from tests import poison
from tests.fake_run import fake_profile
from tests.scenes import write_shots

GPU = "cuda:0"


def has_gpu() -> bool:
    try:
        check_device(GPU)
    except HardwareError:
        return False
    return True


def test_frames_as_a_gpu_hands_them_back_become_the_same_pictures(tmp_path: Path) -> None:
    written = write_shots(tmp_path / "sd.mp4", 4, height=98, width=130)
    for path in (*sorted(assets.sample_clips().iterdir()), written):
        with av.open(str(path)) as container:
            for planes in list(container.decode(container.streams.video[0]))[:40:13]:
                assert planes.format.name == "yuv420p"
                packed = planes.reformat(format="nv12")
                assert np.array_equal(video.rgb(packed), video.rgb(planes)), path.name


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU that decodes")
def test_a_device_that_is_not_there_is_one_line_and_no_files_fault(tmp_path: Path) -> None:
    path = write_shots(tmp_path / "a.mp4", 20)
    profile = fake_profile("clips.frames=10", "clips.min_height=32", "decoder={kind: process, device: 'cuda:0'}")
    with pytest.raises(
        ProfileError, match=r"decoder\.device: cuda:0 does not decode video .* let the CPU decode"
    ) as said:
        build_decoder(profile.decoder, 1)
    assert "\n" not in str(said.value)
    for look in (lambda: list(walk(path, 64, GPU)), lambda: glimpse(path, (0, 1), {0}, (64, 48), GPU)):
        with pytest.raises(HardwareError):
            look()
    with pytest.raises(HardwareError):
        survey(str(path), profile.model_dump_json())


@pytest.mark.skipif(not has_gpu(), reason="this machine has no GPU that decodes")
def test_a_gpu_decodes_to_the_same_frames(tmp_path: Path) -> None:
    for path in sorted(assets.sample_clips().iterdir()):
        for here, there in zip(walk(path, 256), walk(path, 256, GPU), strict=True):
            assert here.seconds == there.seconds
            assert np.array_equal(here.bgr, there.bgr)
    (tmp_path / "words.mp4").write_text("words")
    with pytest.raises(video.VideoError, match="cannot read"), opened(tmp_path / "words.mp4", GPU):
        pass


def test_a_decoder_beside_a_gpu_may_take_no_more_memory_than_another() -> None:
    executor = IsolatedExecutor(1, IsolatedConfig(memory_gib=2, device=GPU))
    try:
        with pytest.raises(WorkerLost, match="it needs more than 2 GiB of memory"):
            asyncio.run(executor.run(poison.swell))
        assert asyncio.run(executor.run(poison.own_pid)).value
    finally:
        executor.close()
