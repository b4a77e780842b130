"""What agent.preflight finds of weights, licences and servers, and how it says so."""

import importlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from pydantic import BaseModel
from rich.console import Console

from agent.preflight.findings import Finding, fail, ok
from agent.preflight.models import built, key_frame_finding
from agent.preflight.networks import Unit, units_of
from agent.preflight.table import print_findings
from agent.preflight.weights import states_of
from agent.profile import load_profile
from ditto_models import assets
from ditto_models.gpu.known_weights import known
from ditto_models.gpu.weights import WeightsConfig, located
from tests.commands import ROOT, call, line_of, problem_of
from tests.pretended_machine import DEPTH, PIPELINE, found
from tests.scripted_server import ScriptedServer
from tests.tiny_hub import TinyHub, tensor_file

pytestmark = pytest.mark.usefixtures("quick_models")


def test_the_embedded_profile_needs_no_gpu_and_no_hub(model_hub: TinyHub) -> None:
    done = call("agent.preflight")
    assert done.returncode == 0, done.stdout
    assert "ok   machine gpu: not wanted" in done.stdout
    assert "bundled weights assets: bge-small-model, " in done.stdout
    assert done.stdout.splitlines()[-1].endswith(" 0 to look at, 0 to mend")
    assert not model_hub.asked


def test_a_generator_that_never_sees_the_key_frame_beside_a_critic_that_compares_is_told() -> None:
    weights = "weights: {repo: /nowhere}, trained: {repo: /nowhere, file: x.safetensors}"

    def finding(key_frame: str, *more: str) -> Finding | None:
        generator = f"generator={{kind: editto, {weights}, key_frame: {key_frame}}}"
        return key_frame_finding(load_profile("gpu", [generator, *more]))

    told = finding("never")
    assert told is not None
    assert told.status == "warn"
    assert finding("given") is None
    [mended] = [word for word in told.change.split(", or ") if word.startswith("policy.")]
    assert finding("never", mended) is None
    assert key_frame_finding(load_profile("gpu")) is None


def test_json_keeps_its_keys() -> None:
    told = json.loads(call("agent.preflight", "--json").stdout)
    assert list(told) == ["profile", "config_hash", "offline", "ok", "counts", "findings"]
    assert list(told["counts"]) == ["ok", "warn", "fail"]
    assert all(list(one) == ["status", "check", "of", "found", "needed", "change"] for one in told["findings"])


def test_weights_on_the_hub_and_the_override_that_pins_them(
    model_hub: TinyHub, two_gpus: Path, vace_profile: Path, tmp_path: Path
) -> None:
    commit = model_hub.add("org/vace", PIPELINE)
    first = found(vace_profile)
    weights, revision = first["generator", "weights"], first["generator", "revision"]
    assert weights.status == "ok"
    assert "org/vace is on the hub, 4.0 MB to fetch on first use" in weights.found
    assert (revision.status, revision.change) == ("warn", f"generator.weights.revision={commit}")
    assert commit in revision.found
    assert "is in a folder, " in first["generator.depth", "weights"].found
    assert first["generator.depth", "revision"].status == "ok"
    assert first["generator", "licence"].status == "warn"  # of no table
    assert "the hub's card says apache-2.0" in first["generator", "licence"].found
    asked = [line for line in model_hub.asked if line.startswith("GET") and "/resolve/" in line]
    assert all(line.endswith(".json") for line in asked), "nothing large is fetched"
    assert found(vace_profile, revision.change)["generator", "revision"].status == "ok"


def test_what_a_profile_leaves_to_defaults_is_pinned_as_a_whole(
    model_hub: TinyHub, two_gpus: Path, tmp_path: Path
) -> None:
    commit = model_hub.add("Wan-AI/Wan2.1-VACE-14B-diffusers", PIPELINE)
    depth = model_hub.add("depth-anything/Depth-Anything-V2-Small-hf", DEPTH)
    path = tmp_path / "mine.yaml"
    path.write_text("extends: embedded\nclips: {size_multiple: 16}\ngenerator: {kind: wan_vace}\n")
    first = found(path)
    changes = [first[of, "revision"].change.strip("'") for of in ("generator", "generator.depth")]
    assert changes[0] == f"generator.weights={{repo: Wan-AI/Wan2.1-VACE-14B-diffusers, revision: {commit}}}"
    second = found(path, *changes)
    assert second["generator", "revision"].found == f"pinned to {commit}"
    assert second["generator.depth", "revision"].found == f"pinned to {depth}"
    assert second["generator", "licence"] == ok("licence", "generator", "Apache-2.0")


