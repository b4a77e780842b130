"""What the program itself costs a sample, models left out: python -m bench.control_plane [--samples N]

Stub tools return at once; graph, policy, planner (rules), state block, fold and ledger are the real ones. The floor is
the ledger alone: the same number of events appended by as many writers at once. What its backup's tail costs is the
difference to the same without it. Last, what telemetry takes of a run's own thread, at a collector on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

from langchain_core.tools import BaseTool, InjectedToolArg, tool

from agent.campaign import new_sample
from agent.graph import build_graph
from agent.leads import build_leads
from agent.nodes import Steps
from agent.planner import Planner
from agent.policy import Offers, PolicyConfig
from agent.profile import load_profile
from agent.state import SampleState
from agent.telemetry_config import TelemetryConfig
from agent.verdicts import judge
from ditto_models.call_log import ChatCall
from memory.backup import connect
from memory.group_commit import GroupCommit, LedgerError
from memory.ledger import Ledger
from memory.noun import Noun
from memory.sample import (
    Clip,
    Critique,
    Description,
    Edit,
    Event,
    Instruction,
    KeyFrame,
    ModelCall,
    Provenance,
    Sample,
    Score,
)
from memory.tail import Recording, Tail
from tools.edit_key_frame import edit_key_frame
from tools.generate_video import generate_video
from tools.reject import reject
from tools.result import ToolResult
from tools.retry import retry

OFFERS = Offers(edit_types=("style", "weather"), routes={"style": ("structure",), "weather": ("structure",)})


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of one way to do the same number of events."""

    seconds: float
    events: int


