"""What a call costs beside the server's own time: steps of recorded samples are asked again through the whole client
stack, and the very bodies that it sends are sent raw, one by one, in turns; part of `bench.planner`."""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import httpx2
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool

from agent.context import Models
from agent.leads import build_leads
from agent.model_calls import keep_call
from agent.nodes import Steps
from agent.profile import Profile
from agent.run_config import RunConfig
from agent.served import Served, ServedModels
from agent.session import Session, open_session
from agent.state import SampleState
from bench.planner_load import post_body
from ditto_models.call_log import ChatCall, recording
from ditto_models.executors.in_process import InProcessExecutor
from ditto_models.vllm_loop import CONNECTIONS
from memory.artifacts import ArtifactStore
from memory.sample import KeyFrame, ModelCall, Sample
from tests.fake_run import fake_models
from tools.result import ToolError

ROUNDS = 4
"""Of every step, after one that is not counted; ours and raw take turns at going first."""
PARTS = ("contact sheet", "pictures", "chat client", "pool", "wire", "keeping", "rest")
SPENT = re.compile(r"^vllm:e2e_request_latency_seconds_sum(?:\{[^}\n]*\})? ([0-9.eE+-]+)$", re.MULTILINE)
"""As vLLM 0.32 writes the sum of its histogram, a line for each engine."""

