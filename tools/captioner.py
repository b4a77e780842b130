"""A dense caption of a clip by a vision-language model: who is there, what they do, where, in what light, seen how.

It is asked for in parts, so that none is forgotten and no word is said twice; together they are the caption. What a
model says is data: it is bounded, and characters that no reader sees are taken out before anyone else reads it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, ConfigDict, Field

from memory.sample import Sample
from prompts.library import render
from tools.ask import Asker, Question, Unreadable
from tools.shown_clip import Look

LEAST_WORDS = 10
"""Of a caption of five parts; fewer are no sentences."""


class CaptionerConfig(BaseModel):
    """Which model looks at the clip, and how it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: str = "vlm"
    """Name of the group of servers."""
    temperature: float = Field(default=0.2, ge=0, le=2)
    """Low: a caption should say what is there, not what might be."""
    max_tokens: int = Field(default=768, ge=64)
    """Of the answer; one that is cut is asked for again, then given up."""


class Seen(BaseModel):
    """The answer, in the order in which the model writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subjects: str = Field(min_length=3, max_length=240)
    actions: str = Field(min_length=3, max_length=240)
    setting: str = Field(min_length=3, max_length=200)
    light: str = Field(min_length=3, max_length=120)
    camera: str = Field(min_length=3, max_length=120)

    def caption(self) -> str:
        """All of it in one line, a sentence for each part; empty where the parts hold no word."""
        parts = (self.subjects, self.actions, self.setting, self.light, self.camera)
        said = [line for line in map(one_line, parts) if any(letter.isalnum() for letter in line)]
        return " ".join(line if line[-1] in ".!?" else f"{line}." for line in said)


@dataclass(frozen=True, kw_only=True)
class Captioner:
    """Captions clips; `name` is that of the model."""

    chat: BaseChatModel
    name: str
    look: Look

    async def caption(self, sample: Sample) -> str | Unreadable:
        """One line, at most some 900 characters, or why there is none.

        Raises:
            Exception: the chat model's own, when no server answered it.
        """
        parts = await self.look(sample)
        question = Question(purpose="caption", system=render("caption_system"), parts=parts, seed=sample.seed)
        seen = await Asker(chat=self.chat, answer=Seen).ask(question)
        if isinstance(seen, Unreadable):
            return seen
        caption = seen.caption()
        words = sum(any(letter.isalpha() for letter in word) for word in caption.split())
        if words < LEAST_WORDS:
            return Unreadable(
                problem=f"the answer holds {words} words, and a caption {LEAST_WORDS} at least: {caption!r}"
            )
        return caption


def one_line(text: str) -> str:
    """The text without characters that are not seen (controls, marks of direction, lone surrogates), on one line."""
    seen = (" " if letter.isspace() else letter for letter in unicodedata.normalize("NFC", text))
    return " ".join("".join(letter for letter in seen if letter.isprintable()).split())