def stub(name: str, result: Mapping[str, Noun | str | list[str]], like: BaseTool | None = None) -> BaseTool:
    """A tool that changes a sample as the real one would, at no cost."""

    @tool(name)
    async def made(sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Return at once."""
        return ToolResult(changes=dict(result), note="stub")

    if like is None:
        return made

    async def run(**arguments: object) -> ToolResult:
        return ToolResult(changes=dict(result), note="stub")

    return like.model_copy(update={"coroutine": run})


def stub_tools(config: PolicyConfig) -> dict[str, BaseTool]:
    """Every tool, each leading on to acceptance."""
    clip = Clip(
        clip_id="c",
        uri="u",
        sha256="0" * 64,
        start_seconds=0,
        end_seconds=2,
        fps=25,
        frames=49,
        width=640,
        height=360,
        video="v",
    )
    good = Critique(scores={axis: Score(value=0.9, reason="good") for axis in config.thresholds})
    made = Provenance(models={}, prompts_hash="", config_hash="", code_version="", created_at="")
    key_frame = KeyFrame(index=24, source="s", candidates=["a"], strengths=[0.8], chosen="a")

    @tool
    async def write_instruction(edit_type: str, wish: str, sample: Annotated[Sample, InjectedToolArg]) -> ToolResult:
        """Write at once."""
        return ToolResult(changes={"instruction": Instruction(text="edit", edit_type=edit_type, scope="global")})

    return {
        "sample_clip": stub("sample_clip", {"clip": clip}),
        "describe_clip": stub("describe_clip", {"description": Description(caption="", facts={}, masks="m")}),
        "write_instruction": write_instruction,
        "edit_key_frame": stub("edit_key_frame", {"key_frame": key_frame}, like=edit_key_frame(None)),  # type: ignore[arg-type]
        "critique_key_frame": stub(
            "critique_key_frame", {"key_frame_verdict": judge(good, config.key_frame_thresholds)}
        ),
        "generate_video": stub(
            "generate_video",
            {"edit": Edit(video="e", route="structure", strength=1)},
            like=generate_video(None, None, None, None),  # type: ignore[arg-type]
        ),
        "critique_video": stub("critique_video", {"verdict": judge(good, config.thresholds)}),
        "enhance_video": stub("enhance_video", {}),
        "retry": retry(),
        "accept": stub("accept", {"decision": "accepted", "provenance": made}),
        "reject": reject(),
    }


async def run_samples(folder: Path, samples: int, concurrency: int) -> Measured:
    """So many samples through the graph, so many at once."""
    config = load_profile("embedded").policy
    ledger, tools = Ledger(folder / "ledger.sqlite"), stub_tools(config)

    async def sheet(sample: Sample) -> bytes:
        return b""

    async def no_calls(calls: Sequence[ChatCall]) -> list[ModelCall]:
        return []

    steps = Steps(
        tools=tools,
        planner=Planner(build_leads(load_profile("embedded")).planner, tools),
        ledger=ledger,
        config=config,
        offers=lambda sample: OFFERS,
        sheet=sheet,
        repairs=list,
        keep_calls=no_calls,
        on_event=lambda event, sample: None,
        parking=lambda sample: False,
    )
    graph, turn = build_graph(steps.decide, steps.act), asyncio.Semaphore(concurrency)

    async def one(number: int) -> None:
        async with turn:
            state = SampleState(sample=new_sample(0, number), number=number, history=())
            ended = await graph.ainvoke(state)
            assert ended["sample"].decision == "accepted"

    started = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(1, samples + 1)))
    seconds = time.perf_counter() - started
    events = sum(len(ledger.events(row.sample.id)) for row in ledger.rows())
    ledger.close()
    return Measured(seconds=seconds, events=events)


class NoTail(Tail):
    """Transactions of the ledger alone, as a floor to the floor."""

    @contextmanager
    def transaction(self, connection: sqlite3.Connection) -> Iterator[Recording]:
        """One transaction, in the ledger only."""
        with connection:
            yield Recording(connection)


async def append_alone(folder: Path, like: Path, concurrency: int, tail: Tail) -> Measured:
    """The same events and folds, appended and nothing else."""
    path, source = folder / "ledger.sqlite", Ledger(like / "ledger.sqlite")
    work: list[tuple[int, Sample, list[Event]]] = [
        (row.number, row.sample, source.events(row.sample.id)) for row in source.rows()
    ]
    source.close()
    Ledger(path).close()
    writer = GroupCommit(lambda: connect(path), tail, lambda error: LedgerError(str(error)))
    turn = asyncio.Semaphore(concurrency)

    async def one(number: int, sample: Sample, events: list[Event]) -> None:
        async with turn:
            for event in events:
                await asyncio.wrap_future(writer.put(event, sample, number))

    started = time.perf_counter()
    await asyncio.gather(*(one(*item) for item in work))
    seconds = time.perf_counter() - started
    writer.close()
    return Measured(seconds=seconds, events=sum(len(events) for _, _, events in work))


class _Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Take spans in and forget them."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def spans_of(folder: Path) -> Measured:
    """Spans of every event of a ledger."""
    from agent.telemetry import sending_spans

    ledger = Ledger(folder / "ledger.sqlite")
    work = [(row.sample, ledger.events(row.sample.id)) for row in ledger.rows()]
    ledger.close()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    config = TelemetryConfig(endpoint=f"http://127.0.0.1:{http.server_address[1]}")
    begun = {sample.id: events[0] for sample, events in work}
    with sending_spans(config, "bench", begun.__getitem__, print) as hear:
        started = time.perf_counter()
        for sample, events in work:
            for event in events:
                hear(event, sample)
        seconds = time.perf_counter() - started
    http.shutdown()
    return Measured(seconds=seconds, events=sum(len(events) for _, events in work))


def main() -> None:
    """Print milliseconds a sample and a step, the floor and the ratio to it, and what the tail costs."""
    parser = argparse.ArgumentParser(prog="python -m bench.control_plane", description=__doc__)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / part for part in ("graph", "floor", "bare")]
        for folder in folders:
            folder.mkdir()
        graph, alone, bare = folders
        whole = asyncio.run(run_samples(graph, options.samples, options.concurrency))
        floor = asyncio.run(append_alone(alone, graph, options.concurrency, Tail(alone / "backup")))
        least = asyncio.run(append_alone(bare, graph, options.concurrency, NoTail(bare / "backup")))
        spans = spans_of(graph)
        tail, ledger = Tail(alone / "backup").size(), (alone / "ledger.sqlite").stat().st_size
    named = {"graph, policy, planner, ledger": whole, "floor: ledger alone": floor, "ledger without its tail": least}
    for name, measured in named.items():
        a_sample, a_step = 1000 * measured.seconds / options.samples, 1000 * measured.seconds / measured.events
        print(f"{name:32} {a_sample:7.2f} ms a sample  {a_step:6.2f} ms a step  ({measured.events} steps)")
    print(f"ratio to the floor               {whole.seconds / floor.seconds:7.1f}")
    print(f"spans of telemetry               {1000 * spans.seconds / spans.events:7.2f} ms a step")
    in_ledger, in_tail = ledger / floor.events, tail / floor.events
    print(f"bytes a step                     {in_ledger:7.0f} in the ledger, {in_tail:.0f} in its tail")


if __name__ == "__main__":
    main()
