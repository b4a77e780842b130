"""What being led by served models costs: python -m bench.planner [--base-url URL,URL --model NAME]

1. Overhead of a call beside the server's own time, against a raw client that sends the very same bodies.
2. Calls and tokens for each accepted sample, by purpose.
3. Throughput with one server and with two, against raw requests spread evenly by hand, as a ratio.

Without --base-url two real vLLM servers are started on the CPU, both with the tiny model of the tests that was trained
to plan: what it answers elsewhere is noise, so its times say what the client adds, not what a model takes. Models
behind other protocols are fakes, on the sample clips at their real size. Give addresses to measure running servers.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from agent.leads import build_leads
from agent.profile import load_profile
from bench.planner_calls import REAL_SIZE, Counted, Watch, body_of, by_expert, counted, some_flaws
from bench.planner_cost import PARTS, ROUNDS, Cost, measure
from bench.planner_load import SCRIPTED_BODY, SCRIPTED_SECONDS, SLOTS, Load, Rates, first_block, measured, scripted
from ditto_models import assets
from ditto_models.vllm_server import VllmServer, VllmServerConfig
from tests.fake_run import fake_profile
from tests.planner_traces import lead
from tests.tiny_checkpoints import trained_checkpoint
from tests.vllm_server import TRAINED, environment_of_vllm

LED_SAMPLES, LED_SEED = 12, 5
PURPOSES = ("planner", "caption", "write", "judge (picture)", "judge (video)")
MANY_SLOTS = 32
AT_ONCE = 4
"""Requests that a server of the tests runs at a time; with twice as many it never waits for its client."""


def main() -> None:
    """Print the three parts."""
    summary, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m bench.planner",
        description=summary.split(":", 1)[0],
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--base-url", help="addresses of running servers of one model, with commas; one will do")
    parser.add_argument("--model", help="the name that they give it")
    parser.add_argument("--samples", type=int, default=8, help="of the campaign with flaws (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=48, help="of a block on a real server (default: %(default)s)")
    options = parser.parse_args()
    if bool(options.base_url) != bool(options.model):
        parser.error("--base-url and --model go together; give both, or neither for servers of the tests' tiny model")
    with tempfile.TemporaryDirectory() as name, ExitStack() as undo:
        folder = Path(name)
        addresses = options.base_url.split(",") if options.base_url else _start_servers(folder, undo)
        _bench(folder, addresses, options.model or TRAINED, options.samples, options.requests)


def _start_servers(folder: Path, undo: ExitStack) -> list[str]:
    """Two with the trained tiny model, side by side."""
    venv = environment_of_vllm()
    checkpoint = str(trained_checkpoint(venv))
    config = VllmServerConfig(model=checkpoint, served_model_name=TRAINED, port=0, venv=venv, cpu=True)

    def start(number: int) -> VllmServer:
        log = undo.enter_context((folder / f"vllm-{number}.log").open("w"))
        return undo.enter_context(VllmServer(config, log))

    with ThreadPoolExecutor() as pool:
        return [server.base_url for server in pool.map(start, range(2))]


def _bench(folder: Path, addresses: Sequence[str], model: str, samples: int, requests: int) -> None:
    runs, led, clips, watch = folder / "runs", folder / "led", assets.sample_clips(), Watch()
    runs.mkdir()
    led.mkdir()
    good = by_expert(runs / "good", clips, 1, lambda sample: {}, watch)
    served = (f"servers.vlm.base_urls={','.join(addresses)}", f"servers.vlm.model={model}")
    profile = fake_profile(*served, *REAL_SIZE, name="served")
    body = body_of(runs / "good", "planner", model)
    print_costs(measure(runs / "good", profile, watch.recorded, clips))
    print("\n2. Calls and tokens for each accepted sample; a real server's prompt tokens hold those of pictures")
    print_counted("scripted expert, profile served, every edit good", good)
    flawed = by_expert(runs / "flawed", clips, samples, some_flaws)
    print_counted("scripted expert, profile served, half of the videos fail a measured axis at first", flawed)
    print_counted(f"{model!r} plans, fakes and a scripted critic do the rest", _led(led, served))
    print_loads(addresses, body, requests)


def _led(folder: Path, served: tuple[str, ...]) -> Counted:
    """A campaign on the tests' tiny clips, led by the served model."""
    profile = load_profile("embedded", (*served, "planner={kind: vllm, temperature: 0.0}"))
    found = lead(build_leads(profile).planner, folder, LED_SAMPLES, LED_SEED)
    events = [event for events in found.events.values() for event in events]
    return counted(list(found.samples.values()), events, found.run, profile)


