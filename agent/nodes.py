"""What happens at the nodes of the graph: a stage decides on a call, a tool carries it out, the ledger keeps it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

from langchain_core.tools import BaseTool
from pydantic import JsonValue, TypeAdapter

from agent.conversation.moves import Move, moved
from agent.model_calls import tokens_of
from agent.plain import plain
from agent.planner import Ask, Planner, default_arguments, has_free_argument
from agent.policy import (
    BUDGETED,
    LegalCall,
    Offers,
    PolicyConfig,
    ToolName,
    legal_calls,
    next_stage,
)
from agent.state import Call, SampleState, apply, unasked
from agent.state_block import quota_block, state_block
from ditto_models.call_log import ChatCall, recording
from ditto_models.executors.devices import NoDevice
from ditto_models.executors.spent import Spent, spent_in_vain
from ditto_models.gpu.cannot_load import CannotLoad
from ditto_models.video import DISK_ERRORS
from ditto_models.vllm_embedder import EmbedderError
from memory.group_commit import LedgerError
from memory.instructions import MemoryDamaged
from memory.ledger import Ledger
from memory.sample import Event, ModelCall, Sample, Stage
from tools.result import NoClipLeft, PoisonInput, ToolError, ToolResult

Update = dict[str, object]
RESUME = "resume"
MOST_RESUMED = 2
"""Times that a step of a conversation is begun anew because its process ended."""
_JSON: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


class Node(Protocol):
    """A node."""

    def __call__(self, state: SampleState) -> Awaitable[Update]:
        """The keys of the state that changed."""
        ...


class RunError(RuntimeError):
    """Something of the run broke, not of one sample: the ledger is as it was, and the sample goes on later."""


class Undecided(RuntimeError):
    """The planner did not answer; `calls` are those that were tried, and the cause is its error."""

    def __init__(self, calls: list[ModelCall]) -> None:
        super().__init__()
        self.calls = calls


class Parked(Exception):
    """The run is stopping; the sample goes on when it resumes."""

    def __init__(self, sample: Sample) -> None:
        super().__init__(sample.id)
        self.sample = sample


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The nodes and what they work with."""

    tools: Mapping[str, BaseTool]
    planner: Planner
    ledger: Ledger
    config: PolicyConfig
    offers: Callable[[Sample], Offers]
    sheet: Callable[[Sample], Awaitable[bytes]]
    repairs: Callable[[], list[JsonValue]]
    keep_calls: Callable[[Sequence[ChatCall]], Awaitable[list[ModelCall]]]
    """Makes of calls to served models what the ledger keeps of them."""
    on_event: Callable[[Event, Sample], None]
    """Told of every event once it is on disk."""
    parking: Callable[[Sample], bool]
    """Whether a sample should stop before its next step."""

    async def decide(self, state: SampleState) -> Update:
        """Choose the next call: policy where there is nothing to choose, the planner elsewhere."""
        sample = state["sample"]
        if self.parking(sample):
            raise Parked(sample)
        offers = self.offers(sample)
        legal = legal_calls(sample, offers, self.config)
        if len(legal) == 1 and not has_free_argument(legal[0], self.tools[legal[0].tool]):
            return {"call": self._by_policy(legal[0])}
        block = state_block(sample, state["history"], legal, self.config, self.repairs()) | quota_block(legal, offers)
        seed = sample.seed + len(state["history"])
        ask = Ask(state=block, sheet_png=await self.sheet(sample), legal=legal, seed=seed)
        return {"call": await self._ask(ask)}

    async def _ask(self, ask: Ask) -> Call:
        with recording() as calls:
            try:
                decided = await self.planner.decide(ask)
            except Exception as error:
                raise Undecided(await self.keep_calls(calls)) from error
        decided["calls"] = await self.keep_calls(calls)
        return decided

    def act(self, tool: ToolName) -> Node:
        """The node that carries out a call of this tool."""

        async def act(state: SampleState) -> Update:
            return await self._act(tool, state)

        return act

    async def fail(self, sample: Sample, number: int, error: Exception) -> Sample:
        """End a sample whose step could not even be decided on, for example because no planner answers.

        Raises:
            RunError: the sample is done already.
        """
        if sample.stage == "done":
            raise RunError(f"sample {sample.id!r} is done, yet something failed after it: {_said(error)}") from error
        event = _event(sample, "plan", None, {"decision": "failed", "reasons": ["planner"]}, "done", error)
        if _goes_on_talking(sample):
            event = _event(sample, "plan", None, {}, "awaiting_person", error)
        calls = error.calls if isinstance(error, Undecided) else []
        failed, _ = await self._keep(sample, number, event.model_copy(update=_cost(event, calls)))
        return failed

    async def hear(self, sample: Sample, number: int, move: Move, order: int = 0) -> Sample:
        """A person's move in a conversation; `order` is the number of theirs that it carries out.

        Raises:
            MoveError: it cannot be made now.
        """
        changes, leads_to = moved(sample, move)
        event = _event(sample, move.call, None, changes, leads_to)
        arguments = move.arguments | ({"order": order} if order else {})
        after, _ = await self._keep(sample, number, event.model_copy(update={"by": "person", "arguments": arguments}))
        return after

    async def resume(self, sample: Sample, number: int) -> Sample:
        """Go on with a conversation whose process ended in the middle of a step, and say so in its trace.

        A step at which that happens again and again is given up: it may be what ends the process.
        """
        ended = list(takewhile(lambda event: event.tool == RESUME, reversed(self.ledger.events(sample.id))))
        if len(ended) >= MOST_RESUMED:
            said = f"the process that was at this step ended {len(ended) + 1} times; it may need more than there is"
            return await self.fail(sample, number, ToolError(said))
        event = _event(sample, RESUME, None, {}, sample.stage)
        after, _ = await self._keep(
            sample, number, event.model_copy(update={"note": "the process that was at this step ended; it goes on"})
        )
        return after

    async def _act(self, tool: ToolName, state: SampleState) -> Update:
        sample, call = state["sample"], state["call"]
        started = time.perf_counter()
        with recording() as said, spent_in_vain() as spent:
            event = await self._attempt(tool, sample, call)
        calls = [*call["calls"], *await self.keep_calls(said)]
        seconds = call["seconds"] + time.perf_counter() - started
        event = event.model_copy(update={"seconds": seconds} | _cost(event, calls, spent))
        after, event = await self._keep(sample, state["number"], event)
        return {"sample": after, "history": (event,)}

    async def _attempt(self, tool: ToolName, sample: Sample, call: Call) -> Event:
        """Carry out the call; what goes wrong with this one sample becomes its event, what is the run's is raised."""
        try:
            result: ToolResult = await self.tools[tool].ainvoke({**call["arguments"], "sample": sample})
            changed = Sample.model_validate(sample.model_dump() | result.as_json())
        except ToolError as error:
            if _goes_on_talking(sample):
                return _event(sample, tool, call, {}, "awaiting_person", error)
            if tool in BUDGETED:  # it has used up one of its calls, so this cannot go on for ever
                return _event(sample, tool, call, {}, sample.stage, error)
            return _event(sample, tool, call, {"decision": "failed", "reasons": [tool]}, "done", error)
        except PoisonInput as error:
            poisoned: dict[str, JsonValue] = {"decision": "quarantined", "reasons": ["unreadable"]}
            return _event(sample, tool, call, poisoned | error.changes, "done", error)
        except Exception as error:
            if not is_of_sample(error):
                raise
            if _goes_on_talking(sample):
                return _event(sample, tool, call, {}, "awaiting_person", error)
            return _event(sample, tool, call, {"decision": "failed", "reasons": [tool]}, "done", error)
        event = _event(sample, tool, call, result.as_json(), next_stage(tool, changed, call["arguments"]))
        if event.next_stage == "done" and not changed.decision:
            unscored = {"decision": "unscored", "reasons": _unscored_axes(changed)}
            event = event.model_copy(update={"result": event.result | unscored})
        return event.model_copy(
            update={
                "model": result.model or event.model,
                "model_seconds": result.model_seconds,
                "gpu_seconds": result.gpu_seconds,
                "note": plain(result.note),
            }
        )

    async def _keep(self, sample: Sample, number: int, event: Event) -> tuple[Sample, Event]:
        after = apply(sample, event)
        appending = asyncio.ensure_future(self.ledger.append(event, after, number))
        try:
            kept = await asyncio.shield(appending)
        except asyncio.CancelledError:  # nothing takes the event back: whoever cancels goes on from it
            await asyncio.wait([appending])
            if not appending.exception():
                self._tell(appending.result(), after)
            raise
        self._tell(kept, after)
        return after, kept

    def _tell(self, kept: Event, after: Sample) -> None:
        try:
            self.on_event(kept, after)
        except Exception as error:
            raise RunError(f"event {kept.seq} is on disk, but telling of it failed: {_said(error)}") from error

    def _by_policy(self, call: LegalCall) -> Call:
        return unasked(call.tool, default_arguments(call, self.tools[call.tool]), "policy")


