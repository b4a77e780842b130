"""What the campaign page shows, gathered from a run."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.filesize import decimal

from agent.campaign_figures import DECISIONS, funnel_figure, kinds_figure, reasons_figure, time_figure
from agent.campaign_progress import Progress, in_words, progress_of
from agent.campaign_rounds import acceptance_figure, cost_figure, first_samples, round_size, rounds_of
from agent.disk import disk_use
from agent.diversity import entropy
from agent.figure import Figure
from agent.inspect.jobs import came, evaluated, last_declined
from agent.pause import Standing, command_of, standing
from agent.profile import Profile
from agent.studio.instruction_maps import InstructionMap
from agent.studio.runs import StudioRun
from memory.figures import Tally
from memory.jobs import Job
from memory.sample import Sample
from memory.sessions import CampaignSession

UNDER_WAY_SHOWN = 12
PALETTE = 12
"""Colours of edit types on the map, in campaign.css; beyond them they repeat, with another shape."""
SHAPES = ("circle", "triangle", "rect", "rectRot", "star")


@dataclass(frozen=True, kw_only=True)
class ProgressView:
    """What is asked for every few seconds."""

    progress: Progress
    session: CampaignSession | None
    standing: Standing | None
    counts: list[tuple[str, int]]
    conversations: Mapping[str, int]
    under_way: Sequence[Sample]
    training: Sequence[tuple[str, str]]
    """Jobs that run or are to go on, each with how it stands."""
    command: str
    """That goes on with the run."""

    @property
    def can_be_paused(self) -> bool:
        """Whether a campaign runs that takes orders."""
        return self.standing in ("running", "paused")


@dataclass(frozen=True, kw_only=True)
class SessionView:
    """One session as the table has it."""

    session: CampaignSession
    standing: Standing
    accepted: int
    """In this session."""
    pauses: str
    limits: str


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What is counted over the whole ledger."""

    samples: int
    figures: tuple[Figure, ...]
    variety: str


@dataclass(frozen=True, kw_only=True)
class FiguresView:
    """The charts and what stands beside them."""

    seen: str
    """Tells whether they are still as the ledger is."""
    counted: Counted
    sessions: list[SessionView]
    jobs: list[tuple[str, str]]
    declined: str
    evaluated: Job | None
    """The last training that was evaluated."""
    disk: list[tuple[str, str]]


def progress_view(run: StudioRun) -> ProgressView:
    """The live part; a few quick queries however long the run."""
    last = run.ledger.sessions.last()
    now = standing(last, run.folder) if last else None
    counts, conversations = run.ledger.counts(), run.ledger.figures.conversations()
    minutes = run.ledger.figures.accepted_by_minute(last.began_at[:16]) if last else []
    under_way = [row.sample for row in run.ledger.rows("decision IS NULL") if not row.sample.conversation]
    own = {decision: counts.get(decision, 0) - conversations.get(decision, 0) for decision in DECISIONS}
    own["accepted"] = counts.get("accepted", 0)  # the target counts pairs that people gave too
    return ProgressView(
        progress=progress_of(own, last, now, minutes, datetime.now(UTC)),
        session=last,
        standing=now,
        counts=[(decision, number) for decision, number in own.items() if number and decision != "pending"],
        conversations=conversations,
        under_way=under_way[:UNDER_WAY_SHOWN],
        training=[(job.id, came(job)) for job in run.ledger.jobs.jobs() if job.is_open],
        command=command_of(last, run.folder),
    )


