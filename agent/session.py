"""An open run: the owner's lock, the stores, the tools and the graph; what follows the ledger is reconciled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
from langchain_core.tools import BaseTool

from agent.card import dataset_card
from agent.context import Models
from agent.graph import Graph, build_graph
from agent.ingest import ingest
from agent.nodes import Steps
from agent.offers import OfferBook
from agent.planner import Planner
from agent.policy import ToolName, judge, not_needed
from agent.profile import Profile
from agent.provenance import provenance
from agent.repairs import Repairs
from agent.run_config import RunConfig
from ditto_models.executors.base import Executor
from ditto_models.executors.in_process import InProcessExecutor
from memory.artifacts import ArtifactStore
from memory.dataset import DatasetWriter, Pair
from memory.instructions import InstructionMemory
from memory.ledger import Ledger
from memory.owner import Owner
from memory.sample import Critique, Event, Sample, Verdict
from tools.accept import accept
from tools.catalogue import Catalogue
from tools.catalogue_writer import propose_from
from tools.clip_table import ClipTable
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
from tools.write_instruction import write_instruction

ROUTES: Mapping[str, tuple[str, ...]] = {"global": ("structure",), "local": ("mask",)}
"""By scope: depth or colour of the source carries an edit of the whole picture, but fights one of a region."""
Listener = Callable[[Event, Sample], None]


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Where a run keeps things."""

    ledger: Ledger
    media: Media
    memory: InstructionMemory
    dataset: DatasetWriter


@dataclass(kw_only=True)
class Session:
    """The parts of an open run that a campaign works with."""

    run: Path
    config: RunConfig
    stores: Stores
    clips: ClipTable
    repairs: Repairs
    steps: Steps = field(init=False)
    graph: Graph = field(init=False)
    parking: bool = False
    listeners: list[Listener] = field(default_factory=list)

    @property
    def profile(self) -> Profile:
        """The run's profile."""
        return self.config.profile

    def hear(self, event: Event, sample: Sample) -> None:
        """Pass an event on that is on disk."""
        for listener in self.listeners:
            listener(event, sample)

    def write_card(self) -> None:
        """Bring the dataset's card up to the ledger."""
        accepted = (row.sample for row in self.stores.ledger.rows("decision = 'accepted'"))
        self.stores.dataset.write_card(dataset_card(accepted, self.config))


@contextmanager
def open_session(
    run: Path, config: RunConfig, models: Models, workers: int, say: Callable[[str], None]
) -> Iterator[Session]:
    """Own the run while the block lasts; new files among its clips are ingested first, each told of by `say`.

    Raises:
        RunIsOwned: another process owns it.
    """
    run.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) // workers))
    with ExitStack() as stack:
        stack.enter_context(Owner(run))
        stores = _open_stores(run, config.profile, models, stack)
        executor = InProcessExecutor(workers)
        stack.callback(executor.close)
        ledger, profile = stores.ledger, config.profile
        ingest(Path(config.clips), ledger, profile.clips, say)
        session = Session(
            run=run,
            config=config,
            stores=stores,
            clips=ClipTable(ledger.clips(), ledger.uses("clip_id"), profile.edits_per_clip, config.seed),
            repairs=Repairs(row.sample for row in ledger.rows("decision = 'accepted'")),
        )
        _wire(session, models, executor)
        _reconcile(session)
        yield session


def _open_stores(run: Path, profile: Profile, models: Models, stack: ExitStack) -> Stores:
    artifacts = ArtifactStore(run / "artifacts")
    artifacts.clear_temporary()
    ledger = Ledger(run / "ledger.sqlite")
    stack.callback(ledger.close)
    memory = InstructionMemory(run / "memory", models.embedder.embed, profile.memory.similarity_limit)
    stack.callback(memory.close)
    dataset = DatasetWriter(run / "dataset", artifacts, profile.policy.thresholds)
    return Stores(ledger=ledger, media=Media(artifacts), memory=memory, dataset=dataset)


def _reconcile(session: Session) -> None:
    """Make dataset and instruction memory say what the ledger says."""
    stores, rows = session.stores, list(session.stores.ledger.rows("decision IS NULL OR decision = 'accepted'"))
    stores.memory.reconcile({row.sample.id: row.sample.instruction for row in rows if row.sample.instruction})
    pairs = [Pair(ordinal=row.ordinal, sample=row.sample) for row in rows if row.ordinal and row.sample.decision]
    card = dataset_card((pair.sample for pair in pairs), session.config)
    stores.dataset.reconcile(pairs, card)


def _wire(session: Session, models: Models, executor: Executor) -> None:
    """Put tools, planner and rules together into the graph."""
    catalogue, profile = Catalogue.load(), session.profile
    book = OfferBook(catalogue.offers, ROUTES)
    for row in session.stores.ledger.rows():
        book.note(row.sample)
    session.listeners += [lambda _, sample: book.note(sample)]
    tools = _tools(session, models, executor, catalogue, book)

    async def sheet(sample: Sample) -> bytes:
        return (await executor.run(sample_sheet, sample, session.stores.media)).value

    session.steps = Steps(
        tools=tools,
        planner=Planner(models.planner, tools),
        ledger=session.stores.ledger,
        config=profile.policy,
        offers=book.offers,
        sheet=sheet,
        repairs=session.repairs.offered,
        on_event=session.hear,
        parking=lambda: session.parking,
    )
    session.graph = build_graph(session.steps.decide, session.steps.act)


def _tools(
    session: Session, models: Models, executor: Executor, catalogue: Catalogue, book: OfferBook
) -> Mapping[ToolName, BaseTool]:
    stores, media, policy = session.stores, session.stores.media, session.profile.policy
    critic = models.critic(media, stores.ledger)

    def of_key_frame(sample: Sample, critique: Critique) -> Verdict:
        return judge(critique, policy.key_frame_thresholds, not_needed(_scope(sample)))

    def of_video(sample: Sample, critique: Critique) -> Verdict:
        return judge(critique, policy.thresholds, not_needed(_scope(sample)))

    return {
        "sample_clip": sample_clip(session.clips, media, executor),
        "describe_clip": describe_clip(models.describer, models.masker, media, executor),
        "write_instruction": write_instruction(
            propose_from(catalogue, book.others, models.embedder.embed), stores.memory, "catalogue"
        ),
        "edit_key_frame": edit_key_frame(models.editor, media, executor),
        "critique_key_frame": critique_key_frame(critic.judge_key_frame, of_key_frame, critic.name, executor),
        "generate_video": generate_video(models.generator, media, executor),
        "critique_video": critique_video(critic.judge_video, of_video, critic.name, executor),
        "enhance_video": enhance_video(models.enhancer, media, executor),
        "retry": retry(),
        "accept": accept(lambda: provenance(models.names() | {"critic": critic.name}, session.profile.hash)),
        "reject": reject(),
    }


def _scope(sample: Sample) -> str:
    return sample.instruction.scope if sample.instruction else "global"
