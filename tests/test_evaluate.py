"""The command over a dataset: what it says, what it makes once, and what becomes of pairs that cannot be used."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.evaluate.edits import Made, NoEdit
from agent.evaluate.pairs import EvaluationPair, at_most, own_pairs
from ditto_models.vllm_server import VllmServer
from tests.commands import call, line_of, problem_of
from tests.fake_run import make_clips, run_fake
from tests.report_page import check_page
from tests.scripted_server import ScriptedServer
from tests.served import served_by
from tools.critic.axes import MODEL_AXES, SAFETY


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with eight pairs of three sources, the three of the first source in the test split."""
    folder = tmp_path_factory.mktemp("evaluated")
    run_fake(folder / "run", make_clips(folder / "clips", count=3), target=8)
    # Splits go by a source's hash, and these sources are encoded here: another processor may give other bytes.
    lines = [json.loads(line) for line in metadata(folder / "run").read_text().splitlines()]
    most = max(Counter(line["clip_sha256"] for line in lines).items(), key=lambda item: item[1])
    assert (len(lines), most[1]) == (8, 3)
    with metadata(folder / "run").open("w") as file:
        for line in lines:
            split = "test" if line["clip_sha256"] == most[0] else "train"
            file.write(json.dumps({**line, "split": split}, separators=(",", ":")) + "\n")
    return folder / "run"


