"""An open run: the owner's lock, the stores, the tools and the graph; what follows the ledger is reconciled."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import cv2
from langchain_core.tools import BaseTool

from agent.card import dataset_card
from agent.context import Models, build_decoder
from agent.disk import Room, free_bytes
from agent.diversity import Diversity, Embed, diversity
from agent.graph import Graph, build_graph
from agent.model_calls import keep_call
from agent.nodes import Steps
from agent.offers import OfferBook
from agent.orders import carry_out
from agent.planner import Planner
from agent.policy import ToolName
from agent.profile import Profile
from agent.provenance import provenance
from agent.repairs import Repairs
from agent.retention import Retention
from agent.run_config import RunConfig, make_run_folder, settle_config
from agent.sources import Sources
from agent.stores import Stores, open_stores, reconcile
from agent.verdicts import failed_axes, judge
from ditto_models.call_log import ChatCall
from ditto_models.executors.base import Executor
from ditto_models.executors.in_process import InProcessExecutor
from memory.ledger import Ledger
from memory.owner import Owner
from memory.sample import Critique, Event, ModelCall, Provenance, Sample, Verdict
from tools.accept import accept
from tools.catalogue import Catalogue
from tools.catalogue_writer import propose_from, suiting_from
from tools.clip_table import ClipTable
from tools.critique_key_frame import critique_key_frame
from tools.critique_video import critique_video
from tools.describe_clip import describe_clip
from tools.edit_key_frame import edit_key_frame
from tools.enhance_video import enhance_video
from tools.generate_video import generate_video
from tools.reject import reject
from tools.retry import retry
from tools.sample_clip import sample_clip
from tools.sample_sheet import sample_sheet
from tools.thumbnail import thumbnail
from tools.write_instruction import write_instruction

ROUTES: Mapping[str, tuple[str, ...]] = {"global": ("structure",), "local": ("mask",)}
"""By scope: depth or colour of the source carries an edit of the whole picture, but fights one of a region."""
Listener = Callable[[Event, Sample], None]


@dataclass(kw_only=True)
class Session:
    """The parts of an open run that a campaign works with."""

    run: Path
    config: RunConfig
    stores: Stores
    sources: Sources
    clips: ClipTable
    repairs: Repairs
    retention: Retention
    room: Room
    embed: Embed
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

    async def take_in(self) -> None:
        """Look at the next files for clips; where none is left, the clip table is complete.

        Raises:
            LedgerError: what was found cannot be written.
        """
        found = await self.sources.take_in()
        self.clips.complete = found is None
        for clip in found or ():
            self.clips.add(clip.number, clip.uses)

    def write_card(self) -> Diversity:
        """Bring the dataset's card up to the ledger; returns how varied the accepted pairs are."""
        accepted = [row.sample for row in self.stores.ledger.rows("decision = 'accepted'")]
        found = diversity(accepted, self.embed, lambda sample: thumbnail(sample, self.stores.media))
        self.stores.dataset.write_card(dataset_card(accepted, self.config, found))
        return found


@contextmanager
def open_session(
    run: Path,
    config: RunConfig,
    models: Models,
    workers: int,
    say: Callable[[str], None],
    accept_changes: bool = False,
) -> Iterator[Session]:
    """Own the run while the block lasts; files among its clips are found first, and told of by `say` as they are seen.

    Raises:
        RunIsOwned: another process owns it.
        CommandError: it was begun with another configuration, and `accept_changes` is false.
    """
    make_run_folder(run)
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) // workers))
    with ExitStack() as stack:
        stack.enter_context(Owner(run))
        settle_config(run, config, accept_changes)
        stores = stack.enter_context(open_stores(run, config.profile, models.embedder, say))
        executor = InProcessExecutor(workers)
        stack.callback(executor.close)
        ledger, profile = stores.ledger, config.profile
        decoder = build_decoder(profile.decoder, workers)
        stack.callback(decoder.close)
        sources = Sources(ledger, decoder, profile, config.seed, say)
        sources.find(Path(config.clips), besides=run)
        session = Session(
            run=run,
            config=config,
            stores=stores,
            sources=sources,
            clips=_clip_table(ledger, profile),
            repairs=Repairs(row.sample for row in ledger.rows("decision = 'accepted'")),
            retention=Retention(profile.retention.rejected, stores),
            room=Room(config=profile.disk, free=partial(free_bytes, run)),
            embed=models.embedder.embed,
        )
        _wire(session, models, executor, decoder)
        carry_out(stores, config)
        reconcile(stores, config)
        session.retention.catch_up(say)
        yield session


