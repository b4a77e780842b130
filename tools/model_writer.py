"""A vision-language model as a writer: it sees the clip, chooses what the editor can do, and asks for it in words.

Nothing that it writes is taken on trust: every text is checked, a refused one goes back with the problem in words, and
after a bounded number of tries the planner hears why there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, ConfigDict, Field

from memory.instructions import Neighbour
from memory.sample import Instruction, Sample
from tools.ask import Asker, Part, Question, Unreadable, text_part
from tools.captioner import one_line
from tools.edit_options import EditOption, Options
from tools.instruction_about import LEAST, MARGIN, Likeness
from tools.instruction_checks import Form, tidy
from tools.instruction_grounding import Embed
from tools.shown_clip import Look
from tools.write_instruction import Refused
from tools.writer_task import (
    MOST_OPTIONS,
    Written,
    WrittenOpenly,
    WrittenWithTarget,
    answer_type,
    form_of,
    grounds,
    mend_text,
    system_prompt,
    task_text,
    words_aimed_for,
)
from tools.written_checks import Wording, WrittenChecks

Nearest = Callable[[str, str, int], Awaitable[list[Neighbour]]]
"""Edit type, text and count to the nearest earlier instructions."""


class WriterConfig(BaseModel):
    """Which model writes, how it answers, and how often it may be asked again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: str = "vlm"
    """Name of the group of servers."""
    temperature: float = Field(default=0.8, ge=0, le=2)
    """High: two samples that are asked the same should write differently."""
    max_tokens: int = Field(default=512, ge=64)
    """Of an answer."""
    options: int = Field(default=8, ge=1, le=MOST_OPTIONS)
    """Things that the editor can do, shown at a time; which they are goes by the sample's seed."""
    avoid: int = Field(default=8, ge=0, le=50)
    """Earlier instructions shown."""
    edits: int = Field(default=1, ge=1, le=3)
    """Atomic edits of one instruction; more than one only for an editor that follows words."""
    mends: int = Field(default=2, ge=0, le=10)
    """Answers that may fail a check before there is no instruction."""
    repeats: int = Field(default=2, ge=0, le=10)
    """Instructions that may turn out to be repeats before there is none."""
    about_least: float = Field(default=LEAST, ge=-1, le=1)
    """Likeness of an instruction to the words of its option, at least; `bench/writer.py` measures it."""
    about_margin: float = Field(default=MARGIN, ge=0, le=2)
    """How much nearer another option may be."""
    named_least: float = Field(default=0.65, ge=-1, le=1)
    """Likeness from which two words are taken to name the same thing."""
    talk_tokens: int = Field(default=1024, ge=64)
    """Of an answer in a conversation, which may hold several edits."""

    def checks(self, embed: Embed) -> WrittenChecks:
        """What its texts are held against."""
        return WrittenChecks(
            embed=embed,
            about_least=self.about_least,
            about_margin=self.about_margin,
            named_least=self.named_least,
        )


@dataclass(frozen=True, kw_only=True)
class WriterGround:
    """What a writer goes by in a run."""

    options: Options
    """What the editor can do."""
    others: Callable[[Sample], Sequence[Instruction]]
    """The edits that a clip has already."""
    nearest: Nearest
    """Of the instruction memory."""
    embed: Embed


@dataclass(frozen=True, kw_only=True)
class _Task:
    """One instruction to write: what is said to the model, and what its answer is held against."""

    sample: Sample
    edit_type: str
    options: Sequence[EditOption]
    parts: Sequence[Part]
    form: Form
    likeness: Likeness


