"""train_editto: begins to train the editor on the accepted pairs. For a campaign, not a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from langchain_core.tools import BaseTool, tool
from pydantic import Field

from tools.result import ToolError, ToolResult

ANY_SCORE = "none"
"""The axis that asks for no score."""
Scope = Literal["both", "global", "local"]


@dataclass(frozen=True, kw_only=True)
class PairFilter:
    """Which of the accepted pairs are trained on."""

    scope: Scope = "both"
    axis: str = ANY_SCORE
    least_score: float = 0.0
    """On the axis, 0..1."""

    def overrides(self) -> list[str]:
        """The same as `key.path=value` of a recipe."""
        scope = [] if self.scope == "both" else [f"data.scope={self.scope}"]
        asks = self.axis != ANY_SCORE and self.least_score
        return scope + ([f"data.min_scores.{self.axis}={self.least_score:g}"] if asks else [])


def train_editto(
    count: Callable[[PairFilter], int], least_pairs: int, order: Callable[[str, PairFilter], str]
) -> BaseTool:
    """The tool; `count` says how many pairs a filter leaves to train on, `order` takes a recipe, begins the job and
    returns its id."""

    @tool(parse_docstring=True)
    async def train_editto(
        recipe: Annotated[str, Field(max_length=200)],
        scope: Scope = "both",
        axis: Annotated[str, Field(max_length=40)] = ANY_SCORE,
        least_score: Annotated[float, Field(ge=0, le=0.95)] = 0.0,
    ) -> ToolResult:
        """Train the editor on the pairs accepted so far, as a job of its own; the campaign goes on afterwards.

        Args:
            recipe: how to train, one of those offered
            scope: which pairs to train on by what they edit, the whole picture or a part of it
            axis: the critic's axis on which pairs must have least_score; none asks for no score
            least_score: the score that pairs must have at least on the axis
        """
        wanted = PairFilter(scope=scope, axis=axis, least_score=least_score)
        left = count(wanted)
        if left < least_pairs:
            raise ToolError(
                f"that leaves {left} pairs to train on, expected {least_pairs} or more; ask for a lower score or for "
                "both scopes, or decline"
            )
        job = order(recipe, wanted)
        return ToolResult(changes={"job": job}, note=f"{job}: recipe {recipe!r} on {left} pairs")

    return train_editto
