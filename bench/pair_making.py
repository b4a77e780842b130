"""Pairs made outside a run: windows of clips, looks that suit them, one key frame each, whichever generator.

A bench that compares must hold everything else still: the same window, mask, key frame and instruction give the same
case at any time, also when the catalogue gains entries.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ditto_models import video
from ditto_models.base import EditRequest, Frame, Frames, KeyFramedClip, Masks, Route, VideoGenerator
from ditto_models.embedded.clip_describer import ClipDescriber
from ditto_models.embedded.flow_meter import FlowMeter
from ditto_models.embedded.key_frame_editor import KeyFrameEditor
from ditto_models.embedded.subject_masker import SubjectMasker
from memory.sample import Critique, Instruction
from tools.catalogue import Catalogue
from tools.critic.evidence import Evidence
from tools.critic.measured import THRESHOLDS, MeasuredCritic
from tools.critic.of_sample import STYLES

FRAMES = 49
MAX_WIDTH, MAX_HEIGHT = 640, 360
STRENGTH = 0.8
"""Of the key frame's edit, as a run asks for it."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A clip of FRAMES frames from `start_frame` of a file on."""

    name: str
    path: Path
    start_frame: int


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A window's pixels, and what was found in them."""

    name: str
    source: Frames
    masks: Masks
    facts: dict[str, float]
    fps: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that a generator is given."""

    clip: Clip
    instruction: Instruction
    key_index: int
    key_edited: Frame

    @property
    def name(self) -> str:
        """Window and look."""
        return f"{self.clip.name} {self.instruction.look}"


@dataclass(frozen=True, kw_only=True)
class Made:
    """A case carried out and judged; `edited` has been through the codec."""

    case: Case
    edited: Frames
    cpu_seconds: float
    critique: Critique
    failed: list[str] = field(default_factory=list)
    """Axes below their threshold."""

    def without_pixels(self) -> Made:
        """The same, light enough to keep many of."""
        return replace(self, edited=self.edited[:0])


class PairMaker:
    """Makes cases and pairs with the embedded models at their defaults; the safety network is left out."""

    def __init__(self) -> None:
        self.catalogue = Catalogue.load()
        self._masker, self._describer, self._editor = SubjectMasker(), ClipDescriber(), KeyFrameEditor()
        self._critic, self.meter = MeasuredCritic(), FlowMeter()

    def clip(self, window: Window) -> Clip:
        """The window's pixels, masks and facts, through the codec as a run stores them."""
        known = video.probe(window.path)
        scale = min(1.0, MAX_WIDTH / known.width, MAX_HEIGHT / known.height)
        width, height = round(known.width * scale) // 2 * 2, round(known.height * scale) // 2 * 2
        read = video.read_window(window.path, window.start_frame / known.fps, None, FRAMES, width, height)
        source = through_codec(read.frames, known.fps)
        masks = self._masker.mask(source)
        facts = dict(self._describer.describe(source, masks).facts)
        return Clip(name=window.name, source=source, masks=masks, facts=facts, fps=known.fps)

    def cases(self, clip: Clip, looks: Sequence[str], most: int) -> Iterator[Case]:
        """At most `most` cases: of `looks`, in order, those that the catalogue offers for the clip and whose key frame
        passes.
        """
        found = 0
        for look in looks:
            if found == most or not self.catalogue.looks[look].suits(clip.facts):
                continue
            case = self.case(clip, look)
            if not self._key_frame_failed(case):
                found += 1
                yield case

    def case(self, clip: Clip, look: str) -> Case:
        """The middle frame edited by the first instruction of a look."""
        instruction = next(self.catalogue.looks[look].instructions(look))
        index = len(clip.source) // 2
        request = _request(instruction, STRENGTH)
        edited = self._editor.edit(clip.source[index], clip.masks[index], request)
        return Case(clip=clip, instruction=instruction, key_index=index, key_edited=edited)

    def made(self, case: Case, generator: VideoGenerator) -> Made:
        """The pair that a generator makes of a case, and its critique."""
        clip = case.clip
        route: Route = "mask" if case.instruction.scope == "local" else "structure"
        started = time.process_time()
        given = KeyFramedClip(
            source=clip.source, masks=clip.masks, key_index=case.key_index, key_edited=case.key_edited
        )
        edited = generator.generate(given, _request(case.instruction, 1.0), route)
        seconds = time.process_time() - started
        edited = through_codec(edited, clip.fps)
        critique = self.judge(case, edited)
        return Made(case=case, edited=edited, cpu_seconds=seconds, critique=critique, failed=failed(critique))

    def judge(self, case: Case, edited: Frames) -> Critique:
        """The run's critic, but for safety and repeats."""
        clip, instruction = case.clip, case.instruction
        evidence = Evidence(
            source=clip.source,
            edited=edited,
            masks=clip.masks,
            key_index=case.key_index,
            key_edited=case.key_edited,
            scope=instruction.scope,
            expectation=self.catalogue.expectation(instruction),
            parameters=instruction.parameters,
            restyled=instruction.edit_type in STYLES,
            meter=self.meter,
        )
        return self._critic.judge_video(evidence)

    def _key_frame_failed(self, case: Case) -> list[str]:
        clip, instruction, index = case.clip, case.instruction, case.key_index
        evidence = Evidence(
            source=clip.source[index][None],
            edited=case.key_edited[None],
            masks=clip.masks[index][None],
            scope=instruction.scope,
            expectation=self.catalogue.expectation(instruction),
            parameters=instruction.parameters,
            restyled=instruction.edit_type in STYLES,
        )
        return failed(self._critic.judge_key_frame(evidence))


def failed(critique: Critique) -> list[str]:
    """The axes below their threshold."""
    scores = critique.scores.items()
    return [axis for axis, score in scores if score.value is not None and score.value < THRESHOLDS[axis]]


def through_codec(frames: Frames, fps: float) -> Frames:
    """What is left of THWC uint8 RGB frames after they were stored."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        video.write(path, frames, fps)
        return video.read(path).frames


def _request(instruction: Instruction, strength: float) -> EditRequest:
    return EditRequest(
        text=instruction.text,
        edit_type=instruction.edit_type,
        scope=instruction.scope,
        look=instruction.look,
        parameters=instruction.parameters,
        strength=strength,
        seed=0,
    )
