"""Profiles, overrides and the configuration of a run: what is wrong is told in one line; nothing changes unseen."""

from pathlib import Path

import pytest
import yaml

from agent.command import CommandError
from agent.context import build_models
from agent.profile import FOLDER, Profile, ProfileError, differences, load_profile, parse_profile
from agent.run_config import RunConfig, settle_config
from tools.critic.axes import MODEL_AXES, MOTION_AXES
from tools.critic.measured import KEY_FRAME_AXES


def problem_of(*overrides: str, name: str = "embedded") -> str:
    with pytest.raises(ProfileError) as caught:
        load_profile(name, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_profile_that_ships_is_sound(path: Path) -> None:
    assert load_profile(path.stem) == load_profile(str(path))


@pytest.mark.parametrize(
    "override",
    [
        "nonsense=1",
        "clips.nonsense=1",
        "policy.nonsense=1",
        "policy.thresholds.nonsense=0.5",
        "policy.key_frame_thresholds.nonsense=0.5",
        "policy.calls_per_sample={nonsense: 1}",
        "memory.nonsense=1",
    ],
)
def test_an_unknown_key_is_named(override: str) -> None:
    assert "nonsense" in problem_of(override)


@pytest.mark.parametrize("axis", ["key_frame_followed", "source_motion", "distinct", "motion_preserved"])
def test_a_key_frame_has_no_threshold_on_which_nobody_judges_it(axis: str) -> None:
    assert axis in problem_of(f"policy.key_frame_thresholds.{axis}=0.5", name="served")


def test_a_key_frame_may_have_a_threshold_on_every_axis_that_it_is_judged_on() -> None:
    axes = [*KEY_FRAME_AXES, *sorted(set(MODEL_AXES) - MOTION_AXES)]
    profile = load_profile("served", [f"policy.key_frame_thresholds.{axis}=0.5" for axis in axes])
    assert set(profile.policy.key_frame_thresholds) == set(axes)


@pytest.mark.parametrize(
    "override",
    [
        "clips.frames=0",
        "clips.frames=many",
        "clips.max_width=0",
        "clips.max_height=-360",
        "clips.size_multiple=3",
        "clips.min_height=0",
        "clips.shot_threshold=0",
        "edits_per_clip=0",
        "memory.similarity_limit=1.5",
        "policy.thresholds.safety=1.1",
        "policy.thresholds.safety=-0.1",
        "policy.thresholds.safety=.nan",
        "policy.key_frame_thresholds.safety=high",
        "policy.calls_per_sample={generate_video: -1}",
        "policy.model_seconds_per_sample=0",
        "planner=rules",
        "planner.kind=",
    ],
)
def test_a_value_out_of_bounds_is_named_with_its_key(override: str) -> None:
    path, _, value = override.partition("=")
    message = problem_of(override)
    assert path.split("=")[0] in message
    assert value.strip("-{}").split(": ")[-1].lstrip(".-") in message


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("clips.frames", "no '='"),
        ("=1", "names no key"),
        ("clips.=1", "names no key"),
        ("nowhere.key=1", "no section 'nowhere'"),
        ("clips.frames.more=1", "no section 'clips.frames'"),
        ("clips.frames={", "not YAML"),
    ],
)
def test_an_override_that_cannot_be_read_is_told(override: str, told: str) -> None:
    message = problem_of(override)
    assert told in message
    assert repr(override) in message


def test_an_unknown_profile_is_told_with_those_there_are(tmp_path: Path) -> None:
    assert "expected one of embedded" in problem_of(name="nonsense")
    assert "not found" in problem_of(name=str(tmp_path / "nowhere.yaml"))


@pytest.mark.parametrize("text", ["clips: [", "- a list", "", "clips: {frames: 9}"])
def test_a_file_that_is_no_profile_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert "mine.yaml" in problem_of(name=str(path))


@pytest.mark.parametrize(
    "slot",
    ["planner", "writer", "embedder", "masker", "describer", "editor", "generator", "enhancer", "safety", "critic"],
)
def test_an_unknown_kind_is_told_with_those_there_are(slot: str) -> None:
    profile = load_profile("embedded", (f"{slot}.kind=oracle",))
    kind = getattr(load_profile("embedded"), slot).kind
    with pytest.raises(ProfileError, match=rf"^{slot}\.kind is 'oracle'; expected one of .*{kind}"):
        build_models(profile)


