"""What a conversation in the terminal begins with: a run, made if there is none, and a clip."""

from __future__ import annotations

import argparse
from pathlib import Path

from agent.command import CommandError, CommandFailed
from agent.conversation.uploads import UploadConfig, UploadRefused, take_upload
from agent.profile import ProfileError, load_profile
from agent.run_config import RunConfig, clips_folder, make_run_folder, saved_config, settle_config
from ditto_models import assets
from memory.owner import Owner, RunIsOwned
from memory.talk import Given


def open_run(options: argparse.Namespace) -> None:
    """Make the run where there is none; hold what was said of it against the one that is there.

    Raises:
        CommandError: the arguments or the profile do not fit, or the run was begun with others.
        CommandFailed: the sample clips, a server or a network cannot be had.
    """
    run: Path = options.out
    is_new = not (run / "config.yaml").is_file()
    said = [options.profile, options.clips, options.seed]
    if not is_new and not options.overrides and all(one is None for one in said):
        saved_config(run)
        return
    try:
        config = _config(options, None if is_new else saved_config(run))
        if not is_new:
            settle_config(run, config, accept_changes=False)
            return
        _check(config)
        make_run_folder(run)
        with Owner(run):
            settle_config(run, config, accept_changes=False)
    except ProfileError as error:
        raise CommandError(str(error)) from error
    except (assets.AssetError, RunIsOwned) as error:
        raise CommandFailed(str(error)) from error


def _config(options: argparse.Namespace, saved: RunConfig | None) -> RunConfig:
    name = options.profile or (saved.profile_name if saved else "embedded")
    seed = options.seed if options.seed is not None else saved.seed if saved else 0
    clips = str(clips_folder(options.clips, options.out).resolve()) if options.clips or not saved else saved.clips
    keeps = saved and not options.profile and not options.overrides
    profile = saved.profile if saved and keeps else load_profile(name, options.overrides)
    return RunConfig(profile_name=name, seed=seed, clips=clips, profile=profile)


def _check(config: RunConfig) -> None:
    """A profile that cannot be built must leave no run behind that the mended command would be held against."""
    from agent.context import build_models
    from agent.job import check_servers

    check_servers(build_models(config.profile))


def given_clip(options: argparse.Namespace) -> Given | None:
    """The clip that was named: a number, or a video, which is taken into the run; None where none was.

    Raises:
        CommandError: it is neither, or is not taken.
    """
    named: str | None = options.clip
    if not named:
        return None
    if named.isdecimal() and not Path(named).exists():
        return Given(clip_number=int(named))
    try:
        least = UploadConfig(min_frames=saved_config(options.out).profile.clips.frames)
        taken = take_upload(options.out, Path(named), least)
    except UploadRefused as error:
        raise CommandError(f"{named!r}: {error}") from error
    if options.at > taken.seconds:
        raise CommandError(
            f"--at {options.at:g} is after the end of {named!r}, of which {taken.seconds:.1f} s are kept"
        )
    return Given(upload=taken.name, start_seconds=options.at)
