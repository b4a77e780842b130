"""A vision-language model leads the conversation: it sees the clip, reads the talk, and offers edits, asks, or says no.

Nothing that it offers is taken on trust: each text is checked as a writer's is, refused ones go back once with the
problem in words, and what stays refused is told to the person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from langchain_core.language_models import BaseChatModel

from memory.sample import Sample
from tools.advisor import MOST_IDEAS, Advice, Idea
from tools.ask import Asker, Part, Question, Unreadable, text_part
from tools.captioner import one_line
from tools.instruction_about import Likeness
from tools.instruction_checks import Form, tidy, unsafe_words, words_of
from tools.instruction_grounding import Embed
from tools.model_writer import WriterConfig
from tools.result import ToolError
from tools.shown_clip import Look
from tools.talk_task import (
    AnswerWithEdits,
    OpenEdit,
    TalkOption,
    TalkOptions,
    WrittenEdit,
    answer_type,
    talk_mend,
    talk_system,
    talk_text,
)
from tools.write_instruction import Refused
from tools.writer_task import grounds
from tools.written_checks import Wording

SAME = 0.08
"""Of strength, within which two edits of one setting are the same."""


@dataclass(frozen=True, kw_only=True)
class _Answered:
    """An answer, held against the checks."""

    said: AnswerWithEdits
    ideas: tuple[Idea, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """What one answer goes by."""

    sample: Sample
    options: Sequence[TalkOption]
    parts: Sequence[Part]
    likeness: Likeness


@dataclass(frozen=True, kw_only=True)
class ModelAdvisor:
    """Implements tools.advisor.Advisor; `name` is that of the model."""

    chat: BaseChatModel
    name: str
    config: WriterConfig
    look: Look
    options: TalkOptions
    embed: Embed

    async def answer(self, sample: Sample) -> Advice:
        """The answer to the sample's wish.

        Raises:
            ToolError: nothing can be done to the clip, or the model gave no answer that can be read.
            Exception: the chat model's own, when no server answered it.
        """
        turn = await self._turn(sample)
        first = await self._answered(turn, ())
        if not first.refused:
            return _advice(first.said, first.ideas, ())
        again = await self._answered(turn, first.refused)
        return _advice(again.said, _different([*first.ideas, *again.ideas]), again.refused)

    async def _turn(self, sample: Sample) -> _Turn:
        options = await asyncio.to_thread(self.options, sample)
        if not options:
            raise ToolError("nothing that the editor can do suits this clip; try another one")
        shown = await self.look(sample)
        likeness = await asyncio.to_thread(Likeness, [each.option for each in options], self.embed)
        parts = [*shown, text_part(talk_text(sample, options))]
        return _Turn(sample=sample, options=options, parts=parts, likeness=likeness)

    async def _answered(self, turn: _Turn, refused: Sequence[Refused]) -> _Answered:
        is_open = any(each.option.is_open for each in turn.options)
        asker = Asker(chat=self.chat, answer=answer_type(len(turn.options), is_open))
        # Two seeds a question: an unreadable answer is asked for once more by the asker itself.
        attempt = 100 * turn.sample.attempts.get("propose_edits", 0) + (2 if refused else 0)
        question = Question(
            purpose="talk",
            system=talk_system(is_open),
            parts=[*turn.parts, *([text_part(talk_mend(refused))] if refused else [])],
            seed=turn.sample.seed + attempt,
        )
        said = await asker.ask(question)
        if isinstance(said, Unreadable):
            raise ToolError(f"{self.name} gave no answer that could be read ({one_line(said.problem)}); say it again")
        if unsafe := unsafe_words(words_of(said.reply)):
            raise ToolError(f"{self.name} said {min(unsafe)!r}, which is not fit for all; say it otherwise")
        judged = [] if said.asks else [await asyncio.to_thread(self._judged, turn, edit) for edit in said.edits]
        return _Answered(
            said=said,
            ideas=_different([each for each in judged if isinstance(each, Idea)]),
            refused=tuple(each for each in judged if isinstance(each, Refused)),
        )

    def _judged(self, turn: _Turn, edit: WrittenEdit) -> Idea | Refused:
        chosen = ascii_uppercase.index(edit.option)
        offered, text = turn.options[chosen], tidy(edit.instruction)
        target = one_line(edit.target).rstrip(".") if isinstance(edit, OpenEdit) and offered.option.names else ""
        result = one_line(edit.result) if isinstance(edit, OpenEdit) else ""
        problems = self.config.checks(self.embed).problems(
            Wording(text=text, target=target, result=result),
            offered.option,
            Form(edits=1 if offered.option.look else self.config.edits),
            _grounds(turn.sample),
            (turn.likeness, chosen),
            offered.edit_type,
        )
        if problems:
            return Refused(text=text, problem="; ".join(problems))
        instruction = offered.option.instruction(text, offered.edit_type, target, result)
        return Idea(instruction=instruction, strength=round(edit.strength, 2), note=one_line(edit.leaves_out))


def _advice(said: AnswerWithEdits, ideas: tuple[Idea, ...], refused: Sequence[Refused]) -> Advice:
    words = one_line(said.reply)
    if refused:
        words += f" I could not word {len(refused)} of them as the editor needs it: {refused[0].problem}."
    return Advice(words=words, ideas=() if said.asks else ideas)


def _grounds(sample: Sample) -> list[str]:
    """What is in the clip: by its caption and facts, and by the person, who knows it. Names of things only; that one
    is found where it should be is checked when it is looked for."""
    said = [each.words for each in sample.talk if each.by == "person"]
    return [*grounds(sample, sample.description.facts if sample.description else {}), *said, sample.wish]


def _different(ideas: Sequence[Idea]) -> tuple[Idea, ...]:
    """Without those that do what an earlier one does."""
    kept: list[Idea] = []
    for idea in ideas:
        if not any(_is_same(idea, other) for other in kept):
            kept.append(idea)
    return tuple(kept[:MOST_IDEAS])


def _is_same(one: Idea, other: Idea) -> bool:
    if one.instruction.look:
        same = (one.instruction.look, one.instruction.parameters) == (
            other.instruction.look,
            other.instruction.parameters,
        )
    else:
        same = one.instruction.text == other.instruction.text
    return same and abs(one.strength - other.strength) < SAME