def print_costs(costs: Sequence[Cost]) -> None:
    """The first part: a row for each purpose."""
    print(f"1. Overhead of a call, in ms: medians of {ROUNDS} rounds of every step, ours and raw in turns")
    columns = ("server", "raw", "ours", "ours-raw", "ours/raw", "raw CPU", "ours CPU")
    print(f"{'':16}{'calls':>6}" + "".join(f"{column:>9}" for column in columns))
    for purpose in PURPOSES:
        if rows := [cost for cost in costs if cost.purpose == purpose]:
            server, raw, ours, *cpu = (
                median(getattr(row, name) for row in rows) for name in ("server", "raw", "ours", "raw_cpu", "ours_cpu")
            )
            difference, ratio = median(row.ours - row.raw for row in rows), median(row.ours / row.raw for row in rows)
            calls = sum(row.calls for row in rows)
            print(
                f"{purpose:16}{calls:6}{server:9.1f}{raw:9.1f}{ours:9.1f}{difference:9.1f}{ratio:9.2f}{cpu[0]:9.1f}{cpu[1]:9.1f}"
            )
    print("what of ours - raw goes where (medians, so they need not add up)")
    print(f"{'':16}" + "".join(f"{part:>14}" for part in PARTS))
    for purpose in PURPOSES:
        if rows := [cost for cost in costs if cost.purpose == purpose]:
            print(f"{purpose:16}" + "".join(f"{median(row.parts[part] for row in rows):14.1f}" for part in PARTS))


def print_counted(title: str, found: Counted) -> None:
    """A table of the second part."""
    print(f"{title}: {found.accepted} of {found.samples} samples accepted")
    if not found.accepted:
        print("  nothing to count by")
        return
    print(f"  {'':30}{'calls':>8}{'prompt':>9}{'answer':>9}{'pictures':>9}")
    columns = (found.calls, found.prompt_tokens, found.answer_tokens, found.picture_tokens)
    rows = {purpose: [column[purpose] for column in columns] for purpose in sorted(found.calls)}
    rows["all"] = [sum(column.values()) for column in columns]
    for purpose, numbers in rows.items():
        calls, *tokens = (number / found.accepted for number in numbers)
        print(f"  {purpose:30}{calls:8.2f}" + "".join(f"{number:9.0f}" for number in tokens))


def print_loads(addresses: Sequence[str], body: bytes, requests: int) -> None:
    """The third part: real servers, then scripted ones, of which the ideal is known."""
    print("\n3. Throughput in requests a second; raw is spread evenly by hand, ratios are medians of blocks in turns")
    print(f"{'':44}{'ideal':>8}{'raw':>8}{'in turns':>9}{'ours':>8}{'ours/raw':>9}")
    for count, at_once in ((1, AT_ONCE), (1, 2 * AT_ONCE), (2, 2 * AT_ONCE)):
        if count <= len(addresses):
            found = asyncio.run(measured(addresses[:count], body, Load(requests=requests, at_once=at_once)))
            print_rates(f"{count} real, {at_once} at once", found)
    seconds = SCRIPTED_SECONDS
    for each in ((seconds,), (seconds, seconds), (seconds, 3 * seconds)):
        load = Load(requests=8 * SLOTS * len(each), at_once=SLOTS * len(each))
        title = f"scripted, {load.at_once} at once: {' and '.join(f'{one:.1f} s' for one in each)}"
        with scripted(*each) as servers:
            found = asyncio.run(measured(servers, SCRIPTED_BODY, load, robin=each[-1] != seconds))
        print_rates(title, found, sum(SLOTS / one for one in each))
    with scripted(seconds, slots=MANY_SLOTS) as servers:
        load = Load(requests=12 * MANY_SLOTS, at_once=MANY_SLOTS)
        found = asyncio.run(first_block(servers, SCRIPTED_BODY, load))
    print_rates(f"the first {load.requests} of a new pool, {MANY_SLOTS} at once", found, MANY_SLOTS / seconds)


def print_rates(title: str, found: Rates, ideal: float = 0.0) -> None:
    """A row of the third part."""
    known, turns = (f"{rate:.1f}" if rate else "" for rate in (ideal, found.robin))
    print(f"{title:44}{known:>8}{found.raw:8.1f}{turns:>9}{found.ours:8.1f}{found.ratio:9.2f}", flush=True)


if __name__ == "__main__":
    main()