@pytest.mark.parametrize(
    "slot", ["planner", "writer", "masker", "describer", "editor", "generator", "enhancer", "safety", "critic"]
)
def test_an_unknown_setting_of_a_component_is_named(slot: str) -> None:
    profile = load_profile("embedded", (f"{slot}.nonsense=1",))
    with pytest.raises(ProfileError, match=rf"^{slot}.*nonsense"):
        build_models(profile)


def test_overrides_take_effect_and_only_where_they_say() -> None:
    plain = load_profile("embedded")
    changed = load_profile("embedded", ("clips.frames=9", "policy.thresholds.safety=0.25", "clips.min_height=16"))
    assert (changed.clips.frames, changed.policy.thresholds["safety"], changed.clips.min_height) == (9, 0.25, 16)
    assert differences(plain.model_dump(), changed.model_dump()) == [
        "clips.frames: 49 -> 9",
        "clips.min_height: 200 -> 16",
        "policy.thresholds.safety: 0.5 -> 0.25",
    ]
    assert changed.hash != plain.hash


def test_the_last_override_of_a_key_wins_and_a_section_can_be_given_whole() -> None:
    changed = load_profile("embedded", ("clips.frames=9", "clips.frames=17", "memory={similarity_limit: 0.8}"))
    assert changed.clips.frames == 17
    assert changed.memory.similarity_limit == 0.8


def test_the_hash_is_of_the_values_not_of_how_they_were_given() -> None:
    plain = load_profile("embedded")
    assert load_profile("embedded", (f"clips.frames={plain.clips.frames}",)).hash == plain.hash
    assert parse_profile(plain.model_dump(mode="json"), "saved").hash == plain.hash


def test_differences_show_what_came_went_and_changed() -> None:
    old = {"a": 1, "b": {"c": 2, "d": 3}, "gone": True}
    new = {"a": 1, "b": {"c": 5, "d": 3}, "came": "x"}
    assert differences(old, new) == ["b.c: 2 -> 5", "came: None -> 'x'", "gone: True -> None"]
    assert differences(old, old) == []


def run_config(profile: Profile | None = None, seed: int = 0) -> RunConfig:
    return RunConfig(profile_name="embedded", seed=seed, clips="/clips", profile=profile or load_profile("embedded"))


def test_a_run_begun_with_a_config_is_resumed_with_the_same(tmp_path: Path) -> None:
    settle_config(tmp_path / "run", run_config(), accept_changes=False)
    path = tmp_path / "run" / "config.yaml"
    saved = path.read_text()
    assert RunConfig.model_validate(yaml.safe_load(saved)) == run_config()
    settle_config(tmp_path / "run", run_config(), accept_changes=False)
    assert path.read_text() == saved
    assert [found.name for found in path.parent.iterdir()] == ["config.yaml"]


def test_a_changed_seed_is_refused_with_the_difference_and_accepted_with_the_flag(tmp_path: Path) -> None:
    settle_config(tmp_path, run_config(seed=0), accept_changes=False)
    with pytest.raises(CommandError, match=r"seed: 0 -> 7.*--accept-config"):
        settle_config(tmp_path, run_config(seed=7), accept_changes=False)
    settle_config(tmp_path, run_config(seed=7), accept_changes=True)
    settle_config(tmp_path, run_config(seed=7), accept_changes=False)
    with pytest.raises(CommandError, match="seed: 7 -> 0"):
        settle_config(tmp_path, run_config(seed=0), accept_changes=False)


def test_a_changed_setting_is_refused_by_its_path(tmp_path: Path) -> None:
    settle_config(tmp_path, run_config(), accept_changes=False)
    with pytest.raises(CommandError, match=r"profile\.policy\.thresholds\.safety: 0\.5 -> 0\.9"):
        settle_config(tmp_path, run_config(load_profile("embedded", ("policy.thresholds.safety=0.9",))), False)


@pytest.mark.parametrize("text", ["clips: [", "words", ""])
def test_a_damaged_config_is_told_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(CommandError, match="damaged"):
        settle_config(tmp_path, run_config(), accept_changes=True)
    assert path.read_text() == text


def test_a_run_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="not a folder"):
        settle_config(tmp_path / "file", run_config(), accept_changes=False)


