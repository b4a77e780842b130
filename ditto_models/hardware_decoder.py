"""Decoding on a GPU's own decoder (NVDEC), by the FFmpeg that PyAV brings along.

The standards leave a decoder no choice of pixels, and frames come back as NV12, which converts to the same RGB as the
planes that a CPU decodes to: clips do not depend on where they were decoded. Timestamps, rotation and colour tags pass
through the same reader. torchcodec would need FFmpeg's shared libraries beside a CUDA build of torch, and converts
colours by rules of its own.
"""

from __future__ import annotations

import io

import av
import numpy as np
from av.codec.hwaccel import HWAccel
from av.video.frame import VideoFrame

CPU = "cpu"
SIDE = 128
"""Pixels of the picture that a device is tried with; decoders have least sizes."""


class HardwareError(RuntimeError):
    """A device that should decode does not; that is no file's fault."""


def hardware(device: str, or_software: bool = True) -> HWAccel | None:
    """What opens a file for decoding on cuda:N; None on the CPU. `or_software`: where the device lacks the codec."""
    if device == CPU:
        return None
    return HWAccel("cuda", device.partition(":")[2] or None, allow_software_fallback=or_software)


def check_device(device: str) -> None:
    """Let a device decode one picture.

    Raises:
        HardwareError: it does not.
    """
    try:
        with av.open(_one_picture(), "r", hwaccel=hardware(device, or_software=False)) as container:
            next(container.decode(container.streams.video[0]))
    except (av.FFmpegError, OSError, NotImplementedError, RuntimeError, StopIteration) as error:
        raise HardwareError(
            f"{device} does not decode video ({error}); expected an NVIDIA GPU with NVDEC and its driver: "
            "run where nvidia-smi lists one, or let the CPU decode"
        ) from error


def _one_picture() -> io.BytesIO:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height = stream.width = SIDE
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(VideoFrame.from_ndarray(np.zeros((SIDE, SIDE, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    return file