def _cost(event: Event, calls: Sequence[ModelCall], spent: Spent | None = None) -> dict[str, object]:
    """What calls of served models add to an event, and calls of networks that gave nothing."""
    served, spent = sum(call.seconds for call in calls), spent or Spent()
    return {
        "calls": list(calls),
        "tokens": tokens_of(calls) or event.tokens,
        "model_seconds": event.model_seconds + served + spent.seconds,
        "gpu_seconds": event.gpu_seconds + spent.gpu_seconds,
    }


def _event(
    sample: Sample,
    tool: str,
    call: Call | None,
    result: dict[str, JsonValue],
    next_stage: Stage,
    error: Exception | None = None,
) -> Event:
    return Event(
        sample_id=sample.id,
        stage=sample.stage,
        next_stage=next_stage,
        tool=tool,
        arguments=_JSON.validate_python(call["arguments"]) if call else {},
        result=result,
        seconds=call["seconds"] if call else 0.0,
        attempt=sample.attempts.get(tool, 0) + 1,
        by=call["by"] if call else "policy",
        model=call["model"] if call else None,
        prompt_hash=call["prompt_hash"] if call else None,
        tokens=call["tokens"] if call else None,
        refusals=call["refusals"] if call else [],
        planner_fallback=call["planner_fallback"] if call else False,
        error=_said(error) if error else None,
    )


def is_of_sample(error: Exception) -> bool:
    """Whether an error ends one sample only; others, of disk, ledger, GPUs, weights, would end the next one too."""
    if isinstance(error, LedgerError | MemoryDamaged | EmbedderError | NoDevice | CannotLoad | RunError | NoClipLeft):
        return False
    return not (isinstance(error, OSError) and error.errno in DISK_ERRORS)


def _goes_on_talking(sample: Sample) -> bool:
    """Whether what goes wrong is told to a person, who goes on from there."""
    return sample.conversation and sample.description is not None


def _said(error: BaseException) -> str:
    if isinstance(error, Undecided) and error.__cause__:
        error = error.__cause__
    return plain(str(error) if isinstance(error, ToolError | PoisonInput) else f"{type(error).__name__}: {error}")


def _unscored_axes(sample: Sample) -> list[JsonValue]:
    verdict = sample.verdict or sample.key_frame_verdict
    return list(verdict.reasons) if verdict else []
