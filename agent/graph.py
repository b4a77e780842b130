"""The drawing: every stage decides on a call, every call leads to a stage. Rules: policy.py; work: nodes.py."""

from __future__ import annotations

from collections.abc import Callable

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agent.nodes import Node, Update
from agent.policy import BUDGETED, CALLS, CONVERSATION_CALLS, LEADS_TO, PERSON_LEADS_TO, ToolName
from agent.state import SampleState
from memory.sample import Stage

Graph = CompiledStateGraph[SampleState, None, SampleState, SampleState]
PARKED = ("done", "awaiting_person")
"""Stages at which the graph ends: for good, or until a person has answered."""


def build_graph(decide: Node, act: Callable[[ToolName], Node]) -> Graph:
    """The graph of one sample. It begins at whatever stage the sample is at, so a resumed one goes on where it was."""
    graph = StateGraph(SampleState)
    for stage in CALLS:
        if stage not in PARKED:
            graph.add_node(stage, decide)
            graph.add_conditional_edges(stage, _decided, list(callable_at(stage)))
    for tool, stages in LEADS_TO.items():
        graph.add_node(tool, act(tool))
        own = [stage for stage in CALLS if tool in callable_at(stage) and tool in BUDGETED]
        ends: list[Stage] = [*stages, *own, "done", "awaiting_person"]
        graph.add_conditional_edges(tool, _stage, {stage: _target(stage) for stage in ends})
    graph.add_conditional_edges(START, _stage, {stage: _target(stage) for stage in CALLS})
    return graph.compile(name="ditto")


def callable_at(stage: Stage) -> tuple[ToolName, ...]:
    """What may be called at a stage at all, for a campaign's sample or in a conversation."""
    return tuple(dict.fromkeys((*CALLS[stage], *CONVERSATION_CALLS.get(stage, ()))))


def _decided(state: SampleState) -> str:
    return state["call"]["tool"]


def _stage(state: SampleState) -> str:
    return state["sample"].stage


def _target(stage: str) -> str:
    return END if stage in PARKED else stage


def drawing() -> str:
    """The graph in Mermaid: stages round, tools square.

    Left out, to be readable: the way back in (START leads to every stage) and the ways of failure (a tool that could
    not do as asked stays at its stage; one that broke ends the sample).
    """

    async def nothing(state: SampleState) -> Update:
        return {}

    graph = build_graph(nothing, lambda tool: nothing)
    lines = ["flowchart TD"]
    lines += [f"    {stage}([{stage.replace('_', ' ')}])" for stage in CALLS if stage not in PARKED]
    lines += [f"    {tool}[{tool}]" for tool in LEADS_TO] + ["    end_((end))", "    person((a person))"]
    edges = {(edge.source, edge.target) for edge in graph.get_graph().edges}
    for stage in CALLS:
        lines += [f"    {stage} --> {tool}" for tool in callable_at(stage) if (stage, tool) in edges]
    for tool, stages in LEADS_TO.items():
        lines += [f"    {tool} --> {_drawn(stage)}" for stage in stages if (tool, _target(stage)) in edges]
    lines += [
        f"    person -- {call} --> {_drawn(stage)}" for call, stage in PERSON_LEADS_TO.items() if call not in _UNDRAWN
    ]
    return "\n".join(lines)


_UNDRAWN = ("begin", "choose", "cancel")
"""Moves of a person that lead back to them, or to the beginning."""


def _drawn(stage: str) -> str:
    return {"done": "end_", "awaiting_person": "person"}.get(stage, stage)


if __name__ == "__main__":
    print(drawing())
