"""Before a run: whether this machine has what a profile needs, and what to change where it has not.

python -m agent.preflight [--profile P] [--json] [key.path=value ...]

Nothing large is fetched and no network is loaded. The hub is asked for at most 20 seconds in all, a server for 5, and
nothing is asked of the hub where HF_HUB_OFFLINE is set. Exit code: 0 nothing failed, 1 something did, 2 bad arguments.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.command import CommandError, command

if TYPE_CHECKING:
    from agent.preflight.findings import Finding
    from agent.profile import Profile


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m agent.preflight",
        description="Say whether this machine has what a profile needs, and what to change where it has not.",
        epilog="exit code: 0 nothing failed, 1 something did, 2 bad arguments. Memory needs are estimates. The hub is "
        "asked for at most 20 seconds, a server for 5; HF_HUB_OFFLINE=1 keeps the hub from being asked.",
    )
    made.add_argument(
        "--profile", default="embedded", metavar="P", help="a name or a .yaml file (default: %(default)s)"
    )
    made.add_argument("--json", action="store_true", help="for scripts")
    made.add_argument("overrides", nargs="*", metavar="key.path=value", help="settings of the profile, changed")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_intermixed_args(arguments)
    return command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    from agent.preflight.findings import as_json, counts
    from agent.profile import ProfileError, load_profile
    from ditto_models.gpu.hub import is_offline

    try:
        profile = load_profile(options.profile, options.overrides)
        findings = look(profile)
    except ProfileError as error:
        raise CommandError(str(error)) from error
    if options.json:
        print(json.dumps(as_json(options.profile, profile.hash, is_offline(), findings), indent=2))
    else:
        from rich.console import Console

        from agent.preflight.table import print_findings

        print_findings(Console(), f"profile {options.profile}, config {profile.hash}", findings)
    return 1 if counts(findings)["fail"] else 0


def look(profile: Profile) -> list[Finding]:
    """Everything that was found.

    Raises:
        ProfileError: a kind, a setting or a recipe is unknown.
    """
    from agent.context import build_clip
    from agent.preflight.clips import clip_findings, decoder_finding, room_finding
    from agent.preflight.machine import chosen, machine_findings, num_workers
    from agent.preflight.memory import memory_findings
    from agent.preflight.models import built, key_frame_finding
    from agent.preflight.networks import units_of
    from agent.preflight.servers import client_finding, server_findings
    from agent.preflight.weights import states_of, weights_findings
    from agent.training.wiring import check_training
    from ditto_models.gpu.machine import available_ram_bytes, gpus, torch_build

    check_training(profile)
    if no_client := client_finding(profile):
        return [no_client, room_finding(profile.clips, profile.disk, Path("runs"))]
    roots, findings = built(profile)
    units = units_of(roots)
    evaluating = units_of({"clip_scores": build_clip(profile.clip_scores)})  # of agent.evaluate: no run loads it
    states = states_of([*units, *evaluating])
    there = gpus()
    findings += weights_findings(profile, [*units, *evaluating], states)
    findings += clip_findings(units, profile.clips)
    findings += [one for one in (decoder_finding(profile.decoder), key_frame_finding(profile)) if one]
    findings += server_findings(profile)
    findings += machine_findings(units, there, torch_build(), profile.networks)
    on, workers = chosen(profile.networks, there), num_workers(profile.networks, there)
    findings += memory_findings(units, states, profile.clips, on, available_ram_bytes(), workers)
    return _grouped([*findings, room_finding(profile.clips, profile.disk, Path("runs"))])


def _grouped(findings: Sequence[Finding]) -> list[Finding]:
    """By what they are of, in the order in which that is first spoken of."""
    order = {of: number for number, of in enumerate(dict.fromkeys(finding.of for finding in findings))}
    return sorted(findings, key=lambda finding: order[finding.of])


if __name__ == "__main__":
    sys.exit(main())