class FiguresDesk:
    """Counts a run's figures once for each newest event, however many pages ask."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[int, int], Counted]] = {}

    def seen(self, run: StudioRun) -> str:
        """Changes whenever something does that is shown here; without counting."""
        ledger = run.ledger
        told = (ledger.figures.newest(), ledger.sessions.all(), ledger.jobs.jobs(), last_declined(ledger))
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def of(self, run: StudioRun) -> FiguresView:
        """The charts of a run as its ledger stands now."""
        sessions = run.ledger.sessions.all()
        seen = (run.ledger.figures.newest(), len(sessions))
        known, counted = self._kept.get(run.key, ((-1, -1), None))
        if known != seen or counted is None:
            counted = _counted(run, sessions)
            self._kept[run.key] = seen, counted
        jobs = run.ledger.jobs.jobs()
        return FiguresView(
            seen=self.seen(run),
            counted=counted,
            sessions=session_views(run, sessions),
            jobs=[(job.id, came(job) + evaluated(job)) for job in jobs],
            declined=last_declined(run.ledger),
            evaluated=next((job for job in reversed(jobs) if job.evaluation), None),
            disk=disk_rows(run),
        )


def _counted(run: StudioRun, sessions: Sequence[CampaignSession]) -> Counted:
    """Each query goes over the whole run once."""
    figures = run.ledger.figures
    tallies = figures.tallies()
    samples = sum(tally.samples for tally in tallies)
    size = round_size(samples)
    rounds = rounds_of(figures.rounds(first_samples(sessions), size))
    accepted = sum(tally.samples for tally in tallies if tally.decision == "accepted")
    return Counted(
        samples=samples,
        figures=(
            acceptance_figure(rounds, size),
            cost_figure(rounds),
            funnel_figure(tallies),
            reasons_figure(tallies),
            time_figure(figures.spent(), accepted),
            kinds_figure(tallies, scopes_of(run.config.profile)),
        ),
        variety=variety(tallies),
    )


def session_views(run: StudioRun, sessions: Sequence[CampaignSession]) -> list[SessionView]:
    """The sessions, newest first; none in a run that was only talked to."""
    if not sessions:
        return []
    accepted = run.ledger.counts().get("accepted", 0)
    ends = [*(one.accepted_before for one in sessions), accepted][1:]
    views = [
        SessionView(
            session=one,
            standing=standing(one, run.folder),
            accepted=end - one.accepted_before,
            pauses=in_words(one.paused_seconds) if one.paused_seconds else "none",
            limits=_limits(one),
        )
        for one, end in zip(sessions, ends, strict=True)
    ]
    return views[::-1]


def disk_rows(run: StudioRun) -> list[tuple[str, str]]:
    """What the run takes of the disk, part by part."""
    use = disk_use(run.folder)
    about = "about " if use.estimated else ""
    parts = {
        "artifacts": about + decimal(use.artifacts),
        "dataset, beside links to artifacts": about + decimal(use.dataset),
        "ledger and its backup": decimal(use.ledger),
        "memory of instructions": decimal(use.memory),
        "training": about + decimal(use.training) if use.training else "",
        "free on this disk": decimal(use.free),
    }
    return [(name, value) for name, value in parts.items() if value]


def variety(tallies: Sequence[Tally]) -> str:
    """How evenly the accepted pairs are spread over edit types, in a sentence; empty where there are none."""
    kinds, scopes = Counter[str](), Counter[str]()
    for tally in tallies:
        if tally.decision == "accepted" and tally.edit_type:
            kinds[tally.edit_type] += tally.samples
            scopes[tally.scope] += tally.samples
    if not kinds:
        return ""
    whole = 100 * scopes["global"] / kinds.total()
    return (
        f"{kinds.total():,} accepted pairs of {len(kinds)} edit types, evenness {entropy(list(kinds.values())):.2f} "
        f"(1: all types equally often), {whole:.0f} % global and {100 - whole:.0f} % local."
    )


def map_chart(made: InstructionMap) -> dict[str, object]:
    """The map for charts.js: one series for each edit type, the most frequent first."""
    if made.plane is None:
        return {}
    kinds = [kind for kind, _ in Counter(one.edit_type for one in made.asked).most_common()]
    points: dict[str, list[list[object]]] = {kind: [] for kind in kinds}
    for one, (x, y) in zip(made.asked, made.plane.points.tolist(), strict=True):
        points[one.edit_type].append([round(x, 4), round(y, 4), one.text, one.decision, one.sample_id])
    series = [
        {
            "name": kind,
            "colour": f"kind-{place % PALETTE + 1}",
            "shape": SHAPES[place // PALETTE % len(SHAPES)],
            "points": points[kind],
        }
        for place, kind in enumerate(kinds)
    ]
    return {"kind": "scatter", "series": series}


def scopes_of(profile: Profile) -> Mapping[str, str]:
    """What a run of this profile can ask for: the scope of each edit type."""
    from agent.makers import follows_words
    from agent.profile import SERVED
    from tools.catalogue import Catalogue
    from tools.edit_types import open_edit_types

    if follows_words(profile.editor) and profile.writer.kind == SERVED:
        return {name: kind.scope for name, kind in open_edit_types().items()}
    return dict(Catalogue.load().scopes)


def _limits(session: CampaignSession) -> str:
    named = {
        "samples": session.max_candidates,
        "GPU hours": session.gpu_hours,
        "hours": session.wall_hours,
    }
    return ", ".join(f"{value:g} {name}" for name, value in named.items() if value is not None) or "none"
