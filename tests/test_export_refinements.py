"""Conversations exported: who agreed, every turn, every file, and the field's own loader."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.export import __main__ as export
from tests.commands import call, line_of, problem_of
from tests.fake_run import make_clips
from tests.fake_talk import BEGIN, Talk, talk_session, talking
from tests.told_talks import Told


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One given to the dataset after a cancel and a failure, one kept private, one still open, one not even begun."""
    run = tmp_path_factory.mktemp("talks")
    given = Told(run, 1)
    given.begins("snow, but keep the car red")
    given.says("say", words="less snow")
    given.says("cancel")
    given.says("say", words="a little less snow")
    given.does("propose_edits", "awaiting_person", error="the model did not answer")
    given.says("say", words="less snow, please")
    given.offers(2, "Like this?")
    given.says("choose", number=2)
    given.makes(passed=False)
    given.says("approve", number=2)
    given.does("generate_video", "awaiting_person", error="it was too dark")
    given.makes()
    given.keeps()
    private = Told(run, 2)
    private.begins("rain on my garden")
    private.makes()
    private.says("close")
    Told(run, 3).begins("a secret wish")
    Told(run, 4).says("begin", words="", given={"clip_number": 2})
    return run


def exported(run: Path, out: Path, *more: str) -> list[dict[str, Any]]:
    assert export.main([str(run), "--format", "refinements", "--out", str(out), *more]) == 0
    return [json.loads(line) for line in (out / "refinements.jsonl").read_text().splitlines()]


