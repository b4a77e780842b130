"""How unsafe frames are, by Yahoo's open_nsfw (ResNet-50 thin), ONNX on the CPU.

Source: Mahadeokar and Pesavento, Open sourcing a deep learning solution for detecting NSFW images, 2016.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models import assets
from ditto_models.base import Frame, Frames

SCALED, CROPPED = 256, 224
MEAN_BGR = np.array([104, 117, 123], np.float32)


class OpenNsfwConfig(BaseModel):
    """How to run the classifier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: int = Field(default=1, ge=1)
    """Threads of one call; many callers share the machine."""
    max_frames: int = Field(default=4, ge=1)
    """Frames looked at, spread evenly over what is given."""


class OpenNsfw:
    """SafetyClassifier. Probabilities below about .8 are common on harmless skin: gate well above .5.

    Any thread may call it.
    """

    name = "open-nsfw"

    def __init__(self, config: OpenNsfwConfig | None = None) -> None:
        import onnxruntime

        self.config = config or OpenNsfwConfig()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.config.threads
        options.inter_op_num_threads = 1
        path = str(assets.ensure("open-nsfw"))
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def unsafe_probability(self, frames: Frames) -> float:
        """The highest probability, 0..1, over at most `max_frames` of frames THWC uint8 RGB.

        Raises:
            ValueError: there are no frames.
        """
        if len(frames) == 0:
            raise ValueError("no frames to classify; expected at least one")
        count = min(len(frames), self.config.max_frames)
        chosen = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
        return max(self._unsafe(frames[index]) for index in chosen)

    def _unsafe(self, frame: Frame) -> float:
        # One by one: a batch would only raise the peak of memory on a CPU.
        safe_unsafe = self._session.run(None, {self._input: prepared(frame)[None]})[0][0]
        return float(safe_unsafe[1])


def prepared(frame: Frame) -> NDArray[np.float32]:
    """The network's input, 224x224x3 float32 in the order B, G, R less the mean of its training images.

    As in training: squashed to 256x256, through JPEG, centre crop. Without these the scores mean nothing.
    """
    scaled = cv2.resize(frame, (SCALED, SCALED), interpolation=_kernel(frame))
    edge = (SCALED - CROPPED) // 2
    crop = np.ascontiguousarray(scaled[edge : edge + CROPPED, edge : edge + CROPPED, ::-1])
    _, compressed = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 75])
    decoded = np.asarray(cv2.imdecode(compressed, cv2.IMREAD_COLOR), np.float32)
    return np.ascontiguousarray(decoded - MEAN_BGR)


def _kernel(frame: Frame) -> int:
    return cv2.INTER_AREA if min(frame.shape[:2]) >= SCALED else cv2.INTER_LINEAR