def test_weights_that_cannot_be_had_or_must_not_be_read(model_hub: TinyHub, two_gpus: Path, vace_profile: Path) -> None:
    assert "none of that name" in found(vace_profile)["generator", "weights"].found
    model_hub.add("org/vace", PIPELINE, gated=True)
    gated = found(vace_profile)["generator", "weights"]
    assert gated.status == "fail"
    assert "accept their licence" in gated.found + gated.change
    model_hub.repos.clear()
    model_hub.add("org/vace", {"config.json": b'{"auto_map": {"AutoModel": "m.M"}}', "model.safetensors": b""})
    assert "code of their own" in found(vace_profile)["generator", "weights"].found
    model_hub.add("org/vace", {"config.json": b"{}", "pytorch_model.bin": b""})
    assert "no *.safetensors beside it" in found(vace_profile)["generator", "weights"].found
    model_hub.status = 500
    begun = time.monotonic()
    assert "answers 500" in found(vace_profile)["generator", "weights"].found
    assert time.monotonic() - begun < 20


def test_a_hub_that_never_answers_does_not_hold_the_command_up(
    model_hub: TinyHub, two_gpus: Path, vace_profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states_of, "__defaults__", (1.0,))
    model_hub.go_on.clear()
    begun = time.monotonic()
    weights = found(vace_profile)["generator", "weights"]
    assert time.monotonic() - begun < 15
    assert weights.status == "fail"
    assert "cannot be reached" in weights.found or "did not answer within 1 s" in weights.found


def test_weights_of_the_cache_serve_where_the_hub_fails(model_hub: TinyHub, two_gpus: Path, vace_profile: Path) -> None:
    model_hub.add("org/vace", PIPELINE)
    located(WeightsConfig(repo="org/vace"))
    cached = found(vace_profile)["generator", "weights"]
    assert (cached.status, "org/vace is in the cache, 4.0 MB" in cached.found) == ("ok", True)
    model_hub.status = 503
    weights = found(vace_profile)["generator", "weights"]
    assert (weights.status, "answers 503" in weights.found) == ("warn", True)


