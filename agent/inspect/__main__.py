"""Why a sample was kept or dropped: the list of a run's samples, and the timeline of one.

python -m agent.inspect RUN [SAMPLE] [--decision D] [--reason R] [--sheet PNG] [--json]
python -m agent.inspect RUN SAMPLE [--calls | --request SEQ.N]
python -m agent.inspect RUN SAMPLE --override accept|reject --note T
python -m agent.inspect RUN [--job ID | --train start|stop]
python -m agent.inspect RUN --compare OTHER [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.command import CommandError, command
from agent.disk import disk_use
from agent.inspect.as_json import dropped_json, list_json, record, sample_json, sources_json
from agent.inspect.calls import print_calls, request_of
from agent.inspect.compare import print_comparison
from agent.inspect.jobs import job_json, order_training, print_job, print_jobs
from agent.inspect.sessions import print_sessions, sessions_json
from agent.plain import plain
from agent.source_report import NO_VIDEO, dropped_counts, file_counts, source_lines, told
from agent.state import fold
from agent.verdict_table import print_verdict
from memory.ledger import Ledger, Row
from memory.sample import Decision, Event, Sample

if TYPE_CHECKING:
    from tools.media import Media


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the list or one sample; 0, or 2 where there is no such run or sample."""
    parser = argparse.ArgumentParser(
        prog="python -m agent.inspect", description="See why samples were kept or dropped."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument("sample", nargs="?", metavar="SAMPLE", help="one sample: its timeline, scores and verdict")
    parser.add_argument(
        "--decision",
        choices=(*get_args(Decision), "pending"),
        help="only samples with this decision; pending are those under way",
    )
    parser.add_argument("--reason", help="only samples with this reason, e.g. temporal_steadiness")
    parser.add_argument(
        "--sources", action="store_true", help="list the source files and the windows that were dropped, each with why"
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="write the contact sheet of what is shown to this file"
    )
    parser.add_argument("--calls", action="store_true", help="with SAMPLE: what was said to served models")
    parser.add_argument(
        "--request", metavar="SEQ.N", help="with SAMPLE: print the exact request of call N of event SEQ, as it was sent"
    )
    parser.add_argument("--override", choices=("accept", "reject"), help="with SAMPLE: move it into the dataset or out")
    parser.add_argument("--note", metavar="T", help="with --override: why")
    parser.add_argument("--job", metavar="ID", help="one training: its progress, its evaluation, and why it was begun")
    parser.add_argument(
        "--train", choices=("start", "stop"), help="order a training now, or give up for good the one under way"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="OTHER", help="hold this run's samples against those of another run"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    options = parser.parse_args(arguments)
    return command(lambda: inspect(options))


def inspect(options: argparse.Namespace) -> int:
    """The command, after its arguments were parsed."""
    path = options.run / "ledger.sqlite"
    if not path.is_file() and not (options.run / "backup").is_dir():
        raise CommandError(f"{str(options.run)!r} is not a run: it has no ledger.sqlite; give the --out of agent.run")
    if options.override and not (options.sample and options.note):
        raise CommandError("--override needs a SAMPLE and a --note that says why")
    if (options.calls or options.request) and not options.sample:
        raise CommandError("--calls and --request need a SAMPLE")
    if options.override:
        from agent.override import override_sample

        print(override_sample(options.run, options.sample, options.override, options.note))
        return 0
    if options.train:
        print(order_training(options.run, options.train))
        return 0
    ledger = Ledger(path)
    try:
        if options.compare:
            print_comparison(ledger, options.run, options.compare, options.json)
            return 0
        if options.sources:
            return _sources(ledger, options)
        if options.job and options.json:
            print(json.dumps(job_json(ledger, options.job, options.run), indent=1))
            return 0
        if options.job:
            print_job(ledger, options.job, options.run, Console())
            return 0
        if options.sample is None:
            return _list(ledger, options)
        return _one(ledger, options)
    finally:
        ledger.close()


def _list(ledger: Ledger, options: argparse.Namespace) -> int:
    rows = [row for row in ledger.rows() if _matches(row.sample, options.decision, options.reason)]
    if options.sheet:
        from tools.sample_sheet import pairs_sheet

        shown = [row.sample for row in rows if row.sample.artifacts == "kept" and row.sample.edit]
        if not shown:
            raise CommandError("--sheet has nothing to show: no sample of these has an edited video that was kept")
        options.sheet.write_bytes(pairs_sheet(shown, _media(options.run)))
    if options.json:
        more = sessions_json(ledger, options.run) | {"disk": disk_use(options.run).as_json()}
        print(json.dumps(list_json(ledger, rows) | more, indent=1))
    else:
        _print_list(ledger, rows)
        print_jobs(ledger, options.run, Console())
        print_sessions(ledger, options.run, Console())
        print(f"disk: {disk_use(options.run)}")
    return 0


def _sources(ledger: Ledger, options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps({"sources": sources_json(ledger), "dropped": dropped_json(ledger)}, indent=1))
        return 0
    console = Console()
    for line in source_lines(ledger):
        console.print(Text(plain(line).replace("\n", "\\n")), soft_wrap=True)
    console.print(f"files: {told(file_counts(ledger), NO_VIDEO)}", highlight=False)
    console.print(f"windows dropped: {told(dropped_counts(ledger), 'none')}", highlight=False)
    return 0


def _one(ledger: Ledger, options: argparse.Namespace) -> int:
    row = ledger.row(options.sample)
    if row is None:
        raise CommandError(
            f"no sample {options.sample!r} in {str(options.run)!r}; agent.inspect {options.run} lists them"
        )
    events = ledger.events(row.sample.id)
    new = Sample(id=row.sample.id, seed=row.sample.seed, conversation=row.sample.conversation)
    sample = fold(new, events)
    if options.request:
        sys.stdout.buffer.write(request_of(events, options.request, options.run))
        return 0
    if options.calls:
        print_calls(Console(), events)
        return 0
    if options.sheet:
        options.sheet.write_bytes(_sheet(sample, options.run))
    if options.json:
        print(json.dumps(sample_json(sample, events), indent=1))
    else:
        _print_sample(sample, events)
    return 0


def _matches(sample: Sample, decision: str | None, reason: str | None) -> bool:
    return (decision is None or (sample.decision or "pending") == decision) and (
        reason is None or reason in sample.reasons
    )


def _print_list(ledger: Ledger, rows: Sequence[Row]) -> None:
    console = Console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("sample", "decision", "edit", "steps", "seconds", "instruction, or why dropped"):
        table.add_column(column, overflow="fold")
    for row in rows:
        found = record(row.sample)
        why = f"  [{', '.join(row.sample.reasons)}]" if row.sample.reasons else ""
        table.add_row(
            row.sample.id,
            _standing(row.sample),
            str(found["edit_type"] or "-"),
            str(found["attempts"]),
            f"{row.sample.model_seconds:.1f}",
            Text(f"{found['instruction'] or '-'}{why}"),
        )
    console.print(table)
    console.print(", ".join(f"{count} {decision}" for decision, count in ledger.counts().items()) or "no samples yet")
    console.print(f"sources: {told(file_counts(ledger), NO_VIDEO)}; --sources lists them", style="dim", highlight=False)


def _standing(sample: Sample) -> str:
    """The decision; of a conversation without one, whose turn it is."""
    if sample.conversation and not sample.decision:
        return "waits for a person" if sample.stage == "awaiting_person" else "in conversation"
    return sample.decision or "pending"


def _print_sample(sample: Sample, events: Sequence[Event]) -> None:
    console = Console()
    text = sample.instruction.text if sample.instruction else "no instruction"
    console.print(Text(f"{sample.id}  {_standing(sample)}  {text}", style="bold"))
    if sample.clip:
        where = f"{sample.clip.uri} from {sample.clip.start_seconds:.2f} s to {sample.clip.end_seconds:.2f} s"
        console.print(Text(plain(where), style="dim"), soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("seq", "stage", "call", "by", "seconds", "what came of it"):
        table.add_column(column, overflow="fold")
    for event in events:
        arguments = ", ".join(f"{name}={value}" for name, value in event.arguments.items() if value != "")
        by = f"{event.by} (default)" if event.planner_fallback else event.by
        came = event.error or event.note
        asked = f" after {len(event.refusals)} refused answers" if event.refusals else ""
        table.add_row(
            str(event.seq),
            event.stage,
            Text(f"{event.tool}({arguments})"),
            by,
            f"{event.seconds:.2f}",
            Text(came + asked),
        )
    console.print(table)
    for name, verdict in (("key frame", sample.key_frame_verdict), ("video", sample.verdict)):
        if verdict:
            console.print()
            print_verdict(console, name, verdict)


def _sheet(sample: Sample, run: Path) -> bytes:
    """The contact sheet of a sample: the stored one where its other artifacts were given up."""
    from tools.sample_sheet import sample_sheet

    media = _media(run)
    if sample.artifacts == "kept":
        return sample_sheet(sample, media)
    if not sample.sheet:
        raise CommandError(
            f"sample {sample.id!r} has no pictures left: its artifacts were dropped as retention.rejected asks"
        )
    return media.artifacts.path(sample.sheet).read_bytes()


def _media(run: Path) -> Media:
    from memory.artifacts import ArtifactStore
    from tools.media import Media

    return Media(ArtifactStore(run / "artifacts"))


if __name__ == "__main__":
    sys.exit(main())
