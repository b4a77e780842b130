"""Whether the served models that a profile asks for are there: every address, the model's name, and its licence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from agent.preflight.findings import Finding, fail, ok, warn
from agent.profile import Profile
from ditto_models.gpu.known_weights import known
from ditto_models.gpu.machine import has

CLIENT = ("langchain_openai", "qwen_vl_utils", "httpx2", "anyio")
INSTALL = ".venv/bin/python -m pip install -c requirements/constraints.txt '.[vllm]'"


def client_finding(profile: Profile) -> Finding | None:
    """What is missing to ask served models; None where nothing is, or none is asked."""
    missing = [name for name in CLIENT if not has(name)] if profile.asked_servers() else []
    if not missing:
        return None
    return fail("packages", "extra vllm", f"missing: {', '.join(missing)}", "the client of served models", INSTALL)


def server_findings(profile: Profile) -> Iterator[Finding]:
    """For each group of servers that components ask; the client must be installed."""
    for name in sorted(profile.asked_servers()):
        of = f"servers.{name}"
        if name not in profile.servers:
            yield fail("server", of, "not in the profile", "the name of its model", f"{of}.model=NAME")
            continue
        yield from _group(of, profile, name)


def _group(of: str, profile: Profile, name: str) -> Iterator[Finding]:
    from ditto_models.vllm_probe import look

    group = profile.servers[name]
    try:
        addresses = group.addresses()
    except ValueError as error:
        yield fail("server", of, str(error), "addresses of servers", "set VLLM_BASE_URL")
        return

    async def looked() -> list[str]:
        from ditto_models.vllm_loop import LoopHome

        home = await LoopHome.open()
        try:
            looks = (look(home.client(address), address, group.key(), group.model) for address in addresses)
            return [found.problem for found in await asyncio.gather(*looks)]
        finally:
            await home.close()

    problems = asyncio.run(looked())
    some = any(not problem for problem in problems)
    for address, problem in zip(addresses, problems, strict=True):
        if not problem:
            yield ok("server", of, f"{address} serves {group.model}")
            continue
        told = warn if some else fail
        change = f"python -m ditto_models.serve vllm --model {group.model}; set VLLM_BASE_URL, or {of}.model=NAME"
        yield told("server", of, f"{address} {problem}", f"a server of {group.model}", change)
    yield _licence(of, group.model)


def _licence(of: str, model: str) -> Finding:
    entry = known(model)
    if entry is None or entry.commercial == "unknown":
        return warn("licence", of, f"{model}: unknown", "one that allows your use", "read its card")
    if entry.commercial == "no":
        return fail(
            "licence", of, f"{model}: {entry.licence}", "commercial use allowed", entry.instead or "another model"
        )
    if not entry.verified:
        return warn(
            "licence", of, f"{model}: {entry.licence}, not verified", "one that allows your use", "read its card"
        )
    return ok("licence", of, f"{model}: {entry.licence}")
