"""docs/gpu.md as a stranger follows it: its commands are there with their options, its settings are taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from agent.makers import build_editor, build_enhancer, build_generator, build_masker, build_target_masker
from agent.profile import ProfileError, load_profile
from agent.source_models import build_window_networks
from ditto_models.embedded.flow_meter import FlowMeter
from ditto_models.executors.workers import WorkersConfig
from tests.commands import main_of

TEXT = (Path(__file__).parent.parent / "docs" / "gpu.md").read_text()
SPOKEN = re.findall(r"`([^`]+)`", re.sub(r"(?m)^    .*$", "", TEXT))
"""What stands between backticks."""
CODE = "\n".join(re.findall(r"(?m)^    (.*)$", TEXT)).replace("\\\n", " ")
COMMAND = re.compile(r"python -m ((?:agent|ditto_models|bench)\.[\w.]+)([^`\n;|&]*)")


def commands() -> Iterator[tuple[str, str]]:
    yield from COMMAND.findall(CODE)
    for spoken in SPOKEN:
        yield from COMMAND.findall(spoken)


def settings() -> Iterator[str]:
    for spoken in SPOKEN:
        for word in re.findall(r"[a-z_]+(?:\.[a-z_]+)*=(?:\{[^`]*\}|\S+)", spoken):
            if not spoken.startswith(("python", "HF_")):
                yield word
    for options in (options for module, options in commands() if module.startswith("agent.")):
        yield from re.findall(r"(?<=\s)[a-z_]+(?:\.[a-z_]+)+=[^\s\]]+(?<!value)", options)


@pytest.mark.parametrize(("module", "options"), sorted(set(commands())))
def test_every_command_is_there_and_takes_what_it_is_given(
    module: str, options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main_of(module)(["vllm", "--help"] if " vllm " in options else ["--help"])
    told = capsys.readouterr().out
    for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", options.partition(" -- ")[0]):
        assert option in told


def build(*overrides: str) -> None:
    profile = load_profile("gpu", overrides)
    build_editor(profile.editor)
    build_generator(profile.generator, FlowMeter())
    build_enhancer(profile.enhancer, FlowMeter())
    build_masker(profile.masker)
    build_target_masker(profile.target_masker)
    build_window_networks(profile)


def test_there_are_settings_to_look_at() -> None:
    assert {"decoder.device=cpu", "clips.frames=101", "placement.offload=group"} <= set(settings())
    assert {"sam3", "flux2_klein", "wan_vace", "wan22_low_noise"} <= set(KINDS)


@pytest.mark.parametrize("setting", sorted(set(settings())))
def test_every_setting_is_taken_as_it_stands(setting: str) -> None:
    first = setting.partition("=")[0].partition(".")[0]
    if first == "placement":
        for slot in ("editor", "generator", "enhancer"):
            build(f"{slot}.{setting}")
        build(f"generator.placement.{setting.partition('.')[2]}")
    elif first in ("compile",):
        build(f"generator.placement.{setting}")
    else:
        build(setting)


def test_what_a_profile_leaves_to_defaults_can_be_set_and_misspelt_names_are_told() -> None:
    profile = load_profile("gpu", ["generator.depth.placement.dtype=float32"])
    assert profile.generator.settings["depth"] == {"placement": {"dtype": "float32"}}
    for setting in ("generator.placment.offload=group", "generator.placement.ofload=group", "masker.depth.x.y=1"):
        with pytest.raises(ProfileError, match="there is no setting of this name"):
            build(setting)


SLOTS = TEXT.partition("## What fills the slots")[2].partition("##")[0]
KINDS = re.findall(r"(?m)^\|[^|]*\| `(\w+)`", SLOTS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_the_table_of_slots_is_one(kind: str) -> None:
    nowhere = {"raft": ", weights: {repo: /nowhere}"}
    nowhere["editto"] = f"{nowhere['raft']}, trained: {{repo: /nowhere, file: x.safetensors}}"
    weights = nowhere.get(kind, "")
    taken = []
    for slot in ("masker", "editor", "generator", "fingerprint", "motion", "enhancer"):
        try:
            build(f"{slot}={{kind: {kind}{weights}}}")
        except ProfileError:
            continue
        taken.append(slot)
    assert len(taken) == 1


def test_the_networks_of_the_profile_and_of_the_page_are_the_same() -> None:
    [said] = re.findall(r"`networks: (\{.*?\})`", TEXT)
    assert load_profile("gpu").networks.model_dump() == yaml.safe_load(said)
    WorkersConfig(devices=tuple(yaml.safe_load(re.findall(r"`devices: (\[.*?\])`", TEXT)[0])))
