"""The models of a profile, built as a run builds them, without fetching anything; what hinders that is a finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from agent.choice import config_of
from agent.preflight.findings import Finding, fail, ok, warn
from agent.preflight.machine import INSTALL
from agent.profile import Profile
from ditto_models import assets


def built(profile: Profile) -> tuple[dict[str, object], list[Finding]]:
    """Models by slot, and what was found about the weights that are bundled.

    Raises:
        ProfileError: a kind or a setting is unknown.
    """
    from agent.context import build_models
    from agent.source_models import build_source_models, build_window_networks
    from ditto_models.executors.workers import WorkersConfig

    if profile.networks.kind == "workers":  # not started here, so that what is wrong with them is all told
        config_of("networks", profile.networks, WorkersConfig)
    roots: dict[str, object] = {}
    findings: list[Finding] = []
    missing: set[str] = set()
    with assets.nothing_fetched() as asked:
        for build in (build_models, build_source_models, build_window_networks):
            try:
                models = build(profile)
            except assets.AssetError as error:
                missing.add(asked[-1])
                findings.append(
                    fail("assets", "bundled weights", f"{asked[-1]}: {error}", "", "make setup, then once more")
                )
            except ImportError as error:
                found = f"a package is missing: {error.name or error}"
                findings.append(fail("packages", "models", found, "what the profile's models import", INSTALL))
            else:
                roots |= {field.name: getattr(models, field.name) for field in fields(models)}
    return roots, [*findings, *_bundled(name for name in dict.fromkeys(asked) if name not in missing)]


def _bundled(there: Iterable[str]) -> list[Finding]:
    names, table = list(there), assets.load_table().assets
    licences = ", ".join(sorted({table[name].licence for name in names}))
    return [ok("assets", "bundled weights", f"{', '.join(names)} in the cache ({licences})")] if names else []


def key_frame_finding(profile: Profile) -> Finding | None:
    """A generator that is not shown the key frame, beside a critic that compares with it; None where they agree."""
    unseen = profile.generator.kind == "editto" and profile.generator.settings.get("key_frame") == "never"
    if not unseen or not profile.policy.thresholds.get("key_frame_followed"):
        return None
    return warn(
        "models",
        "generator",
        "is never shown the key frame that its videos are compared with",
        "videos that can follow it",
        "generator.key_frame=given, or policy.thresholds.key_frame_followed=0",
    )