def test_only_what_its_person_gave_is_exported(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = exported(run, tmp_path / "given", "--json")
    index = json.loads(capsys.readouterr().out)
    assert (index["num_conversations"], index["num_private"], index["config_hashes"]) == (1, 0, ["c"])
    assert (line["id"], line["decision"], line["given"]) == ("talk-000000000001", "accepted", True)
    everything = b"".join(path.read_bytes() for path in sorted((tmp_path / "given").rglob("*.json*")))
    assert b"garden" not in everything
    assert b"secret" not in everything
    assert b"/home/me" not in everything
    lines = exported(run, tmp_path / "all", "--include-private")
    assert [(line["decision"], line["given"]) for line in lines] == [
        ("accepted", True),
        ("private", False),
        ("open", False),
        ("open", False),
    ]
    assert "3 of them private: nobody agreed to give those away" in capsys.readouterr().out


def test_every_turn_is_there_with_what_was_cancelled_and_what_failed(run: Path, tmp_path: Path) -> None:
    (line,) = exported(run, tmp_path / "out")
    assert [turn["call"] for turn in line["turns"] if turn["by"] == "person"] == [
        *("begin", "say", "cancel", "say", "say", "choose", "approve", "approve", "approve", "keep")
    ]
    first, answer = line["turns"][:2]
    assert (first["words"], answer["words"]) == ("snow, but keep the car red", "I can do this")
    (offer,) = answer["proposals"]
    assert (offer["number"], offer["instruction"], offer["edit_type"]) == (1, "Make it snow 1", "weather")
    assert (offer["strength"], offer["left_out"], offer["verdict"]["decision"]) == (0.8, "no wind", "accepted")
    assert [turn["error"] for turn in line["turns"] if turn["error"]] == ["the model did not answer", "it was too dark"]
    judged = [turn["verdict"] for turn in line["turns"] if turn["edited_video"]]
    assert [each["decision"] for each in judged] == ["rejected", "accepted"]
    assert judged[0]["reasons"] == ["source_motion"]
    assert judged[0]["axes"][0]["value"] == 0.2
    assert (line["chosen"], line["approved"], line["instruction"]) == (2, 2, "Make it snow 2")
    assert (line["scores"], line["models"], line["config_hash"]) == ({"source_motion": 0.9}, {"editor": "e"}, "c")
    assert (line["clip"]["caption"], line["clip"]["start_seconds"]) == ("a field", 1.0)
    names = {line["clip"]["video"], line["edited_video"], *line["key_frame"].values()} - {2}
    names |= {each["key_frame"]["edited"] for turn in line["turns"] for each in turn["proposals"]} - {None}
    names |= {turn["edited_video"] for turn in line["turns"]} - {None}
    there = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").glob("*/*")}
    assert there == names
    for name in names:
        reference = Path(name).name
        assert (tmp_path / "out" / name).read_bytes() == (
            run / "artifacts" / reference[:2] / reference[2:]
        ).read_bytes()


def keys(value: object, place: str = "") -> set[str]:
    if isinstance(value, dict):
        return {each for key, item in value.items() for each in {f"{place}.{key}", *keys(item, f"{place}.{key}")}}
    return {each for item in value for each in keys(item, place)} if isinstance(value, list) else set()


@pytest.mark.slow
def test_every_line_has_every_key_and_the_loader_takes_them(run: Path, tmp_path: Path) -> None:
    import datasets

    lines = exported(run, tmp_path / "out", "--include-private")
    assert all(line.keys() == lines[0].keys() for line in lines)
    assert keys(lines[0]) == set().union(*map(keys, lines))
    file = str(tmp_path / "out" / "refinements.jsonl")
    loaded = datasets.load_dataset("json", data_files=file, cache_dir=str(tmp_path / "cache"))["train"]
    assert list(loaded) == lines
    pictures = loaded.select([0]).map(lambda row: {"picture": str(tmp_path / "out" / row["key_frame"]["edited"])})
    assert Path(pictures[0]["picture"]).is_file()


def test_what_cannot_be_exported_is_told_in_a_line_and_leaves_nothing(run: Path, tmp_path: Path) -> None:
    out, way = tmp_path / "place" / "out", ("--format", "refinements")
    (tmp_path / "place").mkdir()
    Told(tmp_path / "only", 3).run.mkdir()
    Told(tmp_path / "only", 3).begins("a wish")
    told = problem_of("agent.export", tmp_path / "only", *way, "--out", out)
    assert "has no conversation to export; 1 are private or not ended (see --include-private)" in told
    assert "is no run" in problem_of("agent.export", tmp_path, *way, "--out", out)
    assert "leave out --shard-size" in problem_of("agent.export", run, *way, "--out", out, "--shard-size", 2)
    assert "is for --format refinements" in problem_of(
        "agent.export", run, "--format", "parquet", "--out", out, "--include-private"
    )
    assert "no conversation to export" in problem_of("agent.export", run, *way, "--out", out, "--split", "test")
    next((tmp_path / "only" / "artifacts").rglob("*.png")).unlink()
    done = call("agent.export", tmp_path / "only", *way, "--out", out, "--include-private")
    assert (done.returncode, "cannot be exported: artifact" in line_of(done.stderr)) == (1, True)
    assert list((tmp_path / "place").iterdir()) == []


def test_what_retention_gave_up_has_no_file_but_all_its_turns(tmp_path: Path) -> None:
    told = Told(tmp_path / "run", 1)
    told.run.mkdir()
    told.begins("snow")
    told.says("close")
    told.does("drop", "done", artifacts="dropped")
    (line,) = exported(tmp_path / "run", tmp_path / "out", "--include-private")
    assert line["clip"]["video"] is None
    assert [turn["by"] for turn in line["turns"]] == ["person", "agent", "person"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"refinements.jsonl", "index.json"}


def test_a_conversation_that_was_held_is_exported_while_its_run_goes_on(tmp_path: Path) -> None:
    async def talk(it: Talk) -> None:
        await it.say(**BEGIN, words="snow all over")
        await it.say(call="say", words="broken")
        await it.say(call="approve", number=1)
        await it.say(call="keep")

    run = tmp_path / "run"
    with talk_session(run, make_clips(tmp_path / "clips")) as session:
        it = talking(session, talk)
        (line,) = exported(run, tmp_path / "out")
    assert (line["id"], line["decision"], line["instruction"]) == (it.id, "accepted", "snow all over 0")
    assert [turn["words"] for turn in line["turns"] if turn["by"] == "person"][:2] == ["snow all over", "broken"]
    assert [turn["error"] for turn in line["turns"] if turn["error"]] == ["this wish breaks the agent"]
    assert line["turns"][-1]["decision"] == "accepted"
    edited = line["edited_video"]
    assert (tmp_path / "out" / edited).read_bytes() == session.stores.media.artifacts.path(
        Path(edited).name
    ).read_bytes()
