"""Pixels by reference: decodes artifacts into arrays and stores arrays as artifacts, with the last few kept decoded."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ditto_models import video
from ditto_models.base import Frame, Frames, Masks
from memory.artifacts import ArtifactStore

T = TypeVar("T", bound=NDArray[np.generic])


class Media:
    """Videos as H.264, key frames as PNG, masks as compressed 8-bit arrays.

    `keep` decoded arrays stay in memory: a 640x360 clip of 49 frames takes 34 MB.
    """

    def __init__(self, artifacts: ArtifactStore, keep: int = 6) -> None:
        self.artifacts = artifacts
        self._keep = keep
        self._decoded: OrderedDict[str, NDArray[np.generic]] = OrderedDict()
        self._lock = threading.Lock()

    def frames(self, reference: str) -> Frames:
        """A stored video, THWC uint8 RGB, read-only."""
        return self._remembered(reference, lambda: video.read(self.artifacts.path(reference)).frames)

    def put_frames(self, frames: Frames, fps: float) -> str:
        """Store a video; what `frames` returns later has been through the codec."""
        with self.artifacts.writing(".mp4") as (path, references):
            video.write(path, frames, fps)
        return references[0]

    def image(self, reference: str) -> Frame:
        """A stored image, HWC uint8 RGB, read-only."""
        return self._remembered(reference, lambda: self._read_image(reference))

    def put_image(self, frame: Frame) -> str:
        """Store an image without loss."""
        return self.artifacts.put(png(frame), ".png")

    def masks(self, reference: str) -> Masks:
        """Stored masks, THW float32 in 0..1, read-only."""

        def load() -> Masks:
            levels = np.load(self.artifacts.path(reference), allow_pickle=False)["masks"]
            masks: Masks = levels.astype(np.float32) / np.float32(255)
            return masks

        return self._remembered(reference, load)

    def put_masks(self, masks: Masks) -> str:
        """Store masks, to 1/255."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, masks=np.rint(masks * 255).astype(np.uint8))
        return self.artifacts.put(buffer.getvalue(), ".npz")

    def _read_image(self, reference: str) -> Frame:
        found = cv2.imread(str(self.artifacts.path(reference)), cv2.IMREAD_COLOR_RGB)
        if found is None:
            raise ValueError(f"artifact {reference!r} is not an image that can be read")
        return cast(Frame, found)

    def _remembered(self, reference: str, load: Callable[[], T]) -> T:
        with self._lock:
            if reference in self._decoded:
                self._decoded.move_to_end(reference)
                return cast(T, self._decoded[reference])
        array = load()
        array.flags.writeable = False
        with self._lock:
            self._decoded[reference] = array
            while len(self._decoded) > self._keep:
                self._decoded.popitem(last=False)
        return array


def image_of(data: bytes) -> Frame:
    """An encoded image, HWC uint8 RGB."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if found is None:
        raise ValueError(f"{len(data)} bytes are not an image that can be read")
    return cast(Frame, found)


def png(frame: Frame) -> bytes:
    """An image as PNG."""
    whole, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    if not whole:
        raise ValueError(f"a frame of shape {frame.shape} cannot be written as PNG; expected HWC uint8")
    return data.tobytes()
