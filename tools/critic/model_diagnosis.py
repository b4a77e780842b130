"""What to mend of a video that was rejected, by a model that sees source, key frame and video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, ConfigDict, Field, create_model

from memory.sample import Diagnosis, Verdict
from prompts.library import render
from tools.ask import Asker, Part, Question, Unreadable, text_part
from tools.captioner import one_line


class Fault(BaseModel):
    """The answer; `axis` is narrowed to those that failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    axis: str
    stage: Literal["instruction", "key_frame", "video"]
    change: str = Field(min_length=3, max_length=300)


async def diagnosis(
    chat: BaseChatModel,
    pictures: Sequence[tuple[str, Sequence[Part]]],
    instruction: str,
    verdict: Verdict,
    failed: Sequence[str],
    tried: Sequence[Diagnosis],
    seed: int,
) -> Diagnosis | Unreadable:
    """One of the failed axes, the stage at fault and a change to make, or why there is none.

    `pictures` are what the model sees, each with its name.

    Raises:
        Exception: the chat model's own, when no server answered it.
    """
    judged = {
        "instruction": instruction,
        "failed": {axis: verdict.scores[axis].model_dump(include={"value", "threshold", "reason"}) for axis in failed},
        "tried": [one.model_dump() for one in tried],
    }
    parts = [part for what, shown in pictures for part in (_label(what), *shown)]
    parts.append(text_part(render("judge_diagnosis_question", judged=judged).text))
    question = Question(purpose="judge.diagnosis", system=render("judge_diagnosis"), parts=parts, seed=seed)
    fault = await Asker(chat=chat, answer=_narrowed(failed)).ask(question)
    if isinstance(fault, Unreadable):
        return fault
    change = one_line(fault.change)
    if not any(letter.isalnum() for letter in change):
        return Unreadable(problem="the change that it names holds no word")
    return Diagnosis(stage=fault.stage, axis=fault.axis, change=change)


def _label(what: str) -> Part:
    return text_part(render("judge_diagnosis_label", what=what).text)


def _narrowed(failed: Sequence[str]) -> type[Fault]:
    axis: Any = Literal.__getitem__(tuple(failed))
    return create_model("Fault", __base__=Fault, axis=(axis, ...))
