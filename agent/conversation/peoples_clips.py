"""Clips that people bring to conversations: one of the run's, or a file of theirs, which no campaign ever draws.

A file of theirs is theirs to judge: what a campaign would drop it for (little motion, text, black frames) is only told.
What cannot be worked on, and what is unsafe, is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent.clip_rules import Check, IngestConfig
from agent.conversation.given import check_given
from agent.conversation.moves import MoveError
from agent.conversation.uploads import FOLDER, upload_path
from agent.profile import Profile
from agent.sources import IN_PASSING
from agent.survey import Survey, Window, survey
from ditto_models.executors.base import Executor, WorkerLost
from memory.ledger import Ledger
from memory.sample import Clip
from memory.talk import Given
from tools.result import PoisonInput
from tools.sample_clip import GivenClip

NO_CUT = 1000.0
"""More than any change between frames: a window that was cut already is looked at whole."""


class PeoplesClips:
    """Finds them; files are opened in the decoder's process alone."""

    def __init__(
        self, run: Path, ledger: Ledger, decoder: Executor, profile: Profile, is_as_looked_at: Callable[[Clip], bool]
    ) -> None:
        self._run = run
        self._ledger = ledger
        self._decoder = decoder
        self._profile = profile
        self._is_as_looked_at = is_as_looked_at

    async def find(self, given: Given) -> GivenClip:
        """The run's clip, or the window of the person's file that holds the moment they chose.

        Raises:
            PoisonInput: there is none, or its file has changed; the message says it to the person.
        """
        try:
            check_given(self._run, self._ledger, given)
        except MoveError as error:
            raise PoisonInput(str(error), {"reasons": ["gone"]}) from error
        if given.clip_number is not None:
            clip = self._ledger.sources.clip(given.clip_number)
            if not self._is_as_looked_at(clip):
                said = f"the file of clip {given.clip_number} is gone or has changed since it was looked at"
                raise PoisonInput(f"{said}; choose another clip, or upload it", {"reasons": ["changed"]})
            return GivenClip(clip=clip, file=clip.uri)
        return await self._of_upload(given)

    async def look(self, given: Given, window: str) -> str:
        """What a campaign would have dropped a person's window for; nothing of a clip that was looked at already.

        Raises:
            PoisonInput: it is unsafe, or does not look like a clip at all.
        """
        checks = self._profile.clips.checks
        if not given.upload or not checks:
            return ""
        if "unsafe" in checks:
            found = await self._survey(window, self._looking_for("unsafe"))
            if problem := _problem(found):
                raise PoisonInput(f"this clip is turned down: {problem}", {"reasons": [_kind(problem)]})
        later = {"unsafe", "near_duplicate", *(() if self._profile.motion.kind in IN_PASSING else ("low_motion",))}
        rest = [check for check in checks if check not in later]
        problem = _problem(await self._survey(window, self._looking_for(*rest)))
        return f"a campaign would not take this clip ({problem}), but it is yours" if problem else ""

    async def _of_upload(self, given: Given) -> GivenClip:
        path = upload_path(self._run, given.upload)
        found = await self._survey(str(path), self._profile.clips.model_copy(update={"checks": ()}))
        whole = [window for window in found.windows if not window.dropped]
        if not whole:
            problem = _problem(found)
            raise PoisonInput(f"this file cannot be used: {problem}", {"reasons": [_kind(problem)]})
        nearest = min(whole, key=lambda window: _seconds_away(window, given.start_seconds))
        clip = nearest.clip.model_copy(update={"uri": f"{FOLDER}/{given.upload}"})
        note = "" if not _seconds_away(nearest, given.start_seconds) else _moved(clip, given.start_seconds)
        return GivenClip(clip=clip, file=str(path), note=note)

    def _looking_for(self, *checks: Check) -> IngestConfig:
        """The rules for a window that was cut and made small already."""
        return self._profile.clips.model_copy(
            update={"checks": checks, "min_height": 1, "shot_threshold": NO_CUT, "max_per_source": 1}
        )

    async def _survey(self, path: str, clips: IngestConfig) -> Survey:
        profile = self._profile.model_copy(update={"clips": clips})
        try:
            found = (await self._decoder.run(survey, path, profile.model_dump_json())).value
        except WorkerLost as error:
            found = Survey(rejected=f"unreadable: {error}")
        # Where the run lies is nobody's business who only sees its pages.
        return replace(found, rejected=found.rejected.replace(repr(path), "it").replace(path, "it"))


def _problem(found: Survey) -> str:
    return found.rejected or next((window.dropped for window in found.windows if window.dropped), "")


def _kind(problem: str) -> str:
    return problem.split(":")[0].replace(" ", "_")


def _seconds_away(window: Window, seconds: float) -> float:
    return max(window.clip.start_seconds - seconds, seconds - window.clip.end_seconds, 0.0)


def _moved(clip: Clip, seconds: float) -> str:
    return (
        f"no whole clip holds {seconds:.2f} s, so the nearest was taken, "
        f"{clip.start_seconds:.2f} s to {clip.end_seconds:.2f} s"
    )
