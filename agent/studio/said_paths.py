"""Where something lay on this machine is nobody's business who reads a copy: of a path only its last name is shown."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path

from agent.studio.runs import StudioRun

_PATH = re.compile(r"(?<![\w./:<&-])/(?:[\w.@+~-]+/)+(?=[\w.@+~-])")
"""The folders of an absolute path as text: after a space, a quote or a tag, and not part of a web address."""


class SaidPaths:
    """Knows the folders that these runs speak of, also those with spaces in their names."""

    def __init__(self, runs: Mapping[str, StudioRun]) -> None:
        known = {Path.home(), Path.cwd()}
        for run in runs.values():
            known |= {run.folder, run.folder.resolve(), Path(run.config.clips), Path(run.config.clips).resolve()}
            known |= {Path(row.sample.clip.uri).parent for row in run.ledger.rows() if row.sample.clip}
        names = sorted({str(path) for path in known if len(path.parts) > 1}, key=len, reverse=True)
        forms = [form for name in names for form in dict.fromkeys((name, html.escape(name), _jsoned(name)))]
        self._known = re.compile("|".join(f"{re.escape(form)}/" for form in forms))

    def shortened(self, page: str) -> str:
        """The page with the folders of every path left out."""
        return _PATH.sub("", self._known.sub("", page))


def _jsoned(name: str) -> str:
    return html.escape(name.replace("\\", "\\\\"))
