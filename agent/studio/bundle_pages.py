"""The studio's pages with addresses that hold in a static copy: relative ones, and nothing that orders."""

from __future__ import annotations

from collections.abc import Mapping

from agent.studio.bundle_places import Places
from agent.studio.pages import Pages
from agent.studio.runs import StudioRun


class BundlePages(Pages):
    """Renders the templates of the studio for a copy; `places` learns what they refer to."""

    bundled = True

    def __init__(self, runs: Mapping[str, StudioRun], places: Places) -> None:
        super().__init__(runs, read_only=True)
        self.places = places
        self.sections: set[str] = set()
        """Pages of a run that are copied, by the last word of their address."""
        self._environment.globals |= {
            "csrf": "",
            "href": places.link,
            "asset": places.asset,
            "sections": self.sections,
            "media": lambda run, reference: places.link(f"/runs/{run.key}/media/{reference}"),
        }
