"""An open run: the owner's lock, the stores, the tools and the graph; what follows the ledger is reconciled."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from agent.card import dataset_card
from agent.context import Models, build_networks
from agent.conversation.peoples_clips import PeoplesClips
from agent.disk import Room, free_bytes
from agent.diversity import Diversity, Embed, diversity
from agent.graph import Graph, build_graph
from agent.model_calls import keep_call
from agent.nodes import Steps
from agent.offers import OfferBook
from agent.orders import carry_out
from agent.planner import Planner
from agent.profile import Profile
from agent.repairs import Repairs
from agent.retention import Retention
from agent.run_config import RunConfig, make_run_folder, settle_config
from agent.second_look import build_second_look
from agent.source_models import build_decoder
from agent.sources import Sources
from agent.stores import Stores, open_stores, reconcile
from agent.tenure import Tenure
from agent.toolbox import Parts, toolbox
from agent.training.trainings import Training
from agent.training.wiring import open_training
from ditto_models.call_log import ChatCall
from ditto_models.executors.base import Executor
from ditto_models.executors.in_process import InProcessExecutor
from ditto_models.executors.resting import RestingExecutor
from memory.ledger import Ledger
from memory.owner import Owner
from memory.sample import Event, ModelCall, Sample
from tools.catalogue import Catalogue
from tools.clip_table import ClipTable
from tools.sample_sheet import sample_sheet
from tools.thumbnail import thumbnail

if TYPE_CHECKING:
    from ditto_models.vllm_pool import ServerPool

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
    tenure: Tenure
    steps: Steps = field(init=False)
    graph: Graph = field(init=False)
    training: Training = field(init=False)
    numbers: Iterator[int] = field(init=False)
    """Of the samples that are begun next, whoever begins them."""
    pools: tuple[ServerPool, ...] = ()
    """Servers that components ask."""
    parking: bool = False
    listeners: list[Listener] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers = count(self.stores.ledger.next_number())

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

    def end_waiting(self) -> None:
        """Drop the steps that wait for a server to come back; their samples go on when the run resumes."""
        for pool in self.pools:
            for task in pool.waiting_tasks():
                task.cancel()

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
        ProfileError: a device that networks should run on is not there.
        CommandError: it was begun with another configuration, and `accept_changes` is false.
    """
    with ExitStack() as stack:
        # First: devices that are not there must leave no config behind that the mended command would be held against.
        networks = RestingExecutor(partial(build_networks, config.profile.networks))
        stack.callback(networks.close)
        make_run_folder(run)
        cv2.setNumThreads(max(1, (os.cpu_count() or 1) // workers))
        stack.enter_context(Owner(run))
        settle_config(run, config, accept_changes)
        stores = stack.enter_context(open_stores(run, config.profile, models.embedder, say))
        executor = InProcessExecutor(workers)
        stack.callback(executor.close)
        ledger, profile = stores.ledger, config.profile
        decoder = build_decoder(profile.decoder, workers)
        stack.callback(decoder.close)
        sources = Sources(ledger, decoder, build_second_look(profile, networks), profile, config.seed, say)
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
            tenure=Tenure(ledger, config, say),
            pools=models.leads.pools,
        )
        _wire(session, models, executor, networks, decoder, say)
        if profile.telemetry.endpoint:
            session.listeners.append(stack.enter_context(_spans(session, say)))
        carry_out(stores, config)
        reconcile(stores, config)
        session.retention.catch_up(say)
        yield session


def _spans(session: Session, say: Callable[[str], None]) -> AbstractContextManager[Listener]:
    from agent.telemetry import sending_spans  # brings opentelemetry, which is off as a rule

    def first_event(sample_id: str) -> Event:
        return session.stores.ledger.events(sample_id)[0]

    return sending_spans(session.profile.telemetry, session.run.resolve().name, first_event, say)


def _clip_table(ledger: Ledger, profile: Profile) -> ClipTable:
    """The clips whose files are there; those of a file that was moved come back when it is looked at."""
    table, there = ClipTable(ledger.sources.clip, profile.edits_per_clip), cache(os.path.isfile)
    for clip in ledger.sources.uses():
        if there(clip.uri):
            table.add(clip.number, profile.edits_per_clip if clip.unreadable else clip.uses)
    return table


def _wire(
    session: Session,
    models: Models,
    executor: Executor,
    networks: RestingExecutor,
    decoder: Executor,
    say: Callable[[str], None],
) -> None:
    """Put tools, planner and rules together into the graph."""
    catalogue, profile = Catalogue.load(), session.profile
    book = OfferBook(models.repertoire(catalogue))
    for row in session.stores.ledger.rows():
        book.note(row.sample)
    session.listeners += [lambda _, sample: book.note(sample)]
    tools = toolbox(
        Parts(
            profile=profile,
            models=models,
            stores=session.stores,
            clips=session.clips,
            given=PeoplesClips(session.run, session.stores.ledger, decoder, profile, session.sources.are_as_looked_at),
            are_as_looked_at=session.sources.are_as_looked_at,
            catalogue=catalogue,
            book=book,
            executor=executor,
            networks=networks,
            decoder=decoder,
        )
    )

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
        planner=Planner(models.leads.planner, tools),
        ledger=session.stores.ledger,
        config=profile.policy,
        offers=book.offers,
        sheet=sheet,
        repairs=session.repairs.offered,
        keep_calls=keep_calls,
        on_event=session.hear,
        parking=lambda sample: session.parking or session.tenure.holds(sample),
    )
    session.graph = build_graph(session.steps.decide, session.steps.act)
    session.training = open_training(
        run=session.run,
        profile=profile,
        seed=session.config.seed,
        ledger=session.stores.ledger,
        planner=models.leads.planner,
        book=book,
        keep_calls=keep_calls,
        free=networks.rest,
        say=say,
    )
