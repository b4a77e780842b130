"""The evaluation itself: pair by pair edited where that is asked for, judged, held against CLIP, and reported."""

from __future__ import annotations

import argparse
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent.clip_rules import IngestConfig
from agent.command import CommandError
from agent.evaluate.against import differences, read_earlier
from agent.evaluate.clip import with_clip
from agent.evaluate.edits import Edits, Made, NoEdit, OfDataset, OfFolder, Told
from agent.evaluate.figures import Scored
from agent.evaluate.layouts import Layout, found_layout, listed
from agent.evaluate.pairs import EvaluationPair, at_most
from agent.evaluate.report import OWN, About, Evaluation
from agent.judge.dataset import judging, replacing, stopped_by_a_person, take_in
from agent.judge.judged import Judged
from agent.judge.pair_files import PairFiles
from agent.judge.pair_list import ListedPair
from agent.judge.rows_progress import RowsProgress
from agent.judge.tally import Tally
from agent.plain import plain
from agent.profile import SERVED, Profile, ProfileError, load_profile

if TYPE_CHECKING:
    from ditto_models.base import WordPictureEmbedder


def evaluate(options: argparse.Namespace) -> int:
    """The command, after its arguments were parsed; 0, or 1 where a person stopped it.

    Raises:
        CommandError: the data, the model or the profile cannot be used, or a report cannot be written where it should.
        CommandFailed: a bundled weight cannot be had, or no server answers that the profile asks.
        CannotLoad: the editor's or CLIP's weights cannot be had.
    """
    layout: Layout = found_layout(options.data) if options.layout == "auto" else options.layout
    if layout != "ditto" and options.split:
        raise CommandError(f"--split has no meaning for {layout}; leave it out")
    pairs = at_most(listed(options.data, layout, options.split or "test"), options.most)
    try:
        profile = load_profile(options.profile, options.overrides)
        clip = _clip(profile)
    except ProfileError as error:
        raise CommandError(str(error)) from error
    edits, name = _edits(options, layout, profile.clips)
    about = About(
        data=str(options.data),
        layout=layout,
        split=(options.split or "test") if layout == "ditto" else None,
        edits=name,
        judge=(profile.served_model(profile.judge) or SERVED) if profile.judge.kind == SERVED else None,
        clip=clip.name if clip else None,
        profile=options.profile,
        config_hash=profile.hash,
    )
    evaluation = Evaluation(about=about, num_shown=options.shown)
    earlier = read_earlier(options.against, about.judge, about.clip, profile.hash) if options.against else None
    with ExitStack() as stack:
        stop = stack.enter_context(stopped_by_a_person())
        page = stack.enter_context(replacing(options.html, "--html")) if options.html else None
        progress = RowsProgress(len(pairs), stop, with_edits=bool(options.model))
        rows = Rows(pairs, edits, stop, progress)
        judged = stack.enter_context(judging(rows, profile, options.workers, bool(page)))
        take_in(judged, Tally(0), progress, [rows.teller(evaluation, clip, profile.clips)], stop)
        evaluation.stopped = stop.is_set() and len(evaluation.scored) < len(pairs)
        if earlier:
            evaluation.against = differences(evaluation.scored, earlier)
        _tell(evaluation, options.json)  # first: the disk may be too full for the page, and hours of work lie behind
        if page:
            from agent.reports.evaluation_page import evaluation_page

            page.write(evaluation_page(evaluation, len(pairs)))
    return int(evaluation.stopped)


def _tell(evaluation: Evaluation, as_json: bool) -> None:
    if as_json:
        print(json.dumps(evaluation.as_json(), indent=1))
        return
    from rich.console import Console

    from agent.evaluate.text import print_evaluation

    print_evaluation(Console(), evaluation)


class Rows:
    """Pairs as the judge takes them, in their order; what is judged of them comes back in the same.

    The judge takes some ahead; none is edited for it any more once `stop` is set.
    """

    def __init__(
        self, pairs: Sequence[EvaluationPair], edits: Edits, stop: threading.Event, progress: RowsProgress
    ) -> None:
        self._pairs = pairs
        self._edits = edits
        self._stop = stop
        self._progress = progress
        self._given: deque[tuple[EvaluationPair, Path | None]] = deque()

    def __iter__(self) -> Iterator[ListedPair]:
        for number, pair in enumerate(self._pairs, 1):
            if self._stop.is_set():
                return
            row, edited = self._row(pair, partial(self._progress.editing, number))
            self._progress.edited()
            self._given.append((pair, edited))
            yield row

    def _row(self, pair: EvaluationPair, told: Told) -> tuple[ListedPair, Path | None]:
        words = plain(pair.instruction)
        if pair.problem:
            return ListedPair(id=pair.id, instruction=words, problem=pair.problem), None
        try:
            files = self._edits.of(pair, told)
        except NoEdit as error:
            row = ListedPair(id=pair.id, source=plain(str(pair.source)), instruction=words, problem=str(error))
            return row, None
        row = ListedPair(
            id=pair.id,
            source=plain(str(files.source)),
            edited=plain(str(files.edited)),
            instruction=words,
            # Without the key frame: an editor by instruction does not know it, and must not be held to it.
            files=PairFiles(source=files.source, edited=files.edited, instruction=pair.instruction),
        )
        return row, files.edited

    def teller(
        self, evaluation: Evaluation, clip: WordPictureEmbedder | None, size: IngestConfig
    ) -> Callable[[Judged], None]:
        """What adds each judged row to the evaluation, with what CLIP says of it."""

        def tell(judged: Judged) -> None:
            pair, edited = self._given.popleft()
            other = pair.edited is not None and pair.edited != edited
            reference = str(pair.edited) if other else ""
            scored = Scored(judged=judged, edit_type=pair.edit_type, group=pair.group or pair.id, reference=reference)
            if clip and edited and judged.decision != "unreadable":
                scored = with_clip(scored, pair, edited, clip, size)
            evaluation.add(scored)

        return tell


def _clip(profile: Profile) -> WordPictureEmbedder | None:
    from agent.context import build_clip

    return build_clip(profile.clip_scores)


def _edits(options: argparse.Namespace, layout: Layout, size: IngestConfig) -> tuple[Edits, str]:
    """Where the edits come from, and its name in the report."""
    if options.model:
        from agent.evaluate.editto import editto

        made_by = editto(str(options.model), options.base, options.settings)
        out = options.out or (options.model if options.model.is_dir() else options.model.parent) / "evaluation"
        # Our own clips are as the editor is trained on; a benchmark's may be of any size and length.
        return Made(made_by.edit, made_by.key, out, None if layout == "ditto" else size), made_by.name
    given = [f"--{name}" for name in ("out", "base") if getattr(options, name)] + ["--set"] * bool(options.settings)
    if given:
        raise CommandError(f"{', '.join(given)} has no meaning without --model; leave it out")
    if options.edits:
        return OfFolder(options.edits), str(options.edits)
    if layout != "ditto":
        raise CommandError(f"{layout} has no edits of its own; give --model CKPT, or --edits DIR with edits of it")
    return OfDataset(), OWN