def test_a_profile_takes_from_another_what_it_does_not_say_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: embedded\nclips: {frames: 9}\ngenerator: {kind: table}\npolicy: {thresholds: {safety: 0.9}}\n"
    )
    mine, base = load_profile(str(path)), load_profile("embedded")
    assert mine.clips == base.clips.model_copy(update={"frames": 9})
    assert mine.policy.thresholds == base.policy.thresholds | {"safety": 0.9}
    assert mine.generator.kind == "table"
    path.write_text(f"extends: {path}\n")
    assert "extends itself" in problem_of(name=str(path))


def test_a_component_is_replaced_whole_where_a_profile_extends_another(tmp_path: Path) -> None:
    base, mine = tmp_path / "base.yaml", tmp_path / "mine.yaml"
    base.write_text("extends: embedded\nplanner: {kind: vllm, temperature: 0.1}\n")
    mine.write_text(f"extends: {base}\nplanner: {{kind: rules}}\n")
    assert load_profile(str(mine)).planner == load_profile("embedded").planner


SERVED = ("servers.vlm.model=m", "planner={kind: vllm}")


def test_servers_can_be_named_on_the_command_line_and_are_shared() -> None:
    addresses = "servers.vlm.base_urls=http://127.0.0.1:1/v1,http://127.0.0.1:2/v1"
    leads = build_models(load_profile("embedded", (*SERVED, addresses, "describer={kind: vllm}"))).leads
    assert [server.base_url for pool in leads.pools for server in pool.servers] == addresses.partition("=")[2].split(
        ","
    )


def test_a_component_that_asks_servers_that_nobody_named_is_told() -> None:
    with pytest.raises(ProfileError, match=r"^planner\.server is 'vlm'.*servers\.vlm\.model=NAME"):
        build_models(load_profile("embedded", ("planner={kind: vllm}",)))
    with pytest.raises(ProfileError, match=r"^planner\.server is 'big'.*one of vlm"):
        build_models(load_profile("embedded", (*SERVED, "planner.server=big")))


@pytest.mark.parametrize(
    "overrides", [("servers.vml.model=m", *SERVED), ("servers.vlm.model=m",)], ids=["a slip", "nobody is served"]
)
def test_settings_of_servers_that_nobody_asks_are_not_ignored(overrides: tuple[str, ...]) -> None:
    with pytest.raises(ProfileError, match=r"no component asks servers 'v[ml]+' .*planner=\{kind: vllm, server: v"):
        load_profile("embedded", overrides)


def test_the_family_of_a_model_is_named_on_the_command_line() -> None:
    profile = load_profile("served", ("servers.vlm.vision.family=qwen2_5_vl",))
    assert profile.servers["vlm"].vision.family == "qwen2_5_vl"
    assert "servers.vlm.visoin: there is no setting" in problem_of(
        "servers.vlm.visoin.family=qwen2_5_vl", name="served"
    )


def test_a_password_in_an_address_is_not_repeated() -> None:
    problem = problem_of("servers.vlm.base_urls=http://me:secret@host/v1", name="served")
    assert "servers.vlm.base_urls: an address holds a password; give it as api_key" in problem
    assert "secret" not in problem


def test_where_servers_are_may_change_between_sessions_and_which_model_may_not(tmp_path: Path) -> None:
    def config(*overrides: str) -> RunConfig:
        return run_config(load_profile("embedded", (*SERVED, *overrides)))

    moved = config("servers.vlm.base_urls=http://10.0.0.1:8000/v1", "servers.vlm.timeout_seconds=5")
    settle_config(tmp_path, config(), accept_changes=False)
    settle_config(tmp_path, moved, accept_changes=False)
    assert moved.profile.hash == config().profile.hash
    assert "10.0.0.1" in (tmp_path / "config.yaml").read_text()
    with pytest.raises(CommandError, match=r"servers\.vlm\.model: 'm' -> 'other'"):
        settle_config(tmp_path, config("servers.vlm.model=other"), accept_changes=False)


def test_a_key_of_a_server_is_never_written_down(tmp_path: Path) -> None:
    config = run_config(load_profile("embedded", (*SERVED, "servers.vlm.api_key=hush-hush")))
    settle_config(tmp_path, config, accept_changes=False)
    assert "hush-hush" not in (tmp_path / "config.yaml").read_text()


def test_an_override_changes_nothing_that_a_yaml_alias_says_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: embedded\ntext_reader: &one {kind: pp_ocr, threads: 1}\nmasker: *one\n")
    profile = load_profile(str(path), ["masker.threads=2"])
    assert (profile.text_reader.settings["threads"], profile.masker.settings["threads"]) == (1, 2)
