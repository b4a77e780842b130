"""One source file, looked at once in the decoder's process: its shots, its windows, and what is wrong with each.

Frames are walked past at a small size and leave a few figures each, so that the length of a file costs no memory.
Pixels are decoded again only for windows whose figures are sound.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from agent.clip_rules import IngestConfig, fitted_size, measured_problem, size_problem
from agent.plain import plain
from agent.profile import Profile
from agent.source_models import SourceModels, build_source_models
from ditto_models import video
from ditto_models.base import Frame, Frames, Text
from ditto_models.embedded.fingerprint import fingerprint
from ditto_models.executors.isolated import progress
from ditto_models.hardware_decoder import HardwareError
from ditto_models.look_index import Seen
from ditto_models.metrics.liveliness import WIDTH, Liveliness, LivelinessMeter
from ditto_models.small_frames import Glimpses, glimpse, walk
from memory.sample import Clip

SHOT_WIDTH = 256
"""Pixels across at which shots are looked for, PySceneDetect's own choice."""
LOOKS = (0.1, 0.5, 0.9)
"""Where in a window pictures are looked at, as shares of its length."""
SQUARE = 224
"""Pixels a side of the pictures for a network that says what a window looks like."""
STEPS = 7
"""Pictures for a network that measures motion: 8 frames apart in a window of 49, which it can match."""
STEP_WIDTH, STEP_MULTIPLE, STEP_LEAST = 320, 8, 128
"""Pixels across of these, and what their sides are multiples of, and at least. A window's take a MiB to travel."""
APART = 12
"""Frames between two looks at one line of text: what is burnt in has not moved."""
SAME_PLACE_SHARE = 1 / 160
"""Of the picture's width, by which the edges of such a line may differ between two looks."""
TRUNCATED_SHARE = 0.9
"""Of what the header promises, that must be there."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """One window: a clip, or why it is none."""

    clip: Clip
    seen: Seen = ()
    dropped: str = ""
    """The reason; empty for a clip."""
    squares: Frames | None = None
    """For a network that says what it looks like: LOOKS, cropped to SQUARE pixels a side."""
    steps: Frames | None = None
    """For a network that measures motion: so many pictures from the first frame to the last, evenly apart."""
    frames_between: float = 0.0
    """Frames of the source from one of these to the next."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A file's windows, or why it has none."""

    rejected: str = ""
    """The reason; empty where there are windows."""
    windows: tuple[Window, ...] = ()
    note: str = ""
    stamp: str = ""
    """Of the file when the look began (`stamp_of`)."""


@dataclass(frozen=True, kw_only=True)
class _Shot:
    """A stretch without a cut; `seconds` and `looks` have one entry a frame."""

    seconds: list[float]
    looks: list[Liveliness]


def survey(path: str, profile_json: str) -> Survey:
    """Look at a file by the rules of a profile. Everything that may be wrong with it is in what is returned."""
    profile, models = _prepared(profile_json)
    stamp = stamp_of(path)
    found = _survey(path, profile.clips, models)
    if stamp_of(path) != stamp:
        found = Survey(rejected="changing: it was written to while it was looked at; the next session looks again")
    return replace(found, stamp=stamp)


def stamp_of(path: str) -> str:
    """What differs once a file has changed: its size in bytes and time of change; empty where it cannot be asked."""
    try:
        known = os.stat(path)
    except OSError:
        return ""
    return f"{known.st_size} {known.st_mtime_ns}"


def _survey(path: str, config: IngestConfig, models: SourceModels) -> Survey:
    try:
        known = video.probe(path)
        if problem := size_problem(known.width, known.height, config):
            return Survey(rejected=problem)
        windows = tuple(islice(_windows(path, known, config, models), config.max_per_source))
    except video.VideoError as error:
        return Survey(rejected=f"unreadable: {error}")
    except _Truncated as error:
        return Survey(rejected=str(error))
    except Exception as error:  # damaged files make decoders and what follows them fail in ways nobody foresees
        if isinstance(error, (MemoryError, HardwareError)):
            raise  # the executor knows the limit, and a device that fails is not the file's doing
        return Survey(rejected=plain(f"unreadable: looking at it failed ({type(error).__name__}: {error})"))
    if not windows:
        return Survey(rejected=_too_short(known, config))
    full = len(windows) == config.max_per_source
    return Survey(windows=windows, note=f"looked at for {len(windows)} clips only" if full else "")


@lru_cache(maxsize=3)  # what people bring is looked at by other rules
def _prepared(profile_json: str) -> tuple[Profile, SourceModels]:
    cv2.setNumThreads(1)
    profile = Profile.model_validate_json(profile_json)
    return profile, build_source_models(profile)


class _Truncated(Exception):
    """The header promises more than there is."""


def _windows(path: str, known: video.Probe, config: IngestConfig, models: SourceModels) -> Iterator[Window]:
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    width, height = fitted_size(known.width, known.height, config)
    span = span_of(known, config)
    frames_before = 0
    for shot in _shots(path, known, config, models):
        length = len(shot.seconds)
        # What is left over goes to both ends of the shot, where a dissolve or a cut found late would be.
        margin = length % span // 2
        for start in range(margin, length - span + 1, span):
            part = slice(start, start + span)
            clip = Clip(
                clip_id=f"{digest[:12]}-{frames_before + start:06d}",
                uri=plain(os.path.realpath(path)),
                sha256=digest,
                start_seconds=shot.seconds[start],
                end_seconds=shot.seconds[part][-1] + 1 / known.fps,
                fps=known.fps if config.fps is None else min(known.fps, config.fps),
                frames=config.frames,
                width=width,
                height=height,
            )
            problem = measured_problem(shot.seconds[part], shot.looks[part], config, models.motion_later)
            yield Window(clip=clip, dropped=problem) if problem else _seen(path, clip, span, config, models)
        frames_before += length