def evaluated(*arguments: object) -> dict[str, Any]:
    done = call("agent.evaluate", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def metadata(run: Path) -> Path:
    return run / "dataset" / "shard-00000" / "metadata.jsonl"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A judge who says eight to everything."""
    with ScriptedServer(lambda asked: json.dumps({"reason": "as asked", "score": 8})) as running:
        yield running


@pytest.fixture(scope="module")
def own(run: Path) -> Path:
    """The folder of own.json and own.html: of the dataset's own edits."""
    found = evaluated("--data", run / "dataset", "--html", run.parent / "own.html", "--shown", 1, "--workers", 1)
    (run.parent / "own.json").write_text(json.dumps(found))
    return run.parent


@pytest.mark.slow
def test_the_datasets_own_edits_of_a_split_are_scored(run: Path, own: Path) -> None:
    test = {line["id"] for line in map(json.loads, metadata(run).read_text().splitlines()) if line["split"] == "test"}
    found = json.loads((own / "own.json").read_text())
    assert {pair["id"] for pair in found["pairs"]} == test
    assert (found["edits"], found["split"], found["judge"], found["clip"]) == ("dataset", "test", None, None)
    overall = found["overall"]
    assert overall["pairs"] == len(test)
    passed = [pair["decision"] == "accepted" for pair in found["pairs"]]
    assert overall["passed"] == pytest.approx(sum(passed) / len(passed))
    for figure in ("clip_t", "clip_f", "vlm"):
        assert overall[figure] is None, "not measured is never zero"
    assert overall["axes"]["key_frame_followed"] is None, "an editor by instruction has no key frame to follow"
    assert sum(one["pairs"] for one in found["by_edit_type"].values()) == len(test)
    assert {"passed", "clip_t", "clip_f", "vlm", "axes"} < set(next(iter(found["by_edit_type"].values())))
    page = check_page((own / "own.html").read_text())
    assert "no CLIP: CLIP-T and CLIP-F are not measured" in page.text
    assert len(page.all("article")) == 2
    assert len(page.all("img")) == 2 * 8


@pytest.mark.slow
def test_edits_in_a_folder_are_scored_and_those_that_are_not_there_are_named(
    run: Path, own: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in metadata(run).read_text().splitlines()]
    first, second = [line for line in lines if line["split"] == "test"][:2]
    edits = tmp_path / "edits"
    edits.mkdir()
    (edits / f"{first['id']}.mp4").write_bytes((metadata(run).parent / first["source_file_name"]).read_bytes())
    (edits / f"{second['id']}.mp4").write_text("no video")
    found = evaluated(
        "--data", run, "--edits", edits, "--against", own / "own.json", "--html", tmp_path / "r.html", "--workers", 1
    )
    by_id = {pair["id"]: pair for pair in found["pairs"]}
    assert by_id[first["id"]]["decision"] == "rejected"
    assert "edit_applied" in by_id[first["id"]]["reasons"], "nothing was edited"
    assert by_id[second["id"]]["decision"] == "unreadable"
    assert "as a video" in by_id[second["id"]]["reasons"][0]
    rest = [pair for pair in found["pairs"] if pair["id"] not in (first["id"], second["id"])]
    assert all("has no edit of it; expected one of" in pair["reasons"][0] for pair in rest)
    assert found["overall"]["passed"] == 0
    assert found["overall"]["outcomes"] == {"rejected": 1, "unreadable": len(found["pairs"]) - 1}
    page = check_page((tmp_path / "r.html").read_text())
    assert len(page.all("img")) == 12, "source, the dataset's edit, and the one evaluated"
    assert "the dataset's edit" in page.text
    was = {pair["id"]: pair for pair in json.loads((own / "own.json").read_text())["pairs"]}[first["id"]]
    assert found["against"]["overall"]["passed"] == 0 - (was["decision"] == "accepted")
    assert "Of the 3 pairs that both have" in page.text


def test_a_broken_line_is_named_and_the_others_stay(run: Path, tmp_path: Path) -> None:
    shard = tmp_path / "dataset" / "shard-00000"
    shard.mkdir(parents=True)
    test = next(line for line in metadata(run).read_text().splitlines() if '"split":"test"' in line)
    (shard / "metadata.jsonl").write_text(f'{test}\n{{"id": \n{{"id": "x", "split": "test"}}\n{{"id": "half of a li')
    good, torn, bare = own_pairs(tmp_path, "test")
    assert (good.id, good.problem) == (json.loads(test)["id"], "")
    assert (good.edited, good.group) == (shard / f"edited/{good.id}.mp4", json.loads(test)["clip_sha256"])
    assert torn.id == "shard-00000 line 2"
    assert torn.problem.startswith("its line has no id, source_file_name")
    assert bare.problem == "its line has no source_file_name, edited_file_name, instruction, edit_type"


def test_what_cannot_be_evaluated_is_refused_in_a_line(run: Path, tmp_path: Path) -> None:
    def problem(*arguments: object) -> str:
        return line_of(problem_of("agent.evaluate", *arguments))

    assert "has no pair in split 'validation' (it has train 5, test 3)" in problem(
        "--data", run, "--split", "validation"
    )
    assert "neither a run nor its dataset" in problem("--data", tmp_path)
    assert "is not a folder" in problem("--data", run, "--edits", tmp_path / "nowhere")
    assert "profile 'nowhere' not found" in problem("--data", run, "--profile", "nowhere")
    assert "clip_scores.kind is 'x'; expected one of none, clip" in problem("--data", run, "clip_scores.kind=x")
    assert "--html" in problem("--data", run, "--html", tmp_path / "nowhere" / "r.html")
    (tmp_path / "benchmark_videos.csv").write_text("original_video,edited_type,prompt\na.mp4,style,Paint it\n")
    assert "--split has no meaning for openve" in problem("--data", tmp_path, "--split", "test")
    assert "openve has no edits of its own; give --model CKPT, or --edits DIR" in problem("--data", tmp_path)


def test_the_few_that_are_drawn_are_the_same_each_time_and_keep_their_order() -> None:
    pairs = [EvaluationPair(id=str(number)) for number in range(50)]
    few = at_most(pairs, 10)
    assert few == at_most(pairs, 10)
    assert [pair.id for pair in few] == sorted((pair.id for pair in few), key=int)
    assert set(few) < set(at_most(pairs, 20)), "more are the same and others"
    assert at_most(pairs, 50) == at_most(pairs, None) == pairs


@pytest.mark.slow
def test_a_real_server_judges_a_datasets_edits_on_the_judges_own_scale(run: Path, vllm_server: VllmServer) -> None:
    asked = ("--data", run, "--most", 2, "--workers", 1, "--profile", "served", *served_by(vllm_server))
    found = evaluated(*asked, "judge.votes=1")
    assert found["judge"] == vllm_server.model
    for pair in found["pairs"]:
        assert pair["decision"] in ("accepted", "rejected", "unscored")
        said = [pair["scores"][axis]["value"] for axis in MODEL_AXES if axis != SAFETY]
        if None in said:
            assert pair["vlm"] is None
        else:
            assert 1 <= pair["vlm"] <= 10
            assert pair["vlm"] == pytest.approx(1 + 9 * sum(said) / len(said))
    told = [pair["vlm"] for pair in found["pairs"] if pair["vlm"] is not None]
    assert found["overall"]["vlm"] == (pytest.approx(sum(told) / len(told)) if told else None)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_torch")
def test_an_editto_makes_the_edits_of_a_split_once_and_a_model_judges_them(
    run: Path, tmp_path: Path, server: ScriptedServer
) -> None:
    from agent.evaluate.editto import editto
    from tests.tiny_editto import tiny_editto

    model = tiny_editto(tmp_path / "model")
    quick = ("--set", "sampling.num_steps=1", "--set", "guidance_scale=1", "--set", "placement.device=cpu")
    served = (f"servers.vlm.base_urls={server.base_url}", f"servers.vlm.model={server.model}", "judge.votes=1")
    asked = ("--data", run, "--model", model, *quick, "--most", 2, "--workers", 1, "--profile", "served", *served)
    found = evaluated(*asked, "--html", tmp_path / "r.html")
    assert found["judge"] == server.model
    assert [pair["vlm"] for pair in found["pairs"]] == [8, 8]
    assert found["overall"]["vlm"] == 8
    assert [pair["decision"] for pair in found["pairs"]].count("unreadable") == 0
    assert "editto.safetensors" in found["edits"]
    made = sorted((model / "evaluation" / "edits").iterdir())
    assert sorted(pair["edited"] for pair in found["pairs"]) == [str(path) for path in made]
    assert all("/edited/" in pair["reference"] for pair in found["pairs"])
    assert len(check_page((tmp_path / "r.html").read_text()).all("img")) == 2 * 12
    settings = [setting for setting in quick if setting != "--set"]
    moved = tmp_path / "moved"
    (model / "evaluation").rename(tmp_path / "edits")
    model.rename(moved)
    key = editto(str(moved), None, settings).key
    first = next((tmp_path / "edits" / "edits").iterdir())
    assert sum(is_there(first, pair, key) for pair in own_pairs(run, "test")) == 1, "what is there is not made again"
    assert editto(str(moved), None, settings[1:]).key != key
    card = (moved / "editto.json").read_text()
    (moved / "editto.json").write_text(card.replace('"steps": 1', '"steps": 2'))
    assert editto(str(moved), None, settings).key != key


def is_there(path: Path, pair: EvaluationPair, key: str) -> bool:
    def never(*_: object) -> None:
        raise ValueError("made again")

    try:
        return Made(never, key, path.parent.parent, None).of(pair).edited == path
    except NoEdit:
        return False


def test_a_model_that_cannot_be_used_is_refused_in_a_line(run: Path, tmp_path: Path) -> None:
    def problem(*arguments: object) -> str:
        return line_of(problem_of("agent.evaluate", "--data", run, *arguments))

    assert "has no editto.json" in problem("--model", tmp_path)
    assert "--base REPO" in problem("--model", tmp_path / "x.safetensors")
    assert "--out has no meaning without --model" in problem("--out", tmp_path)
    both = problem_of("agent.evaluate", "--data", run, "--model", tmp_path, "--edits", tmp_path)
    assert "not allowed with argument" in both


def test_a_disk_too_full_for_the_page_costs_no_figure(run: Path, small_disk: Path) -> None:
    """Hours of judging may lie behind: what was found is printed first."""
    (small_disk / "rest").write_bytes(b"0" * (6 * 2**20 - 8192))
    done = call("agent.evaluate", "--data", run, "--most", 1, "--workers", 1, "--json", "--html", small_disk / "r.html")
    assert (done.returncode, len(json.loads(done.stdout)["pairs"])) == (1, 1)
    assert re.search(r"No space left on device while --html '.*r\.html' was written", line_of(done.stderr))
    assert [path.name for path in small_disk.iterdir()] == ["rest"]


def test_a_page_may_be_read_by_whom_the_umask_lets(run: Path, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        evaluated("--data", run, "--most", 1, "--workers", 1, "--html", tmp_path / "r.html")
    finally:
        os.umask(before)
    assert (tmp_path / "r.html").stat().st_mode & 0o777 == 0o640