Step = Callable[[], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A state in which a sample was asked about, and by whom: "decide", or the name of a tool."""

    by: str
    state: SampleState


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One step, both ways; every time is milliseconds a call."""

    purpose: str
    calls: int
    server: float
    """By its own metrics, of the raw requests; nan where it has none."""
    raw: float
    ours: float
    raw_cpu: float
    """Of this process: it does not grow when others keep the machine busy."""
    ours_cpu: float
    parts: Mapping[str, float]
    """Of what is ours alone; together they are ours - raw."""


@dataclass(frozen=True, kw_only=True)
class Took:
    """Seconds by the clock, of this process's processors, and of the server by its own account."""

    seconds: float
    cpu: float
    server: float = 0.0


class Stopwatch:
    """Seconds by part. A gate lets one chat call pass at a time, so that parts do not overlap."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.gate = asyncio.Lock()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time that the block takes."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - started

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """A function whose time is added."""

        def work_timed(*arguments: Any, **named: Any) -> Any:
            with self.part(name):
                return work(*arguments, **named)

        return work_timed

    def awaited(self, name: str, work: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        """A coroutine function whose time is added."""

        async def work_timed(*arguments: Any) -> Any:
            with self.part(name):
                return await work(*arguments)

        return work_timed


class TimedChat:
    """As much of a chat model as components use."""

    def __init__(self, chat: Any, watch: Stopwatch) -> None:
        self._chat = chat
        self._watch = watch

    def bind_tools(self, *arguments: Any, **named: Any) -> TimedChat:
        """With tools."""
        with self._watch.part("chat client"):
            return TimedChat(self._chat.bind_tools(*arguments, **named), self._watch)

    def bind(self, **named: Any) -> TimedChat:
        """With settings of a call."""
        with self._watch.part("chat client"):
            return TimedChat(self._chat.bind(**named), self._watch)

    async def ainvoke(self, messages: Any) -> Any:
        """The answer, once no other call is under way."""
        async with self._watch.gate:
            with self._watch.part("chat client"):
                return await self._chat.ainvoke(messages)


class TimedModels(ServedModels):
    """Served models under a stopwatch."""

    def __init__(self, profile: Profile, watch: Stopwatch) -> None:
        super().__init__(profile.servers)
        self._watch = watch

    def model(self, slot: str, server: str, temperature: float, max_tokens: int) -> Served:
        """The profile's, timed."""
        served = super().model(slot, server, temperature, max_tokens)
        return replace(
            served,
            chat=cast(BaseChatModel, TimedChat(served.chat, self._watch)),
            show_clip=self._watch.timed("pictures", served.show_clip),
            show_picture=self._watch.timed("pictures", served.show_picture),
        )


def measure(run: Path, profile: Profile, recorded: Sequence[Recorded], clips: Path) -> list[Cost]:
    """Ask the recorded questions of a run again, by `profile`, whose models are served at its first address."""
    config = RunConfig(profile_name="served", seed=0, clips=str(clips), profile=profile)
    watch = Stopwatch()
    models = fake_models(profile, leads=build_leads(profile, TimedModels(profile, watch)))
    address = profile.servers["vlm"].addresses()[0]

    async def asked_again(session: Session) -> list[Cost]:
        with closing(InProcessExecutor(2)) as executor:
            async with httpx2.AsyncClient(trust_env=False, timeout=None, limits=CONNECTIONS) as client:
                both = _Both(client=client, address=address, watch=watch, steps=session.steps, folder=run / "kept")
                asked = [_step(one, both.steps, models, session, executor) for one in recorded]
                found = [cost for purpose, step in asked if step for cost in await both.costs(purpose, step)]
            for pool in session.pools:
                await pool.close()
            return found

    with open_session(run, config, models, 2, lambda line: None, accept_changes=True) as session:
        return asyncio.run(asked_again(session))


def _step(
    recorded: Recorded, steps: Steps, models: Models, session: Session, executor: InProcessExecutor
) -> tuple[str, Step | None]:
    """What is asked in a state, without the ledger and without tools that only compute."""
    state, media, leads = recorded.state, session.stores.media, models.leads
    sample = state["sample"]
    assert leads.captioner is not None
    assert leads.judge is not None
    match recorded.by:
        case "decide":
            return "planner", lambda: steps.decide(state)
        case "describe_clip":
            captioner = leads.captioner(media, executor)
            return "caption", lambda: captioner.caption(sample)
        case "write_instruction":
            arguments = {**state["call"]["arguments"], "sample": sample}
            return "write", lambda: _tried(steps.tools["write_instruction"], arguments)
        case "critique_key_frame":
            judge, candidate = leads.judge(media, executor), _key_frame(sample).candidates[0]
            return "judge (picture)", lambda: judge.judge_key_frame(sample, candidate)
        case "critique_video":
            judge = leads.judge(media, executor)
            return "judge (video)", lambda: judge.judge_video(sample)
        case _:
            return recorded.by, None


def _clock() -> Callable[[], Took]:
    """Starts now; asked, it says what it took."""
    started, used = time.perf_counter(), time.process_time()
    return lambda: Took(seconds=time.perf_counter() - started, cpu=time.process_time() - used)


async def _tried(tool: BaseTool, arguments: Mapping[str, object]) -> None:
    with suppress(ToolError):  # a tiny model writes nothing that stands
        await tool.ainvoke(dict(arguments))


def _key_frame(sample: Sample) -> KeyFrame:
    assert sample.key_frame is not None
    return sample.key_frame


class _Both:
    """The same bodies both ways."""

    def __init__(self, client: httpx2.AsyncClient, address: str, watch: Stopwatch, steps: Steps, folder: Path) -> None:
        self._client = client
        self._address = address
        self._watch = watch
        self._folder = folder
        self._artifacts = ArtifactStore(folder / "0")
        self._calls: list[ChatCall] = []
        self.steps = replace(steps, sheet=watch.awaited("contact sheet", steps.sheet), keep_calls=self._kept)

    async def costs(self, purpose: str, step: Step) -> list[Cost]:
        """Of a step, round by round; none where it asks nobody, and none of a round that asked another thing."""
        await self._ours(step)
        bodies = [call.request for call in self._calls]
        if not bodies:
            return []
        await self._raw(bodies)
        found = []
        for number in range(ROUNDS):
            before = await self._raw(bodies) if number % 2 else None
            ours = await self._ours(step)
            raw = before or await self._raw(bodies)
            if [call.request for call in self._calls] == bodies:
                found.append(self._cost(purpose, ours, raw))
        return found

    async def _ours(self, step: Step) -> Took:
        self._watch.seconds, self._calls = defaultdict(float), []
        self._artifacts = ArtifactStore(self._folder / str(time.monotonic_ns()))
        took = _clock()
        with recording() as calls:
            await step()
        await self._kept(calls)
        return took()

    async def _kept(self, calls: Sequence[ChatCall]) -> list[ModelCall]:
        """As a session keeps them, but each time as if nothing of it had been seen before."""
        self._calls += calls
        with self._watch.part("keeping"):
            return await asyncio.to_thread(lambda: [keep_call(call, self._artifacts, True) for call in calls])

    async def _raw(self, bodies: Sequence[bytes]) -> Took:
        before = await self._spent()
        took = _clock()
        for body in bodies:
            await post_body(self._client, self._address, body)
        return replace(took(), server=await self._spent() - before)

    async def _spent(self) -> float:
        answer = await self._client.get(self._address.removesuffix("/v1") + "/metrics")
        found = SPENT.findall(answer.text)
        return sum(map(float, found)) if found else float("nan")

    def _cost(self, purpose: str, ours: Took, raw: Took) -> Cost:
        attempts = sum(call.seconds for call in self._calls)
        waited = sum(call.waited_seconds for call in self._calls)
        spent = self._watch.seconds
        parts = {name: spent[name] for name in ("contact sheet", "pictures", "keeping")}
        parts |= {
            "chat client": spent["chat client"] - attempts - waited,
            "pool": waited,
            "wire": attempts - raw.seconds,
        }
        parts["rest"] = ours.seconds - raw.seconds - sum(parts.values())
        each = 1000 / len(self._calls)
        return Cost(
            purpose=purpose,
            calls=len(self._calls),
            server=raw.server * each,
            raw=raw.seconds * each,
            ours=ours.seconds * each,
            raw_cpu=raw.cpu * each,
            ours_cpu=ours.cpu * each,
            parts={name: parts[name] * each for name in PARTS},
        )