def test_offline_the_hub_is_not_asked(
    model_hub: TinyHub, two_gpus: Path, vace_profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_hub.add("org/vace", PIPELINE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    weights = found(vace_profile)["generator", "weights"]
    assert weights.status == "fail"
    assert "HF_HUB_OFFLINE" in weights.found
    assert not model_hub.asked


@pytest.mark.parametrize(
    ("repo", "file", "status", "says"),
    [
        ("Qwen/Qwen-Image-2.1", "", "fail", "Qwen Research License"),
        ("black-forest-labs/FLUX.2-klein-9B", "", "fail", "FLUX Non-Commercial"),
        ("black-forest-labs/FLUX.2-klein-4B", "", "ok", "Apache-2.0"),
        ("Kijai/WanVideo_comfy", "Wan21_CausVid_14B.safetensors", "fail", "CC-BY-NC-SA"),
        ("Kijai/WanVideo_comfy", "other.safetensors", "warn", "none stated"),
        ("Lightricks/LTX-2", "", "warn", "LTX-2 Community"),
        ("org/unheard-of", "", "warn", "unknown"),
    ],
)
def test_licences(
    model_hub: TinyHub, two_gpus: Path, vace_profile: Path, repo: str, file: str, status: str, says: str
) -> None:
    model_hub.add(repo, {**PIPELINE, **({file: tensor_file(weight=(2, 2))} if file else {})})
    weights = f"{{repo: {repo}" + (f", file: {file}" if file else "") + "}"
    licence = found(vace_profile, f"generator.weights={weights}")["generator", "licence"]
    assert (licence.status, says in licence.found) == (status, True), licence
    assert licence.change if status != "ok" else not licence.change


def test_the_table_of_licences_names_its_sources_and_what_to_use_instead() -> None:
    text = (ROOT / "ditto_models/gpu/known_weights.yaml").read_text()
    repos = [
        line[: -len(line.split(":", 1)[1]) - 1] for line in text.splitlines() if line[:1].isalpha() and "/" in line
    ]
    assert len(repos) > 30
    for repo in repos:
        entry = known(repo)
        assert entry is not None
        assert entry.commercial != "no" or entry.instead, repo
        assert entry.commercial != "conditions" or entry.conditions, repo
    assert known("wan-ai/wan2.1-vace-14b-diffusers") is known("Wan-AI/Wan2.1-VACE-14B-diffusers")


def defaults() -> Iterator[str]:
    """Repositories that the networks' configs take where a profile says nothing."""
    for path in sorted((ROOT / "ditto_models/gpu").glob("*.py")):
        module = importlib.import_module(f"ditto_models.gpu.{path.stem}")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.__module__ == module.__name__:
                values = (field.get_default() for field in kind.model_fields.values())
                yield from (value.repo for value in values if isinstance(value, WeightsConfig))


def test_every_network_of_ours_is_in_the_table() -> None:
    repos = set(defaults())
    assert {"facebook/sam3", "Wan-AI/Wan2.1-VACE-14B-diffusers"} <= repos
    assert [repo for repo in sorted(repos) if known(repo) is None] == []


def shelved(hub: TinyHub, profile: str) -> list[Unit]:
    """What a profile loads; the hub holds tiny weights of every name that it asks for."""
    units = units_of(built(load_profile(profile))[0])
    part = {"config.json": b"{}", "model.safetensors": tensor_file(weight=(2, 2))}
    for _, weights in (weights for unit in units for weights in unit.weights):
        files = {f"{place}/{name}": content for place in weights.parts for name, content in part.items()} or part
        hub.add(weights.repo, {weights.file: tensor_file(weight=(2, 2))} if weights.file else files)
    return units


@pytest.mark.parametrize("profile", ["gpu", "gpu_light"])
def test_the_profiles_that_ship_are_pinned_by_the_overrides_that_are_offered(
    model_hub: TinyHub, two_gpus: Path, profile: str
) -> None:
    units = shelved(model_hub, profile)
    assert {"masker", "editor", "generator", "generator.depth"} <= {unit.name for unit in units}
    first = found(Path(profile))
    assert not [one for one in first.values() if one.status == "fail" and one.check not in ("server", "room", "memory")]
    offered = [one.change for (_, check), one in first.items() if check == "revision" and "=" in one.change]
    assert len(offered) >= len(units)
    second = found(Path(profile), *(override for change in offered for override in shlex.split(change)))
    assert {key[0] for key in second} == {key[0] for key in first}, "a network that two slots share is still shared"
    unpinned = [of for (of, check), one in second.items() if check == "revision" and one.status != "ok"]
    assert all(".loras." in of for of in unpinned)


def test_servers_are_looked_at() -> None:
    with ScriptedServer(lambda asked: "yes", model="Qwen/Qwen3-VL-8B-Instruct") as server:
        overrides = [f"servers.vlm.base_urls=['{server.base_url}']"]
        assert found(Path("served"), *overrides)["servers.vlm", "licence"].status == "ok"
        right = call("agent.preflight", "--profile", "served", *overrides)
        assert right.returncode == 0
        assert f"ok   servers.vlm server: {server.base_url} serves Qwen/Qwen3-VL-8B-Instruct" in right.stdout
        wrong = found(Path("served"), *overrides, "servers.vlm.model=org/other")["servers.vlm", "server"]
        assert wrong.status == "fail"
        assert "serves 'Qwen/Qwen3-VL-8B-Instruct', not 'org/other'" in wrong.found
        assert "servers.vlm.model=NAME" in wrong.change
    gone = found(Path("served"), *overrides)["servers.vlm", "server"]
    assert (gone.status, "does not answer" in gone.found) == ("fail", True)


def test_a_base_install_is_told_which_extra_is_missing(
    monkeypatch: pytest.MonkeyPatch, model_hub: TinyHub, vace_profile: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ditto_models.gpu.wan_vace", None)  # as where a package that it imports is missing
    missing = found(vace_profile)["models", "packages"]
    assert missing.status == "fail"
    assert "a package is missing: ditto_models.gpu.wan_vace" in missing.found
    assert "'.[gpu]'" in missing.change


def test_bundled_weights_are_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DITTO_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(assets, "pip_download", lambda *_: pytest.fail("nothing may be fetched"))
    missing = found(Path("embedded"))["bundled weights", "assets"]
    assert (missing.status, missing.change) == ("fail", "make setup, then once more")


def test_bad_arguments_are_one_line() -> None:
    assert "profile 'nobody' not found" in line_of(problem_of("agent.preflight", "--profile", "nobody"))
    assert "editor.kind is 'x'" in line_of(problem_of("agent.preflight", "editor={kind: x}"))


def test_on_a_terminal_nothing_is_wider_than_it_and_all_is_said() -> None:
    findings = [
        ok("weights", "generator", "Wan-AI/Wan2.1-VACE-14B-diffusers is in the cache, 81.2 GB"),
        fail("licence", "generator", "some licence " * 9, "another one", "use something else"),
    ]
    console = Console(force_terminal=True, width=80, record=True, color_system=None)
    print_findings(console, "profile gpu", findings)
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert "-> use something else" in shown
    assert "1 ok, 0 to look at, 1 to mend" in shown


@pytest.mark.slow
def test_the_command_imports_no_torch_where_there_is_no_gpu(vace_profile: Path) -> None:
    code = (
        "import sys\nfrom agent.preflight import __main__ as preflight\n"
        f"code = preflight.main(['--profile', {str(vace_profile)!r}])\n"
        "print(code, 'torch' in sys.modules)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "1 False"
