"""Optical flow measured once for a clip, whoever asks: the last few clips' flow, by the grey pixels it rests on."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from ditto_models.base import Frames
from ditto_models.embedded.flow import ClipFlow, FlowConfig, flow_of, grey_of


class FlowMeter:
    """Measures flow as `measure_flow` does and keeps it. Any thread may call it.

    `keep` clips' flow stays in memory: that of 49 frames at 320x180 takes 70 MB.
    """

    def __init__(self, keep: int = 3) -> None:
        self._keep = keep
        self._measured: OrderedDict[bytes, ClipFlow] = OrderedDict()
        self._lock = threading.Lock()

    def measure(self, frames: Frames, config: FlowConfig | None = None) -> ClipFlow:
        """Flow between all neighbouring frames of THWC uint8 RGB, both ways; not to be written to."""
        config = config or FlowConfig()
        grey = grey_of(frames, config)
        key = hashlib.blake2b(f"{config!r} {grey.shape}".encode() + grey.tobytes()).digest()
        with self._lock:
            if key in self._measured:
                self._measured.move_to_end(key)
                return self._measured[key]
        flow = flow_of(grey, config)
        with self._lock:
            self._measured[key] = flow
            while len(self._measured) > self._keep:
                self._measured.popitem(last=False)
        return flow
