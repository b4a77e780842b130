"""From a folder of videos to the clip table, a few files at a time, as far as clips are needed.

Every file gets a fate. Finding is quick and done when a run opens; looking at a file takes seconds and happens in the
decoder's process. The order of looking and of the clips follows from the seed and the files' names, so two runs of one
seed draw alike.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from agent.command import CommandError
from agent.plain import plain
from agent.profile import Profile
from agent.second_look import SecondLook
from agent.survey import Survey, Window, stamp_of, survey
from ditto_models.executors.base import Executor, WorkerLost
from memory.ledger import Ledger
from memory.sample import Clip
from memory.source_table import ClipUse, Dropped, Fate, Found, NewClip, Source

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".ogv"})
IN_PASSING = frozenset({"phash", "dis"})
"""Kinds that need no network."""
BLOCK = 4
"""Files looked at together; their clips are shuffled among each other."""


class Sources:
    """The files of a run that become clips."""

    def __init__(
        self,
        ledger: Ledger,
        decoder: Executor,
        second: SecondLook,
        profile: Profile,
        seed: int,
        say: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._decoder = decoder
        self._second = second
        self._config = profile.clips
        self._profile_json = profile.model_dump_json()
        self._rules = _rules(profile)
        self._seed = seed
        self._say = say
        self._looks = second.networks.index
        self._told: set[str] = set()

    def find(self, folder: Path, besides: Path) -> None:
        """Take up every video of the folder and of those in it, less what lies in `besides`, the run.

        Raises:
            CommandError: the folder cannot be read.
        """
        closed: list[OSError] = []
        self._ledger.sources.find(self._found(path, folder) for path in _videos(folder, besides, closed))
        self._ledger.sources.find(self._unreadable(error) for error in closed)
        for uri, seen in self._ledger.sources.looks():
            self._looks.add(uri, seen)

    async def take_in(self) -> list[ClipUse] | None:
        """Look at the next files; returns their clips, or None where no file is left.

        Raises:
            LedgerError: their fates cannot be written.
        """
        uris = self._ledger.sources.to_look_at(BLOCK)
        if not uris:
            return None
        surveys = await asyncio.gather(*(self._survey(uri) for uri in uris))
        contents: dict[str, str] = {}
        fates = [self._fate(uri, found, contents) for uri, found in zip(uris, surveys, strict=True)]
        clips = [clip for fate in fates for clip in fate.clips]
        random.Random(f"{self._seed} {Path(uris[0]).name}").shuffle(clips)
        numbers = await asyncio.to_thread(self._ledger.sources.settle, fates, clips)
        for fate in fates:
            self._say(f"{_name(fate.source.uri)}: {_told(fate)}".replace("\n", "\\n"))
        return list(self._ledger.sources.uses(numbers))

    def are_as_looked_at(self, clip: Clip) -> bool:
        """Whether a clip's file is still what was looked at; of each that is not, that is told once.

        A folder that is not mounted for a while must not spoil its clips for good.
        """
        stamp = stamp_of(clip.uri)
        if stamp and self._stamp(stamp) == self._ledger.sources.stamp(clip.uri):
            return True
        if clip.uri not in self._told:
            self._told.add(clip.uri)
            what = "has changed since it was looked at" if stamp else "is gone"
            self._say(f"{_name(clip.uri)}: it {what}; the next session looks again, this one goes on without its clips")
        return False

    def _unreadable(self, error: OSError) -> Found:
        reason = f"unreadable: the folder cannot be opened ({error.strerror})"
        return Found(uri=plain(str(error.filename)), place=0, stamp=str(error.errno), rejected=reason)

    def _found(self, path: Path, folder: Path) -> Found:
        real = os.path.realpath(path)
        uri, rejected = plain(real), ""
        if not self._config.follow_links and not Path(real).is_relative_to(os.path.realpath(folder)):
            uri = plain(os.path.abspath(path))
            rejected = (
                f"link: it leads out of the folder, to {plain(real)}; put the file there, or set clips.follow_links"
            )
        elif uri != real:
            rejected = "unreadable: its name is not text; rename it"
        # By its name within the folder: the same folder elsewhere is taken in the same order.
        name = plain(str(path.relative_to(folder)))
        place = int.from_bytes(hashlib.sha256(f"{self._seed} {name}".encode()).digest()[:7])
        return Found(uri=uri, place=place, stamp=self._stamp(stamp_of(real)), rejected=rejected)

    def _stamp(self, stamp: str) -> str:
        """A file's stamp and the rules it is looked at by: where these change, it is looked at again."""
        return f"{stamp} {self._rules}" if stamp else ""

    async def _survey(self, uri: str) -> Survey:
        try:
            found = (await self._decoder.run(survey, uri, self._profile_json)).value
        except WorkerLost as error:
            return Survey(rejected=f"unreadable: {error}; replace the file", stamp=stamp_of(uri))
        return await self._second.look(found)

    def _fate(self, uri: str, found: Survey, contents: dict[str, str]) -> Fate:
        """What becomes of a file; `contents` are those of the files before it that the ledger does not have yet."""
        clips = [window for window in found.windows if not window.dropped]
        dropped = [_dropped(window) for window in found.windows if window.dropped]
        content = found.windows[0].clip.sha256 if found.windows else ""
        other = contents.setdefault(content, uri) if content else uri
        other = other if other != uri else self._ledger.sources.uri_of_content(content) or uri
        if other != uri and Path(other).is_file():
            reason = f"duplicate: same content as {other}"
            return Fate(source=Source(uri=uri, outcome="rejected", reason=reason), stamp=self._stamp(found.stamp))
        if "near_duplicate" in self._config.checks:
            # A file that was moved here is like its clips of old.
            alike = [self._alike(window, besides=other) for window in clips]
            dropped += [_dropped(window, reason) for window, reason in zip(clips, alike, strict=True) if reason]
            clips = [window for window, reason in zip(clips, alike, strict=True) if not reason]
        for window in clips:
            self._looks.add(uri, window.seen)
        reason = "; ".join(part for part in (found.rejected, found.note, _summary(dropped, bool(clips))) if part)
        return Fate(
            source=Source(uri=uri, outcome="pending" if clips else "rejected", reason=reason),
            stamp=self._stamp(found.stamp),
            clips=tuple(NewClip(clip=window.clip, seen=window.seen) for window in clips),
            dropped=tuple(dropped),
        )

    def _alike(self, window: Window, besides: str) -> str:
        nearest = self._looks.nearest(window.seen, besides)
        if nearest is None or nearest[1] > self._looks.limit:
            return ""
        return f"near-duplicate: {self._looks.told(nearest[1])} from a clip of {nearest[0]}"


