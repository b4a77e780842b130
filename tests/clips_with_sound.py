"""Clips whose frames are shown at given moments, with a tone beside them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream

MILLISECOND = Fraction(1, 1000)
SAMPLE_RATE = 44100


def make_clip(
    path: Path,
    moments: tuple[int, ...],
    *,
    width: int = 64,
    height: int = 48,
    sound: str = "",
    begins: int = 0,
    degrees: int = 0,
    rate: int = 25,
    layout: str = "mono",
) -> Path:
    """A square glides over a wall; `moments` and `begins`, where the sound begins, are in milliseconds."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "12"})
        video.width, video.height = width, height
        video.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        video.codec_context.time_base = MILLISECOND
        if degrees:
            video.set_display_rotation(degrees)
        audio = container.add_stream(sound, rate=SAMPLE_RATE, layout=layout) if sound else None
        for number, moment in enumerate(moments):
            picture = np.full((height, width, 3), (90, 110, 130), np.uint8)
            picture[10:30, number : number + 20] = (220, 120, 30)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=video.pix_fmt)
            frame.pts, frame.time_base = moment, MILLISECOND
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            assert isinstance(audio, AudioStream)
            length = round(SAMPLE_RATE * ((moments[-1] - begins) / 1000 + 0.1))
            wave = (np.sin(np.arange(length) / 20) * 8000).astype(np.int16)[None]
            tone = av.AudioFrame.from_ndarray(wave, format="s16p", layout="mono")
            tone.sample_rate, tone.pts, tone.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
            frames = av.AudioResampler(format=audio.format.name, layout=layout, rate=SAMPLE_RATE, frame_size=1024)
            late = round(begins * SAMPLE_RATE / 1000)
            for piece in frames.resample(tone) + frames.resample(None):
                piece.pts = (piece.pts or 0) + late
                container.mux(audio.encode(piece))
            container.mux(audio.encode(None))
    return path