def span_of(known: video.Probe, config: IngestConfig) -> int:
    """Frames of the source that a clip reaches over: more than it has where the source's rate is brought down."""
    return video.places_at(config.frames, known.fps, config.fps)[-1] + 1


def _too_short(known: video.Probe, config: IngestConfig) -> str:
    span = span_of(known, config)
    slowed = f" of its {known.fps:g} a second, for {config.frames} at {config.fps:g}" if span != config.frames else ""
    return f"too short: no shot reaches {span} frames{slowed}"


def _shots(path: str, known: video.Probe, config: IngestConfig, models: SourceModels) -> Iterator[_Shot]:
    """Shots by PySceneDetect's ContentDetector, each as soon as the cut after it is found."""
    import scenedetect

    # By default a cut within 15 frames of the last is passed over, and a window would hold it.
    detector = scenedetect.ContentDetector(threshold=config.shot_threshold, min_scene_len=1)
    meter, shot, last_seconds = LivelinessMeter(not models.motion_later), _Shot(seconds=[], looks=[]), 0.0
    for number, frame in enumerate(walk(path, SHOT_WIDTH, models.device)):
        progress()
        if detector.process_frame(scenedetect.FrameTimecode(number, known.fps), frame.bgr) and shot.seconds:
            yield shot
            shot = _Shot(seconds=[], looks=[])
        shot.seconds.append(frame.seconds)
        shot.looks.append(meter.measure(_grey(frame.bgr)))
        last_seconds = frame.seconds + 1 / known.fps
    promised = known.promised_seconds
    if promised and last_seconds < TRUNCATED_SHARE * promised - 1 / known.fps:
        raise _Truncated(f"truncated: its header promises {promised:.1f} s, {last_seconds:.1f} s can be decoded")
    yield shot


def _grey(bgr: Frames) -> Frames:
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    size = (WIDTH, max(16, round(WIDTH * grey.shape[0] / grey.shape[1])))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _seen(path: str, clip: Clip, span: int, config: IngestConfig, models: SourceModels) -> Window:
    """A window of `span` frames whose figures are sound: what its pictures show."""
    places = [round(share * (span - 1)) for share in LOOKS]
    steps = [round(place) for place in np.linspace(0, span - 1, STEPS)] if models.motion_later else []
    wanted = {*places, *steps, *(_elsewhere(place, span) for place in places)}
    progress()
    try:
        seconds, size = (clip.start_seconds, clip.end_seconds), (clip.width, clip.height)
        window = glimpse(path, seconds, wanted, size, models.device)
    except video.VideoError as error:
        return Window(clip=clip, dropped=f"unreadable: {error}")
    progress()
    if window.frames != span:
        return Window(clip=clip, dropped=f"unreadable: {window.frames} of {span} frames come out of a seek")
    looks = np.stack([window.at[place] for place in places])
    problem = _burnt_in(window, places, config, models) or _unsafe(looks, config, models)
    if problem:
        return Window(clip=clip, dropped=problem)
    return Window(
        clip=clip,
        seen=() if models.looks_later else fingerprint(looks),
        squares=np.stack([video.fill(look, SQUARE, SQUARE) for look in looks]) if models.looks_later else None,
        steps=_steps([window.at[place] for place in steps]) if steps else None,
        frames_between=(span - 1) / (STEPS - 1),
    )


def _steps(frames: list[Frame]) -> Frames:
    """At the size at which a network measures their motion; stretched by a few percent at most."""
    height, width = frames[0].shape[:2]
    scale = max(STEP_WIDTH / width, STEP_LEAST / height)
    size = [round(side * scale / STEP_MULTIPLE) * STEP_MULTIPLE for side in (width, height)]
    return np.stack([np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8) for frame in frames])


def _burnt_in(window: Glimpses, places: list[int], config: IngestConfig, models: SourceModels) -> str:
    """Text that stays where it is while the picture goes on."""
    if models.text_reader is None:
        return ""
    for place in places:
        lines = [line for line in models.text_reader.read(window.at[place]) if _is_text(line, config)]
        if not lines:
            continue
        later = window.at[_elsewhere(place, window.frames)]
        pixels = later.shape[1] * SAME_PLACE_SHARE
        found = models.text_reader.read(later)
        for line in lines:
            if any(_stays(line, other, pixels) for other in found):
                return plain(f"text: {line.words!r} stays in the picture")
    return ""


def _elsewhere(place: int, frames: int) -> int:
    """A frame APART from this one, or as near to that as a short window allows."""
    after, before = min(place + APART, frames - 1), max(place - APART, 0)
    return after if after - place >= place - before else before


def _is_text(line: Text, config: IngestConfig) -> bool:
    letters = sum(letter.isalnum() for letter in line.words)
    return letters >= config.min_text_letters and line.probability >= config.min_text_probability


def _stays(line: Text, later: Text, pixels: float) -> bool:
    """Whether two lines are in one place; of a faint one either end may be missed."""
    level = abs(line.top - later.top) <= pixels and abs(line.top + line.height - later.top - later.height) <= pixels
    ends = line.left - later.left, line.left + line.width - later.left - later.width
    return level and min(map(abs, ends)) <= pixels


def _unsafe(looks: Frames, config: IngestConfig, models: SourceModels) -> str:
    if models.safety is None:
        return ""
    probability = models.safety.unsafe_probability(looks)
    return f"unsafe: with probability {probability:.2f}" if probability > config.max_unsafe_probability else ""
