"""Text in a picture, by PP-OCRv6's small detector and recogniser, ONNX on the CPU.

Sources: differentiable binarisation, Liao et al., AAAI 2020 (detector); PP-OCR, Du et al. 2020, and its later
versions (both networks). Only level text is read, which is what subtitles, logos and watermarks are.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models import assets
from ditto_models.base import Frame, Text

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
SPREAD = np.array([0.229, 0.224, 0.225], np.float32)
"""Of the detector's training images."""
LINE_HEIGHT = 48
"""Of the recogniser's input, in pixels."""
LONGEST_LINE = 16 * LINE_HEIGHT
GROWTH = 1.6
"""The detector marks the core of a line; its box is larger by this share of area over outline (Liao et al.)."""


class TextReaderConfig(BaseModel):
    """How closely to read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: int = Field(default=1, ge=1)
    """Threads of one call; many callers share the machine."""
    longest_side: int = Field(default=640, ge=64)
    """Larger pictures are reduced to it, in pixels, before text is looked for."""
    core_probability: float = Field(default=0.3, gt=0, lt=1)
    """A pixel belongs to a line of text from here on."""
    line_probability: float = Field(default=0.6, gt=0, lt=1)
    """Mean probability over a line's box, below which it is dropped."""


class TextReader:
    """A TextReader of base.py. Any thread may call it."""

    name = "pp-ocrv6-small"

    def __init__(self, config: TextReaderConfig | None = None) -> None:
        import onnxruntime

        self.config = config or TextReaderConfig()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.config.threads
        options.inter_op_num_threads = 1
        self._detector, self._recogniser = (
            onnxruntime.InferenceSession(str(assets.ensure(name)), options, providers=["CPUExecutionProvider"])
            for name in ("text-detector", "text-recogniser")
        )
        letters = self._recogniser.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._letters = ["", *letters, " "]

    def read(self, frame: Frame) -> list[Text]:
        """The lines of text of a frame HWC uint8 RGB, largest first."""
        lines = [self._read_line(frame, box) for box in self._boxes(frame)]
        return sorted((line for line in lines if line.words), key=lambda line: -line.width * line.height)

    def _boxes(self, frame: Frame) -> Iterator[tuple[int, int, int, int]]:
        """Left, top, width, height of each line found, in pixels of the frame."""
        height, width = frame.shape[:2]
        scale = min(1.0, self.config.longest_side / max(height, width))
        size = (_multiple(width * scale), _multiple(height * scale))
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)[..., ::-1].astype(np.float32) / 255
        found = self._detector.run(
            None, {"x": np.ascontiguousarray(((small - MEAN) / SPREAD).transpose(2, 0, 1))[None]}
        )
        probability = np.asarray(found[0][0, 0], np.float32)
        across, down = width / size[0], height / size[1]
        for left, top, wide, high in _grown_boxes(probability, self.config):
            yield round(left * across), round(top * down), round(wide * across), round(high * down)

    def _read_line(self, frame: Frame, box: tuple[int, int, int, int]) -> Text:
        left, top, width, height = box
        crop = frame[top : top + height, left : left + width]
        wide = min(LONGEST_LINE, max(LINE_HEIGHT, round(LINE_HEIGHT * width / height)))
        line = cv2.resize(crop, (wide, LINE_HEIGHT), interpolation=cv2.INTER_CUBIC)[..., ::-1].astype(np.float32)
        prepared = np.ascontiguousarray((line / 127.5 - 1).transpose(2, 0, 1))[None]
        steps = np.asarray(self._recogniser.run(None, {"x": prepared})[0][0], np.float32)
        words, probability = self._decoded(steps)
        return Text(words=words, probability=probability, left=left, top=top, width=width, height=height)

    def _decoded(self, steps: NDArray[np.float32]) -> tuple[str, float]:
        """Greedy CTC: the likeliest letter a step, repeats and blanks dropped; mean probability of what is kept."""
        best = steps.argmax(axis=1)
        kept = (best != 0) & (best != np.concatenate([[0], best[:-1]]))
        words = "".join(self._letters[index] for index in best[kept]).strip()
        return words, float(steps.max(axis=1)[kept].mean()) if words else 0.0


def _grown_boxes(probability: NDArray[np.float32], config: TextReaderConfig) -> Iterator[tuple[int, int, int, int]]:
    core = (probability > config.core_probability).astype(np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(core)
    high, wide = probability.shape
    for part in range(1, count):
        left, top, width, height, area = (int(value) for value in statistics[part])
        inside = probability[top : top + height, left : left + width][
            parts[top : top + height, left : left + width] == part
        ]
        if min(width, height) < 3 or float(inside.mean()) < config.line_probability:
            continue
        grow = GROWTH * area / (2 * (width + height))
        x, y = max(0, round(left - grow)), max(0, round(top - grow))
        yield x, y, min(wide, round(left + width + grow)) - x, min(high, round(top + height + grow)) - y


def _multiple(length: float) -> int:
    return max(32, round(length / 32) * 32)
