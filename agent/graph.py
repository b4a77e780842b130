"""The drawing: every stage decides on a call, every call leads to a stage. Rules: policy.py; work: nodes.py."""

from __future__ import annotations

from collections.abc import Callable

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agent.nodes import Node, Update
from agent.policy import BUDGETED, CALLS, LEADS_TO, PERSON_LEADS_TO, ToolName
from agent.state import SampleState

Graph = CompiledStateGraph[SampleState, None, SampleState, SampleState]
PARKED = ("done", "awaiting_person")
"""Stages at which the graph ends: for good, or until a person has answered."""


def build_graph(decide: Node, act: Callable[[ToolName], Node]) -> Graph:
    """The graph of one sample. It begins at whatever stage the sample is at, so a resumed one goes on where it was."""
    graph = StateGraph(SampleState)
    for stage, tools in CALLS.items():
        if stage not in PARKED:
            graph.add_node(stage, decide)
            graph.add_conditional_edges(stage, _decided, list(tools))
    for tool, stages in LEADS_TO.items():
        graph.add_node(tool, act(tool))
        own = [stage for stage, tools in CALLS.items() if tool in tools and tool in BUDGETED]
        graph.add_conditional_edges(tool, _stage, {stage: _target(stage) for stage in (*stages, *own, "done")})
    graph.add_conditional_edges(START, _stage, {stage: _target(stage) for stage in CALLS})
    return graph.compile(name="ditto")


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
    for stage, tools in CALLS.items():
        lines += [f"    {stage} --> {tool}" for tool in tools if (stage, tool) in edges]
    for tool, stages in LEADS_TO.items():
        lines += [f"    {tool} --> {_drawn(stage)}" for stage in stages if (tool, _target(stage)) in edges]
    lines += [f"    person -- {call} --> {stage}" for call, stage in PERSON_LEADS_TO.items()]
    return "\n".join(lines)


def _drawn(stage: str) -> str:
    return {"done": "end_", "awaiting_person": "person"}.get(stage, stage)


if __name__ == "__main__":
    print(drawing())
