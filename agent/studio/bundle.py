"""A static copy of the studio: pages and what they show, for any file server, and for a folder opened by hand.

Its pages are the studio's own, asked for one by one; only what they refer to is copied, and what orders is not there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path, PurePosixPath

from agent.command import CommandError
from agent.provenance import code_version
from agent.studio.app import STATIC, Studio, create_app
from agent.studio.asked import ask
from agent.studio.bundle_pages import BundlePages
from agent.studio.bundle_places import ELSEWHERE, LIST, START, Places, place_of
from agent.studio.guard import Guard
from agent.studio.pages import SECTIONS
from agent.studio.runs import StudioRun, open_runs
from agent.studio.said_paths import SaidPaths
from memory.copy_to_show import copy_to_show
from memory.group_commit import now
from memory.ledger import Ledger

MARK = "ditto-bundle.json"
"""A file that only such a copy has, so that only such a copy is replaced."""


def bundle(options: argparse.Namespace) -> int:
    """Write the copy; returns the command's exit code.

    Raises:
        CommandError: a folder is no run, or the place is taken by something else.
        LedgerError: a ledger is damaged.
        OSError: the disk is full.
    """
    target: Path = options.bundle
    check_place(target)
    opened = open_runs([options.run, *options.others], read_only=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as made, ExitStack() as stack:
        copied, scratch = Path(made) / "copy", Path(made) / "scratch"
        scratch.mkdir()
        left_out = 0
        runs: dict[str, StudioRun] = {}
        for key, run in opened.items():
            run.ledger.close()
            shown = scratch / key / "ledger.sqlite"
            shown.parent.mkdir()
            left_out += copy_to_show(run.folder / "ledger.sqlite", shown)
            runs[key] = replace(run, ledger=stack.enter_context(closing(Ledger(shown))))
        pages = BundlePages(runs, Places(runs=runs))
        studio = Studio(runs=runs, pages=pages, scratch=scratch, read_only=True)
        count = asyncio.run(_Copy(create_app(studio), studio, pages, copied).write())
        copied.chmod(0o755)
        _put(copied, target, Path(made) / "before")
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{count} pages, {size / 1e6:.1f} MB in {target}: open {target / 'index.html'}, or serve the folder")
    if left_out:
        print(f"left out: {left_out} conversations that nobody gave to the dataset")
    return 0


def check_place(target: Path) -> None:
    """Refuse to write over what is no earlier copy.

    Raises:
        CommandError: it is a file, or a folder with something else in it.
    """
    if target.exists() and not (target.is_dir() and ((target / MARK).is_file() or not any(target.iterdir()))):
        raise CommandError(f"--bundle {str(target)!r} holds something else; give a new or an empty folder")


def _put(copied: Path, target: Path, before: Path) -> None:
    """Put the copy in its place in one step, and an earlier one out of it."""
    if target.exists():
        target.rename(before)
    copied.rename(target)


class _Copy:
    """A copy that is being written into a folder."""

    def __init__(self, app: Guard, studio: Studio, pages: BundlePages, folder: Path) -> None:
        self._app = app
        self._studio = studio
        self._pages = pages
        self._places = pages.places
        self._folder = folder
        self._said_paths = SaidPaths(studio.runs)

    async def write(self) -> int:
        """Everything; returns how many pages there are."""
        from rich.console import Console
        from rich.progress import Progress

        shutil.copytree(STATIC, self._folder / "static")
        self._find_sections()
        for run in self._studio.runs.values():
            self._begin(run)
        done: set[PurePosixPath] = set()
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("copying", total=None)
            while waiting := [place for place in self._places.wanted if place not in done]:
                for place in waiting:
                    await self._copy(place, self._places.wanted[place])
                    done.add(place)
                    progress.update(task, completed=len(done), total=len(self._places.wanted))
        self._end()
        return sum(place.suffix == ".html" for place in done)

    def _find_sections(self) -> None:
        """Of the pages that every run has, those with something on them."""
        runs = self._studio.runs.values()
        talks = any(row.sample.conversation for run in runs for row in run.ledger.rows())
        there = {"campaign": True, "samples": True, "talks": talks, "compare": len(runs) > 1}
        self._pages.sections |= {section for section in SECTIONS if there[section]}

    def _begin(self, run: StudioRun) -> None:
        """What is wanted even if no page led to it, and what the list is searched in."""
        for section in sorted(self._pages.sections):
            self._places.link(f"/runs/{run.key}/{section}")
        listed = []
        for row in run.ledger.rows():
            address = f"/runs/{run.key}/samples/{row.sample.id}"
            self._places.link(address)
            listed.append(
                {
                    "id": row.sample.id,
                    "page": str(place_of(address).relative_to(f"runs/{run.key}")),
                    "decision": row.sample.decision or "pending",
                    "reason": list(row.sample.reasons),
                    "edit_type": row.sample.instruction.edit_type if row.sample.instruction else "",
                    "text": row.sample.instruction.text if row.sample.instruction else row.sample.wish,
                }
            )
        self._write(PurePosixPath("runs", run.key, LIST), f"window.listed = {json.dumps(listed)};\n".encode())

    def _end(self) -> None:
        made = {"made_by": f"Ditto {code_version()}", "made_at": now()}
        self._page(START, "bundle_index.html.j2", run=None, **made)
        self._page(ELSEWHERE, "bundle_elsewhere.html.j2", run=None)
        self._write(PurePosixPath(MARK), f"{json.dumps(made | {'runs': list(self._studio.runs)}, indent=1)}\n".encode())

    def _page(self, place: PurePosixPath, template: str, **shown: object) -> None:
        self._places.here = place
        self._write(place, self._pages.text(template, **shown).encode())

    async def _copy(self, place: PurePosixPath, address: str) -> None:
        self._places.here = place
        answer = await ask(self._app, address)
        if place.suffix == ".html":
            if answer.status != 200:
                print(f"warning: {address} is not as it should be ({answer.status})", file=sys.stderr)
            self._write(place, self._said_paths.shortened(answer.body.decode()).encode())
        elif answer.status == 200:
            words = place.suffix == ".json"
            self._write(place, self._said_paths.shortened(answer.body.decode()).encode() if words else answer.body)

    def _write(self, place: PurePosixPath, data: bytes) -> None:
        path = self._folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
