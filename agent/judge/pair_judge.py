"""The model that judges beside the critic, over pairs that no run made, where a profile has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from agent.choice import config_of
from agent.leads import build_judge
from agent.profile import SERVED, Profile
from agent.served import ServedModels, group_of
from ditto_models.vllm import is_of_server
from memory.sample import Critique, Score
from tools.captioner import one_line
from tools.critic.axes import MODEL_AXES, ModelAxis
from tools.critic.model_judge import JudgeConfig, ModelJudge, Shown, shown_clips
from tools.critic.of_pair import Pair

if TYPE_CHECKING:
    from ditto_models.vllm_pool import ServerPool

ShowPair = Callable[[Pair], Shown]


@dataclass(frozen=True, kw_only=True)
class PairJudge:
    """Judges pairs that no run made, in one event loop."""

    judge: ModelJudge
    axes: list[ModelAxis]
    pools: tuple[ServerPool, ...]

    async def check(self) -> None:
        """See that somebody answers.

        Raises:
            ServersError: nobody does, or none serves the model.
        """
        for pool in self.pools:
            await pool.check()

    async def ask(self, shown: Shown, instruction: str) -> Critique:
        """Scores on every axis; None where the server gave no answer, with why."""
        try:
            return await self.judge.judge(shown, instruction, 0, self.axes)
        except Exception as error:
            if not is_of_server(error):
                raise
            why = one_line(f"not judged: {type(error).__name__}: {error}")
            return Critique(scores=dict.fromkeys(self.axes, Score(value=None, reason=why)))

    async def close(self) -> None:
        """Let the servers go."""
        for pool in self.pools:
            await pool.close()


def build_pair_judge(profile: Profile) -> PairJudge | None:
    """The judge of pairs; None where the profile has no model that judges.

    Raises:
        ProfileError: a kind or a setting is unknown.
    """
    served = ServedModels(profile.servers)
    judge = build_judge(profile, served)
    axes = [axis for axis in MODEL_AXES if axis in profile.policy.thresholds]
    return PairJudge(judge=judge, axes=axes, pools=served.pools) if judge else None


def build_show_pair(profile: Profile) -> ShowPair | None:
    """How a pair is shown to that model, without the means to ask it; None where there is none.

    Raises:
        ProfileError: a setting is unknown, or the profile has no such servers.
    """
    if profile.judge.kind != SERVED:
        return None
    from ditto_models.vision import video_parts

    server = config_of("judge", profile.judge, JudgeConfig).server
    vision = group_of("judge", server, profile.servers).vision
    return lambda pair: shown_clips(partial(video_parts, config=vision), pair.source, pair.edited, pair.fps)