def _clip_table(ledger: Ledger, profile: Profile) -> ClipTable:
    """The clips whose files are there; those of a file that was moved come back when it is looked at."""
    table, there = ClipTable(ledger.sources.clip, profile.edits_per_clip), cache(os.path.isfile)
    for clip in ledger.sources.uses():
        if there(clip.uri):
            table.add(clip.number, profile.edits_per_clip if clip.unreadable else clip.uses)
    return table


def _wire(session: Session, models: Models, executor: Executor, decoder: Executor) -> None:
    """Put tools, planner and rules together into the graph."""
    catalogue, profile = Catalogue.load(), session.profile
    book = OfferBook(catalogue.offers, catalogue.scopes, ROUTES)
    for row in session.stores.ledger.rows():
        book.note(row.sample)
    session.listeners += [lambda _, sample: book.note(sample)]
    tools = _tools(session, models, executor, decoder, catalogue, book)

    async def sheet(sample: Sample) -> bytes:
        return (await executor.run(sample_sheet, sample, session.stores.media)).value

    async def keep_calls(calls: Sequence[ChatCall]) -> list[ModelCall]:
        if not calls:
            return []
        with_request = profile.retention.requests == "kept"
        return await asyncio.to_thread(
            lambda: [keep_call(call, session.stores.media.artifacts, with_request) for call in calls]
        )

    session.steps = Steps(
        tools=tools,
        planner=Planner(models.planner, tools),
        ledger=session.stores.ledger,
        config=profile.policy,
        offers=book.offers,
        sheet=sheet,
        repairs=session.repairs.offered,
        keep_calls=keep_calls,
        on_event=session.hear,
        parking=lambda: session.parking,
    )
    session.graph = build_graph(session.steps.decide, session.steps.act)


def _tools(
    session: Session,
    models: Models,
    executor: Executor,
    decoder: Executor,
    catalogue: Catalogue,
    book: OfferBook,
) -> Mapping[ToolName, BaseTool]:
    stores, media, policy = session.stores, session.stores.media, session.profile.policy
    critic = models.critic(media, stores.ledger)
    suiting = suiting_from(catalogue, book.others, book.beside, models.embedder.embed)
    judged_by = models.judge(media, executor) if models.judge else None
    judges = {"critic": critic.name} | ({"judge": judged_by.name} if judged_by else {})

    def made_by() -> Provenance:
        return provenance(models.names() | judges, session.profile.hash)

    def of_key_frame(sample: Sample, critique: Critique) -> Verdict:
        return judge(critique, policy.key_frame_thresholds, combine=policy.combine)

    def of_video(sample: Sample, critique: Critique) -> Verdict:
        return judge(critique, policy.thresholds, combine=policy.combine)

    return {
        "sample_clip": sample_clip(session.clips, session.sources.are_as_looked_at, media.artifacts, decoder, made_by),
        "describe_clip": describe_clip(models.describer, models.masker, media, executor),
        "write_instruction": write_instruction(propose_from(suiting), stores.memory, "catalogue"),
        "edit_key_frame": edit_key_frame(models.editor, media, executor),
        "critique_key_frame": critique_key_frame(critic, of_key_frame, executor, judged_by),
        "generate_video": generate_video(models.generator, media, executor),
        "critique_video": critique_video(critic, of_video, failed_axes, executor, judged_by),
        "enhance_video": enhance_video(models.enhancer, media, executor),
        "retry": retry(),
        "accept": accept(made_by),
        "reject": reject(),
    }
