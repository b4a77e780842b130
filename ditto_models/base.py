"""The protocols that every network and its stand-ins follow: plain arrays, strings and numbers in and out.

Array suffixes: T frames, H height, W width, C the three channels R, G, B (uint8), N texts, D dimensions.
Frames_THWC and Frame_HWC are uint8 RGB; masks are float32 in 0..1, 1 on the subject.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
"""A video, THWC uint8 RGB."""
Frame = NDArray[np.uint8]
"""One image, HWC uint8 RGB."""
Mask = NDArray[np.float32]
"""One mask, HW float32 in 0..1."""
Masks = NDArray[np.float32]
"""Masks of a video, THW float32 in 0..1."""

Scope = Literal["global", "local"]
Route = Literal["structure", "mask"]
Noise = Literal["low", "medium"]


@dataclass(frozen=True, kw_only=True)
class EditRequest:
    """What to change. `look` and `parameters` name a catalogue entry; a model that reads words uses `text` alone."""

    text: str
    """The instruction: what to change."""
    prompt: str = ""
    """What the edited picture shows, for models that read a description and no instruction."""
    target: str = ""
    """What a local edit changes, in a few words, for example "the red car"; empty where it is the main subject."""
    edit_type: str
    scope: Scope
    look: str = ""
    parameters: Mapping[str, str | float]
    strength: float
    """0..1, how far to go."""
    seed: int


@dataclass(frozen=True, kw_only=True, eq=False)
class KeyFramedClip:
    """A clip with one of its frames edited, which is to be carried through all of it.

    Raises:
        ValueError: the key frame is not a frame of this clip's size, its index not one of the clip's, or the masks are
            not of its frames.
    """

    source: Frames
    masks: Masks
    """Of what a local edit changes, or of the main subject."""
    key_index: int
    """Which frame was edited."""
    key_edited: Frame

    def __post_init__(self) -> None:
        if self.source.ndim != 4 or self.key_edited.shape != self.source.shape[1:]:
            raise ValueError(
                f"key_edited is {self.key_edited.shape}; expected the source's frame size, {self.source.shape[1:]}"
            )
        if self.masks.shape != self.source.shape[:3]:
            raise ValueError(
                f"masks are {self.masks.shape}; expected one for each source frame, {self.source.shape[:3]}"
            )
        if not 0 <= self.key_index < len(self.source):
            raise ValueError(
                f"key_index is {self.key_index}; expected a frame of the clip, 0 to {len(self.source) - 1}"
            )

    @property
    def key(self) -> Frame:
        """The key frame as it was."""
        key: Frame = self.source[self.key_index]
        return key

    @property
    def key_mask(self) -> Mask:
        """The mask of it."""
        mask: Mask = self.masks[self.key_index]
        return mask


@dataclass(frozen=True, kw_only=True)
class Description:
    """What was seen in a clip: a caption for people and planners, and measured facts that edits are offered by."""

    caption: str
    facts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Text:
    """One line of text in a picture; its box in pixels."""

    words: str
    probability: float
    """0..1, mean over its letters."""
    left: int
    top: int
    width: int
    height: int


class SubjectMasker(Protocol):
    """Finds the main subject (people, characters) of a clip."""

    name: str

    def mask(self, frames: Frames) -> Masks:
        """Soft masks of the subject, THW, steady in time; all zero where there is none."""
        ...


class TargetMasker(Protocol):
    """Finds what words name in a clip, and follows it."""

    name: str

    def mask_target(self, frames: Frames, words: str) -> Masks:
        """Soft masks of what the words name, THW, steady in time; all zero where it is not there."""
        ...


class DepthEstimator(Protocol):
    """Estimates how near each pixel of a clip is."""

    name: str

    def depth(self, frames: Frames) -> Masks:
        """Nearness THW float32, 0 (farthest of the whole clip) to 1 (nearest): one scale for all its frames."""
        ...


class PictureEmbedder(Protocol):
    """Turns pictures into unit vectors whose dot product says how alike they look."""

    name: str

    def embed_pictures(self, frames: Frames) -> NDArray[np.float32]:
        """Unit vectors TD float32 of frames THWC uint8 RGB."""
        ...


class WordPictureEmbedder(PictureEmbedder, Protocol):
    """A PictureEmbedder whose vectors also say how well a picture agrees with words."""

    def embed_words(self, words: str) -> NDArray[np.float32]:
        """The unit vector D float32 of a text."""
        ...


class FlowEstimator(Protocol):
    """Estimates where each pixel of a frame is seen in the next."""

    name: str

    def flow(self, frames: Frames) -> NDArray[np.float32]:
        """Between neighbours of frames THWC uint8 RGB: THW2 float32 (x, y) in pixels, one fewer than frames."""
        ...


class ClipDescriber(Protocol):
    """Says what is in a clip."""

    name: str

    def describe(self, frames: Frames, masks: Masks) -> Description:
        """A caption in one sentence, and the facts it rests on."""
        ...


class KeyFrameEditor(Protocol):
    """Edits one frame as the request says."""

    name: str

    def edit(self, frame: Frame, mask: Mask, request: EditRequest) -> Frame:
        """The edited frame, same height and width.

        Raises:
            UnsupportedEdit: the request names a look that this editor does not have.
        """
        ...


class VideoGenerator(Protocol):
    """Carries an edited key frame through a whole clip."""

    name: str

    def generate(self, clip: KeyFramedClip, request: EditRequest, route: Route) -> Frames:
        """The edited video, same frames, height and width as `clip.source`."""
        ...


class VideoEnhancer(Protocol):
    """Removes flicker and artifacts from an edited video without changing the edit."""

    name: str

    def enhance(self, source: Frames, edited: Frames, noise: Noise, seed: int) -> Frames:
        """The enhanced video, same frames, height and width; `noise` says how far it may stray from `edited`."""
        ...


class SafetyClassifier(Protocol):
    """Scores how unsafe images are."""

    name: str

    def unsafe_probability(self, frames: Frames) -> float:
        """The highest probability, 0..1, that any of the frames is not safe for work."""
        ...


class TextReader(Protocol):
    """Reads what is written in a picture."""

    name: str

    def read(self, frame: Frame) -> list[Text]:
        """The lines of text of a frame HWC uint8 RGB, largest first."""
        ...


class TextEmbedder(Protocol):
    """Turns texts into unit vectors whose dot product is their similarity."""

    name: str

    @property
    def dimensions(self) -> int:
        """Of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, ND float32."""
        ...


class UnsupportedEdit(ValueError):
    """The request asks for an edit that this model cannot do."""
