"""The judge by a vision-language model: one question an axis, several votes each, all asked at once.

It works on plain arrays and words, so that any pair can be judged. Preparing pictures (`still`, `clip`) takes time and
belongs off the event loop; asking belongs in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import Frame, Frames
from memory.sample import Critique, Score
from prompts.library import render
from tools.ask import TRIES, Asker, Part, Question, text_part
from tools.critic.axes import MOTION_AXES, SAFETY, ModelAxis
from tools.critic.votes import Vote, capped, score_of
from tools.shown_clip import Show
from tools.together import together

ShowStill = Callable[[Frame], Part]
"""A frame HWC uint8 RGB to what a message holds of it."""


class JudgeConfig(BaseModel):
    """Which model judges, and how often it is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: str = "vlm"
    """Name of the group of servers."""
    temperature: float = Field(default=0.6, ge=0, le=2)
    """Above 0, or all votes with the videos in the same order are one vote."""
    max_tokens: int = Field(default=512, ge=64)
    """Of one answer; one that is cut is asked for again, then its axis is not judged."""
    votes: int = Field(default=3, ge=1, le=9)
    """On each axis of a video. Source and edit change places from vote to vote; an even number cancels wholly what the
    model gives to a place."""
    key_frame_votes: int = Field(default=3, ge=1, le=9)
    """The same for a key frame: its pictures cost a tenth of a video's, and the video that follows costs the most."""
    score_rejected: bool = False
    """Ask for votes also where measured axes reject already. Costs calls and changes no decision; for calibration."""
    diagnose: bool = True
    """Ask what to mend of a video that was rejected."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A pair as parts of messages."""

    kind: Literal["image", "video"]
    source: Sequence[Part]
    edited: Sequence[Part]


def shown_clips(show: Show, source: Frames, edited: Frames, fps: float) -> Shown:
    """An edited video and its source, both THWC uint8 RGB, by `show`."""
    return Shown(kind="video", source=show(source, fps), edited=show(edited, fps))


@dataclass(frozen=True, kw_only=True)
class ModelJudge:
    """Judges pairs; `name` is that of the model."""

    chat: BaseChatModel
    name: str
    config: JudgeConfig
    show: Show
    show_still: ShowStill

    def still(self, source: Frame, edited: Frame) -> Shown:
        """An edited frame and its source, both HWC uint8 RGB, as the model is shown them."""
        return Shown(kind="image", source=[self.show_still(source)], edited=[self.show_still(edited)])

    def clip(self, source: Frames, edited: Frames, fps: float) -> Shown:
        """An edited video and its source, both THWC uint8 RGB, as the model is shown them."""
        return shown_clips(self.show, source, edited, fps)

    async def judge(self, shown: Shown, instruction: str, seed: int, axes: Sequence[ModelAxis]) -> Critique:
        """Scores on these axes, less those of motion for a still; None where a vote cannot be read.

        Raises:
            Exception: the chat model's own, when no server answered it.
        """
        asked = [axis for axis in axes if shown.kind == "video" or axis not in MOTION_AXES]
        scores = await together(self._score(axis, shown, instruction, seed) for axis in asked)
        return Critique(scores=capped(dict(zip(asked, scores, strict=True))))

    async def _score(self, axis: ModelAxis, shown: Shown, instruction: str, seed: int) -> Score:
        number = self.config.votes if shown.kind == "video" else self.config.key_frame_votes
        asker = Asker(chat=self.chat, answer=Vote)
        # An answer that cannot be read is asked for again with the next seeds, which no other vote may have.
        asked = (_question(axis, shown, instruction, seed + vote * TRIES, bool(vote % 2)) for vote in range(number))
        return score_of(await together(asker.ask(question) for question in asked))


def _question(axis: ModelAxis, shown: Shown, instruction: str, seed: int, edited_first: bool) -> Question:
    if axis == SAFETY:
        system = render(f"judge_{axis}", kind=shown.kind)
        parts = [*shown.edited, text_part(render("judge_safety_question").text)]
        return Question(purpose=f"judge.{axis}", system=system, parts=parts, seed=seed)
    source, edited = "BA" if edited_first else "AB"
    letters = {"kind": shown.kind, "source": source, "edited": edited}
    pictures = {source: shown.source, edited: shown.edited}
    parts = [part for letter in "AB" for part in (_label(letter, letters), *pictures[letter])]
    asked = text_part(render("judge_question", instruction=instruction).text)
    system = render(f"judge_{axis}", **letters)
    return Question(purpose=f"judge.{axis}", system=system, parts=[*parts, asked], seed=seed)


def _label(letter: str, letters: dict[str, str]) -> Part:
    return text_part(render("judge_label", letter=letter, **letters).text)