def _rules(profile: Profile) -> str:
    """What differs once files are looked at in another way, in 8 hex digits."""
    parts = [profile.clips.model_dump_json()]
    # What networks look at was added later: runs that were begun before need not look again.
    parts += [one.model_dump_json() for one in (profile.fingerprint, profile.motion) if one.kind not in IN_PASSING]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:8]


def _videos(folder: Path, besides: Path, closed: list[OSError]) -> Iterator[Path]:
    """Files with a video's name; folders that cannot be opened are added to `closed`."""

    def note(error: OSError) -> None:
        if error.filename == str(folder):
            raise CommandError(f"--clips {str(folder)!r} cannot be read: {error.strerror}; give a folder of videos")
        closed.append(error)

    besides = besides.resolve()
    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if Path(parent, name).resolve() != besides]
        for name in [*names, *folders]:
            if Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield Path(parent, name)


def _name(uri: str) -> str:
    return plain(Path(uri).name).replace("\n", "\\n")


def _dropped(window: Window, reason: str = "") -> Dropped:
    clip = window.clip
    return Dropped(
        uri=clip.uri,
        start_seconds=clip.start_seconds,
        end_seconds=clip.end_seconds,
        reason=reason or window.dropped,
    )


def _summary(dropped: list[Dropped], any_left: bool) -> str:
    """Why windows were dropped: one case in full; of several kinds, their numbers."""
    kinds = Counter(one.reason.split(":")[0] for one in dropped)
    if any_left and dropped:
        return f"dropped {len(dropped)}: {dropped[0].reason if len(dropped) == 1 else _counted(kinds)}"
    if len(kinds) > 1:
        return f"no window left: {_counted(kinds)}"
    more = f" (and so {len(dropped) - 1} more)" if len(dropped) > 1 else ""
    return "".join(f"{one.reason}{more}" for one in dropped[:1])


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())


def _told(fate: Fate) -> str:
    words = "rejected" if fate.source.outcome == "rejected" else f"{len(fate.clips)} clips"
    return f"{words}, {fate.source.reason}" if fate.source.reason else words
