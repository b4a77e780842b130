"""A tiny served model that learned from the embedded planner's traces, beside a random one, chance and the rules.

    python -m bench.trained_planner [--family qwen3_vl] [--samples 24]

First on decisions of a campaign that nobody trained on: how often the model calls the tool that the rules call, and how
often with the very same arguments. Then as the planner of whole samples on fakes, under one scripted critic, on the
same clips and seeds. Models are served by real vLLM servers and asked with strict tools and a seed of each question, as
in a run. Chance draws a legal call evenly.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from langchain_core.messages import AIMessage

from agent.planner import PlannerModel
from ditto_models.embedded.planner import RulePlanner
from tests.fakes import ScriptedPlanner, random_arguments, tool_call
from tests.planner_traces import Decision, lead, record
from tests.served import served_planner
from tests.vllm_server import FAMILIES, TRAINED, Servers, environment_of_vllm

HELD_OUT_SEED, LED_SEED = 99, 5
AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Shares of the held-out decisions, and what one answer took."""

    same_tool: float
    same_call: float
    tokens: float
    seconds: float


def main() -> None:
    """Start the servers, measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=FAMILIES, default=FAMILIES[0])
    parser.add_argument("--samples", type=int, default=24, help="samples that each planner leads")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as undo:
        folder = Path(name)
        servers = Servers(environment_of_vllm(), folder, undo)
        random, trained = servers.get(arguments.family, f"{TRAINED}-{arguments.family}")
        rules = PlannerModel(chat=RulePlanner(), name="rules")
        draw = Random(LED_SEED)
        even = PlannerModel(chat=ScriptedPlanner(answer=lambda state, tools: drawn(tools, draw)), name="chance")
        planners = {
            "random": served_planner(random, 1.0),
            "trained": served_planner(trained, 0.0),
            "rules": rules,
            "chance": even,
        }
        decisions = record(folder, 16, HELD_OUT_SEED)
        chance = sum(1 / len(decision.tools) for decision in decisions) / len(decisions)
        print(f"{len(decisions)} held-out decisions of the rules; a tool drawn among the legal ones: {chance:.0%}")
        print(f"{'planner':8} {'same tool':>9} {'same call':>9} {'tokens':>7} {'seconds':>7}")
        for planner in ("random", "trained"):
            print_agreement(planner, asyncio.run(agreement(planners[planner], decisions)))
        print(f"\n{arguments.samples} samples led by each under the same critic")
        print(f"{'planner':8} {'accepted':>8} {'decisions':>9} {'fallbacks':>9}")
        for planner, model in planners.items():
            led = lead(model, folder, arguments.samples, LED_SEED, concurrency=AT_ONCE)
            fallbacks = sum(event.planner_fallback for event in led.planned)
            print(f"{planner:8} {led.accepted:8} {len(led.planned):9} {fallbacks:9}")


def drawn(tools: list[dict[str, Any]], chance: Random) -> AIMessage:
    """A call of one of the tools, each as likely as the others, with arguments that its schema allows."""
    tool = chance.choice(tools)
    return tool_call(tool["function"]["name"], **random_arguments(tool, chance))


def print_agreement(planner: str, found: Agreement) -> None:
    """One row of the first table."""
    shares = f"{found.same_tool:9.1%} {found.same_call:9.1%}"
    print(f"{planner:8} {shares} {found.tokens:7.0f} {found.seconds:7.2f}")


async def agreement(model: PlannerModel, decisions: Sequence[Decision]) -> Agreement:
    """Ask the model what the rules were asked, some questions at a time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(decision: Decision, seed: int) -> AIMessage:
        bound = model.chat.bind_tools(decision.tools, tool_choice="required", parallel_tool_calls=False, strict=True)
        async with turns:
            answer = await bound.ainvoke(decision.messages, seed=seed)
        assert isinstance(answer, AIMessage)
        return answer

    started = time.perf_counter()
    answers = await asyncio.gather(*(ask(decision, seed) for seed, decision in enumerate(decisions)))
    seconds = time.perf_counter() - started
    pairs = list(zip(decisions, answers, strict=True))
    total = len(decisions)
    return Agreement(
        same_tool=sum(decision.name in [call["name"] for call in answer.tool_calls] for decision, answer in pairs)
        / total,
        same_call=sum(
            (decision.name, decision.arguments) in [(call["name"], call["args"]) for call in answer.tool_calls]
            for decision, answer in pairs
        )
        / total,
        tokens=sum(answer.usage_metadata["total_tokens"] for answer in answers if answer.usage_metadata) / total,
        seconds=seconds / total,
    )


if __name__ == "__main__":
    main()
