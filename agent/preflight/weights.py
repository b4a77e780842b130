"""Of every network's weights: whether they are there or reachable, pinned, licensed for the purpose, and how large."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.filesize import decimal

from agent.disk import free_bytes
from agent.preflight.findings import Finding, fail, ok, warn
from agent.preflight.networks import Unit, pinning
from agent.profile import Profile
from ditto_models.gpu import hub
from ditto_models.gpu.checkpoint import shown
from ditto_models.gpu.known_weights import Licence, known
from ditto_models.gpu.weights import WeightsConfig, is_pinned
from ditto_models.gpu.weights_state import WeightsState, state_of

HUB_SECONDS = 20.0
"""For everything that the hub is asked."""
GENERIC = ("license", "licence", "agreement", "model")
"""Words that any licence's name may have."""
States = Mapping[WeightsConfig, WeightsState]


def states_of(units: Sequence[Unit], seconds: float = HUB_SECONDS) -> States:
    """How the weights of all units stand, looked at side by side; who does not answer in time is given up."""
    wanted = list(dict.fromkeys(weights for unit in units for _, weights in unit.weights))
    found: dict[WeightsConfig, WeightsState] = {}

    def look(weights: WeightsConfig) -> None:
        found[weights] = state_of(weights, seconds / 2)

    # Daemons: a name that never resolves must not keep the command from ending.
    threads = [threading.Thread(target=look, args=(weights,), daemon=True) for weights in wanted]
    for thread in threads:
        thread.start()
    deadline = threading.Timer(seconds, lambda: None)
    deadline.daemon = True
    deadline.start()
    for thread in threads:
        while thread.is_alive() and deadline.is_alive():
            thread.join(0.05)
    late = WeightsState(place="nowhere", problem=f"the hub {hub.endpoint()!r} did not answer within {seconds:g} s")
    return {weights: found.get(weights, late) for weights in wanted}


def weights_findings(profile: Profile, units: Sequence[Unit], states: States) -> Iterator[Finding]:
    """For each of them, and for the disk that they are fetched to."""
    for unit in units:
        for path, weights in unit.weights:
            of = unit.name if path == (*unit.path, "weights") else ".".join((unit.slot, *path))
            state = states[weights]
            yield _presence(of, weights, state)
            if not state.problem:
                yield _revision(of, profile, unit, path, weights, state)
            yield _licence(of, weights, state)
    if any(state.to_fetch_bytes for state in states.values()):
        yield _room(sum(state.to_fetch_bytes for state in states.values()))


def _presence(of: str, weights: WeightsConfig, state: WeightsState) -> Finding:
    what = weights.repo + (f"/{weights.file}" if weights.file else "")
    entry = known(weights.repo)
    if state.problem:
        begun = f"{what}: " if weights.repo not in state.problem else ""
        found, _, change = f"{begun}{state.problem.removeprefix('weights ')}".partition("; ")
        accept = "; they are gated: accept their licence and set HF_TOKEN" if entry and entry.gated else ""
        return fail("weights", of, found, "", change + accept if "gated" not in state.problem else change)
    size = decimal(sum(part.stored_bytes for part in state.parts.values()))
    if state.place == "hub":
        found = f"{what} is on the hub, {decimal(state.to_fetch_bytes)} to fetch on first use"
        if state.gated and weights.file:  # of others a configuration was fetched, which proves the right to
            return warn("weights", of, f"{found}; it is gated", "", "accept its licence on the hub and set HF_TOKEN")
        return ok("weights", of, found)
    found = f"{what} is in {'a folder' if state.place == 'folder' else 'the cache'}, {size}"
    if state.remark:
        return warn("weights", of, f"{found}; {state.remark.partition(';')[0]}", "", "HF_HUB_OFFLINE=1 asks no hub")
    return ok("weights", of, found)


def _revision(
    of: str, profile: Profile, unit: Unit, path: tuple[str, ...], weights: WeightsConfig, state: WeightsState
) -> Finding:
    if state.place == "folder":
        return ok("revision", of, "a folder of your own, which nobody else changes")
    if is_pinned(weights):
        return ok("revision", of, f"pinned to {weights.revision}")
    entry = known(weights.repo)
    commit = state.commit or (entry.commit if entry else "")
    now = f", today {commit}" if state.commit else ""
    return warn(
        "revision",
        of,
        f"{weights.revision!r}{now}",
        "a commit, since a branch changes under a run",
        pinning(profile, unit, path, weights, commit or "COMMIT"),
    )


def _licence(of: str, weights: WeightsConfig, state: WeightsState) -> Finding:
    folder = Path(weights.repo).expanduser()
    repo = shown(folder.resolve(), whole=True).partition("@")[0] if folder.is_dir() else weights.repo
    entry = known(repo)
    if entry is None:
        said = f", the hub's card says {state.licence}" if state.licence else ""
        return warn("licence", of, f"{repo}: unknown{said}", "one that allows your use", "read its card")
    return _judged(of, repo, entry.terms(weights.file), state)


def _judged(of: str, repo: str, terms: Licence, state: WeightsState) -> Finding:
    found = terms.licence if terms.verified else f"{terms.licence}, not verified"
    card = state.licence
    if terms.commercial == "no":
        instead = f"use {terms.instead}" if terms.instead else "use other weights"
        return fail("licence", of, f"{found} ({repo})", "commercial use allowed", instead)
    if card and not _alike(card, terms.licence):
        return warn("licence", of, f"{found}; the hub's card now says {card!r}", "one and the same", "read its card")
    if terms.commercial == "conditions":
        return warn("licence", of, found, f"{terms.conditions}", f"read it on {hub.endpoint()}/{repo}")
    if terms.commercial == "unknown" or not terms.verified:
        return warn("licence", of, found, "one that allows your use", f"read the card of {repo}")
    return ok("licence", of, found)


def _alike(card: str, licence: str) -> bool:
    """Whether a card's tag may mean the licence: the hub writes apache-2.0, and "other" for what it has no tag for."""
    letters = "".join(filter(str.isalnum, licence.lower()))
    words = [word for word in card.lower().replace("_", "-").split("-") if len(word) > 3 and word not in GENERIC]
    tag = "".join(filter(str.isalnum, card.lower()))
    return card == "other" or tag in letters or any(word in letters for word in words)


def _room(wanted: int) -> Finding:
    folder = Path(hub.cache_folder())
    free = free_bytes(folder)
    found, needed = f"{decimal(free)} free at {str(folder)!r}", f"{decimal(wanted)} to fetch"
    if free < wanted:
        return fail("download", "disk", found, needed, "make room, or set HF_HOME to a larger disk")
    return ok("download", "disk", found, needed)
