"""An open run: its owner's lock, its stores, its tools and its graph; what follows the ledger is reconciled on opening."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
from langchain_core.tools import BaseTool
from langgraph.graph.state import CompiledStateGraph
from pydantic import JsonValue

from agent.card import dataset_card
from agent.context import Models
from agent.graph import build_graph
from agent.nodes import Steps
from agent.offers import OfferBook
from agent.planner import Planner
from agent.policy import ToolName, judge, not_needed
from agent.profile import Profile
from agent.provenance import provenance
from agent.repairs import Repairs
from agent.state import SampleState
from ditto_models.executors.base import Executor
from ditto_models.executors.in_process import InProcessExecutor
from memory.artifacts import ArtifactStore
from memory.dataset import DatasetWriter, Pair
from memory.instructions import InstructionMemory
from memory.ledger import Ledger
from memory.owner import Owner
from memory.sample import Critique, Event, Sample, Verdict
from tools.accept import accept
from tools.clip_table import ClipTable
from tools.critic.of_sample import SampleCritic
from tools.critique_key_frame import critique_key_frame
from tools.critique_video import critique_video
from tools.describe_clip import describe_clip
from tools.edit_key_frame import edit_key_frame
from tools.enhance_video import enhance_video
from tools.generate_video import generate_video
from tools.media import Media
from tools.reject import reject
from tools.retry import retry
from tools.sample_clip import sample_clip
from tools.sample_sheet import sample_sheet
from tools.write_instruction import Propose, write_instruction

ROUTES: Mapping[str, tuple[str, ...]] = {"global": ("structure",), "local": ("mask",)}

EventListener = Callable[[Event, Sample], None]


@dataclass(kw_only=True)
class Session:
    """The parts of an open run that a campaign works with."""

    run: Path
    profile: Profile
    seed: int
    ledger: Ledger
    memory: InstructionMemory
    dataset: DatasetWriter
    clips: ClipTable
    repairs: Repairs
    steps: Steps
    graph: CompiledStateGraph[SampleState, None, SampleState, SampleState]
    parking: bool = False
    listeners: list[EventListener] = field(default_factory=list)
