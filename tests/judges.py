"""A judge by a scripted model, and pairs for it: pictures become parts that say what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel

from ditto_models.base import Frame, Frames
from ditto_models.executors.base import Executor
from tests.scripted_chat import Asked, ScriptedChat
from tools.ask import Part
from tools.critic.axes import MODEL_AXES, MOTION_AXES
from tools.critic.model_judge import JudgeConfig, ModelJudge
from tools.critic.model_of_sample import ModelSampleJudge
from tools.media import Media


def show_still(frame: Frame) -> Part:
    """Its brightness in place of the picture, so that a scripted model can see it."""
    return {"type": "text", "text": f"[picture {int(frame.mean())}]"}


def show(frames: Frames, fps: float) -> list[Part]:
    return [show_still(frames[index]) for index in (0, -1)]


def model_judge(chat: BaseChatModel, **settings: Any) -> ModelJudge:
    return ModelJudge(chat=chat, name="a-vlm", config=JudgeConfig(**settings), show=show, show_still=show_still)


def vote(score: int, reason: str = "as it should be") -> dict[str, object]:
    return {"reason": reason, "score": score}


def scripted(answer: Callable[[Asked], Any]) -> ScriptedChat:
    return ScriptedChat(answer=answer)


def by_axis(**scores: int) -> Callable[[Asked], Any]:
    """The same vote on an axis whenever it is asked; 9 on the others."""
    return lambda asked: vote(scores.get(asked.purpose.removeprefix("judge."), 9))


def gray(level: int, frames: int = 4) -> Frames:
    return np.full((frames, 32, 48, 3), level, np.uint8)


def sample_judge(
    judge: ModelJudge, of_server: type[Exception] = ConnectionError
) -> Callable[[Media, Executor], ModelSampleJudge]:
    """For `agent.context.Models`."""
    return lambda media, executor: ModelSampleJudge(
        judge=judge,
        media=media,
        executor=executor,
        key_frame_axes=[axis for axis in MODEL_AXES if axis not in MOTION_AXES],
        video_axes=MODEL_AXES,
        is_of_server=lambda error: isinstance(error, of_server),
    )