@dataclass(frozen=True, kw_only=True)
class ModelWriter:
    """Writes instructions; `name` is that of the model."""

    chat: BaseChatModel
    name: str
    config: WriterConfig
    look: Look
    ground: WriterGround

    async def propose(self, sample: Sample, edit_type: str, wish: str) -> AsyncIterator[Instruction | Refused]:
        """Ask until an instruction stands; being asked for another one means that the last was a repeat.

        Raises:
            Exception: the chat model's own, when no server answered it.
        """
        options = self.ground.options(sample, edit_type, wish)[: self.config.options]
        if not options:
            return
        task = await self._task(sample, edit_type, wish, options)
        refused: list[Refused] = []
        repeats = 0
        while repeats <= self.config.repeats and len(refused) - repeats <= self.config.mends:
            proposed = await self._answer(task, refused)
            yield proposed
            if isinstance(proposed, Instruction):
                repeats += 1
                proposed = await self._repeat(proposed)
            refused.append(proposed)

    async def _task(self, sample: Sample, edit_type: str, wish: str, options: Sequence[EditOption]) -> _Task:
        words = words_aimed_for(sample.seed)
        avoid = await self._avoid(sample, edit_type, wish, options)
        told = text_part(task_text(sample, edit_type, wish, options, avoid, words))
        return _Task(
            sample=sample,
            edit_type=edit_type,
            options=options,
            parts=[*await self.look(sample), told],
            form=form_of(words, 1 if options[0].words else self.config.edits),
            likeness=await asyncio.to_thread(Likeness, options, self.ground.embed),
        )

    async def _avoid(self, sample: Sample, edit_type: str, wish: str, options: Sequence[EditOption]) -> list[str]:
        """What was asked of this clip, then the instructions of the type that are nearest to what may be asked now."""
        caption = sample.description.caption if sample.description else ""
        ideas = [wish, *(option.words[0] for option in options if option.words)]
        found = [
            neighbour
            for idea in ([idea for idea in ideas if idea] or [caption])
            for neighbour in await self.ground.nearest(edit_type, idea, self.config.avoid)
        ]
        near = [neighbour.text for neighbour in sorted(found, key=lambda neighbour: -neighbour.similarity)]
        own = [instruction.text for instruction in self.ground.others(sample) if instruction.edit_type == edit_type]
        return list(dict.fromkeys([*own, *near]))[: self.config.avoid]

    async def _answer(self, task: _Task, refused: Sequence[Refused]) -> Instruction | Refused:
        mend = [text_part(mend_text(refused))] if refused else []
        first = task.options[0]
        asker = Asker(chat=self.chat, answer=answer_type(len(task.options), first.is_open, first.names))
        # Two seeds a question: an unreadable answer is asked for once more by the asker itself.
        attempt = 100 * task.sample.attempts.get("write_instruction", 0) + 2 * len(refused)
        question = Question(
            purpose="write",
            system=system_prompt(task.form.edits, first.is_open, first.names),
            parts=[*task.parts, *mend],
            seed=task.sample.seed + attempt,
        )
        said = await asker.ask(question)
        if isinstance(said, Unreadable):
            return Refused(text="", problem=f"the answer could not be read: {said.problem}")
        return await asyncio.to_thread(self._judged, task, said)

    def _judged(self, task: _Task, said: Written) -> Instruction | Refused:
        chosen = ascii_uppercase.index(said.option)
        text, option = tidy(said.instruction), task.options[chosen]
        target = one_line(said.target).rstrip(".") if isinstance(said, WrittenWithTarget) else ""
        result = one_line(said.result) if isinstance(said, WrittenWithTarget | WrittenOpenly) else ""
        wording = Wording(text=text, target=target, result=result)
        checked = (task.form, _grounds(task.sample), (task.likeness, chosen), task.edit_type)
        if problems := self.config.checks(self.ground.embed).problems(wording, option, *checked):
            return Refused(text=text, problem="; ".join(problems))
        return option.instruction(text, task.edit_type, target, result)

    async def _repeat(self, instruction: Instruction) -> Refused:
        near = await self.ground.nearest(instruction.edit_type, instruction.text, 1)
        earlier = f"says what {near[0].text!r} says" if near else "repeats an earlier one"
        return Refused(text=instruction.text, problem=f"it {earlier}; ask for something else, or say it otherwise")


def _grounds(sample: Sample) -> list[str]:
    return grounds(sample, sample.description.facts if sample.description else {})
