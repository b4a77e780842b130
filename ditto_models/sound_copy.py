"""The first sound of a video file, copied as it is into another file, where that one's format can hold it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

Timed = tuple[Fraction, "Packet[AudioStream]"]
"""When it begins, in seconds after the first frame, and what is to be written."""
AHEAD_SECONDS = 1.0
"""Sound that begins so long before the first frame is kept; a coder's first packet may be a few ms early."""
USUAL_LAYOUTS = {1: "mono", 2: "stereo"}
"""By channels; MP4 wants one named, and raw sound in AVI and Matroska names none."""


class _Nowhere(io.RawIOBase):
    """A file that forgets what is written to it."""

    def __init__(self) -> None:
        self._place = self._end = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._end}[whence]
        return self._place

    def write(self, data: object) -> int:
        assert isinstance(data, bytes | bytearray | memoryview)
        self._place += len(data)
        self._end = max(self._end, self._place)
        return len(data)


def refusal(path: Path, output_format: str, begun_seconds: Fraction) -> str:
    """Why a format cannot hold the first sound of a file; empty where it can.

    All of it is written to nowhere: some formats refuse a sound only at the end of the file, when the frames beside it
    have taken hours.
    """
    with av.open(str(path), metadata_errors="replace") as source:
        audio = source.streams.audio[0]
        coded = audio.codec_context.codec.canonical_name
        try:
            with av.open(_Nowhere(), "w", format=output_format) as trial:
                if coded not in trial.supported_codecs:
                    return f"this format holds no {coded}"
                for _, packet in sound_packets(source, audio, copied(trial, audio), begun_seconds):
                    trial.mux(packet)
        except (av.FFmpegError, ValueError) as error:
            return f"this {coded} cannot be copied into this format: {getattr(error, 'strerror', None) or error}"
    return ""


def copied(container: OutputContainer, audio: AudioStream) -> AudioStream:
    """A stream for the same sound in another file."""
    copy = container.add_stream_from_template(audio)
    layout = audio.codec_context.layout
    if "channel" in layout.name and layout.nb_channels in USUAL_LAYOUTS:
        copy.codec_context.layout = USUAL_LAYOUTS[layout.nb_channels]
    return copy


def sound_packets(
    source: InputContainer, audio: AudioStream, copy: AudioStream, begun_seconds: Fraction
) -> Iterator[Timed]:
    """What is to be written to `copy`, in order; the first frame of the source is shown at `begun_seconds`."""
    for packet in source.demux(audio):
        if packet.dts is None or packet.pts is None or packet.time_base is None:
            continue
        shift = round(begun_seconds / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        begins = packet.pts * packet.time_base
        if begins > -AHEAD_SECONDS:
            packet.stream = copy
            yield begins, packet
