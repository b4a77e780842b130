"""What a check before a run found: one line each, with what was found, what is needed and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line."""

    status: Status
    check: str
    """For scripts: weights, revision, licence, format, download, memory, ..."""
    of: str
    """The slot of the profile, or the part of the machine."""
    found: str
    needed: str = ""
    change: str = ""
    """What to do about it; empty where nothing is to be done."""


def ok(check: str, of: str, found: str, needed: str = "") -> Finding:
    """Nothing to do."""
    return Finding(status="ok", check=check, of=of, found=found, needed=needed)


def warn(check: str, of: str, found: str, needed: str = "", change: str = "") -> Finding:
    """The run would work, and may not be what is wanted."""
    return Finding(status="warn", check=check, of=of, found=found, needed=needed, change=change)


def fail(check: str, of: str, found: str, needed: str = "", change: str = "") -> Finding:
    """The run would not work, or must not be made so."""
    return Finding(status="fail", check=check, of=of, found=found, needed=needed, change=change)


def counts(findings: Sequence[Finding]) -> dict[Status, int]:
    """How many of each status."""
    statuses: tuple[Status, ...] = ("ok", "warn", "fail")
    return {status: sum(finding.status == status for finding in findings) for status in statuses}


def as_json(profile: str, config_hash: str, offline: bool, findings: Sequence[Finding]) -> dict[str, object]:
    """The command's --json; keys are added, never renamed."""
    tally = counts(findings)
    return {
        "profile": profile,
        "config_hash": config_hash,
        "offline": offline,
        "ok": not tally["fail"],
        "counts": tally,
        "findings": [asdict(finding) for finding in findings],
    }
