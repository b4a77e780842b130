"""The drawing: every stage decides on a call, every call leads to a stage. Rules: policy.py; work: nodes.py."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agent.nodes import Steps
from agent.policy import CALLS, LEADS_TO
from agent.state import SampleState

PARKED = ("done", "awaiting_person")
"""Stages at which the graph ends: for good, or until a person has answered."""


def build_graph(steps: Steps) -> CompiledStateGraph[SampleState, None, SampleState, SampleState]:
    """The graph of one sample. It begins at whatever stage the sample is at, so a resumed one goes on where it was."""
    graph = StateGraph(SampleState)
    for stage, tools in CALLS.items():
        if stage not in PARKED:
            graph.add_node(stage, steps.decide)
            graph.add_conditional_edges(stage, _decided, list(tools))
    for tool, stages in LEADS_TO.items():
        graph.add_node(tool, steps.act(tool))
        own = [stage for stage, tools in CALLS.items() if tool in tools]
        graph.add_conditional_edges(tool, _stage, {stage: _target(stage) for stage in (*stages, *own, "done")})
    graph.add_conditional_edges(START, _stage, {stage: _target(stage) for stage in CALLS})
    return graph.compile(name="ditto")


def _decided(state: SampleState) -> str:
    return state["call"]["tool"]


def _stage(state: SampleState) -> str:
    return state["sample"].stage


def _target(stage: str) -> str:
    return END if stage in PARKED else stage
