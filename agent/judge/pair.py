"""Pairs judged as a profile says: by measuring, and where it has a model for that, by asking it as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agent.command import CommandError, CommandFailed
from agent.context import build_pair_critic
from agent.judge.pair_judge import PairJudge, build_pair_judge
from agent.judge.pair_verdict import impossible, verdict_on
from agent.judge.rows import Ask
from agent.loop_thread import LoopThread
from agent.profile import Profile, ProfileError
from memory.sample import Critique, Verdict
from tools.critic.of_pair import Pair


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How a model is asked from threads; None where there is none to ask."""

    ask: Ask | None = None
    give_up: Callable[[], None] = lambda: None


def judge_pair(pair: Pair, profile: Profile) -> Verdict:
    """The verdict on one pair.

    Raises:
        CommandFailed: no server answers that the profile asks.
        ProfileError: a kind or a setting is unknown.
        AssetError: a bundled weight cannot be had.
    """
    judge = build_pair_judge(profile)
    measured = build_pair_critic(profile).judge(pair)
    said = asyncio.run(_said(judge, pair)) if judge else None
    return verdict_on(measured, profile.policy, impossible(pair), said)


@contextmanager
def asking(profile: Profile) -> Iterator[Asking]:
    """The profile's model, to be asked from several threads while the block lasts.

    Raises:
        CommandFailed: no server answers that the profile asks.
        CommandError: a kind or a setting is unknown.
    """
    try:
        judge = build_pair_judge(profile)
    except ProfileError as error:
        raise CommandError(str(error)) from error
    if judge is None:
        yield Asking()
        return
    with LoopThread() as loop:
        loop.run(_checked(judge))
        try:
            yield Asking(ask=lambda shown, words: loop.run(judge.ask(shown, words)), give_up=loop.cancel)
        finally:
            loop.finish(judge.close())


async def _said(judge: PairJudge, pair: Pair) -> Critique:
    await _checked(judge)
    try:
        shown = await asyncio.to_thread(judge.judge.clip, pair.source, pair.edited, pair.fps)
        return await judge.ask(shown, pair.instruction)
    finally:
        await judge.close()


async def _checked(judge: PairJudge) -> None:
    from ditto_models.vllm_servers import ServersError

    try:
        await judge.check()
    except ServersError as error:
        await judge.close()
        raise CommandFailed(str(error)) from error
