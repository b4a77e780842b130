"""agent.run as a script meets it: exit codes, and one line of error.

Refusals are called in this process rather than each in one of its own, which takes a second or two to start.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ditto_models import assets, video
from memory.owner import Owner
from tests.commands import ROOT, call, line_of, problem_of, run_command
from tests.fake_run import make_clips

pytestmark = pytest.mark.slow

TINY = ("clips.frames=9", "clips.max_width=192", "clips.max_height=108")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--target"),
        (("--target", "0"), "'0' is not a whole number from 1 up"),
        (("--target", "some"), "'some' is not a whole number from 1 up"),
        (("--target", "1", "--concurrency", "-1"), "'-1' is not a whole number from 1 up"),
        (("--target", "1", "--nonsense"), "--nonsense"),
        (("--target", "1", "--seed", "x"), "--seed"),
    ],
)
def test_arguments_that_do_not_parse_are_told_last_on_stderr(arguments: tuple[str, ...], told: str) -> None:
    assert told in problem_of("agent.run", *arguments).splitlines()[-1]


def test_a_missing_folder_is_one_line_and_leaves_no_run(tmp_path: Path) -> None:
    arguments = ("--target", 1, "--clips", tmp_path / "nowhere", "--out", tmp_path / "run")
    done = run_command("agent.run", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere' is not a folder" in line_of(done.stderr)
    assert problem_of("agent.run", *arguments) == done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("clips.frames=0", "clips.frames"),
        ("nonsense=1", "nonsense"),
        ("clips.frames", "no '='"),
        ("masker.kind=oracle", "masker.kind is 'oracle'; expected one of selfie"),
        ("generator.nonsense=1", "nonsense"),
    ],
)
def test_a_bad_setting_is_one_line_and_leaves_no_run(tmp_path: Path, override: str, told: str) -> None:
    clips = make_clips(tmp_path / "clips", count=1)
    error = problem_of("agent.run", "--target", 1, "--clips", clips, "--out", tmp_path / "run", override)
    assert told in line_of(error)
    assert not (tmp_path / "run").exists()


def test_an_unknown_profile_and_a_run_that_is_a_file_are_one_line(tmp_path: Path) -> None:
    clips = make_clips(tmp_path / "clips", count=1)
    both = ("--target", 1, "--clips", clips, "--out", tmp_path / "file")
    (tmp_path / "file").write_text("")
    assert "not a folder" in line_of(problem_of("agent.run", *both))
    assert "'nonsense' not found" in line_of(problem_of("agent.run", *both, "--profile", "nonsense"))


@pytest.mark.parametrize("part", ["", "artifacts", "dataset/shard-00000"])
def test_a_run_is_not_made_of_its_own_videos(tmp_path: Path, part: str) -> None:
    clips = make_clips(tmp_path / "run" / part, count=1)
    for command, target in (("agent.run", ("--target", 1)), ("agent.ingest", ())):
        error = line_of(problem_of(command, *target, "--clips", clips, "--out", tmp_path / "run"))
        assert "would be taken for clips" in error
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_clips_that_are_used_up_are_exit_code_3_then_a_changed_seed_is_refused(tmp_path: Path) -> None:
    clips = make_clips(tmp_path / "clips", count=2)
    (clips / "words.mp4").write_text("words")
    # The settings stand on both sides of the options: both are read.
    arguments = ("clips.min_height=40", "--target", 2, "--clips", clips, "--out", tmp_path / "run", "clips.frames=30")
    done = run_command("agent.run", *arguments)
    assert (done.returncode, done.stderr) == (3, "")
    assert "clip0.mp4: rejected, too short" in done.stdout
    assert "words.mp4: rejected, unreadable" in done.stdout
    assert "clips used up: 0 of 2" in done.stdout
    assert "seed: 0 -> 5" in line_of(problem_of("agent.run", *arguments, "--seed", 5))
    assert call("agent.run", *arguments, "--seed", 5, "--accept-config").returncode == 3
    listed = json.loads(call("agent.inspect", tmp_path / "run", "--json").stdout)
    assert {Path(source["uri"]).name: source["outcome"] for source in listed["sources"]} == {
        "clip0.mp4": "rejected",
        "clip1.mp4": "rejected",
        "words.mp4": "rejected",
    }


def test_a_run_that_another_process_owns_is_refused(tmp_path: Path) -> None:
    clips = make_clips(tmp_path / "clips", count=1)
    (tmp_path / "run").mkdir()
    with Owner(tmp_path / "run"):
        done = call("agent.run", "--target", 1, "--clips", clips, "--out", tmp_path / "run")
    assert done.returncode == 1
    assert "is owned by pid" in line_of(done.stderr)


@pytest.fixture(scope="module")
def real_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a real clip."""
    folder = tmp_path_factory.mktemp("real")
    window = video.read_window(assets.ensure("bigbuckbunny"), 1.0, None, 27, 192, 108)
    video.write(folder / "bunny.mp4", window.frames, window.fps)
    return folder


@pytest.mark.slow
def test_a_target_that_is_met_is_exit_code_0_and_the_same_command_makes_no_more(
    tmp_path: Path, real_clips: Path
) -> None:
    run = tmp_path / "run"
    arguments = ("--target", 2, "--clips", real_clips, "--out", run, *TINY, "clips.min_height=100")
    done = run_command("agent.run", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "target met: 2 of 2" in done.stdout
    lines = (run / "dataset/shard-00000/metadata.jsonl").read_text()
    assert len(lines.splitlines()) == 2
    again = call("agent.run", *arguments)
    assert (again.returncode, again.stderr) == (0, "")
    assert (run / "dataset/shard-00000/metadata.jsonl").read_text() == lines
    listed = json.loads(call("agent.inspect", run, "--decision", "accepted", "--json").stdout)
    assert {sample["id"] for sample in listed["samples"]} == {json.loads(line)["id"] for line in lines.splitlines()}
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in log if line["event"] == "session ended"] == ["target met", "target met"]


@pytest.mark.slow
def test_an_interrupted_run_is_exit_code_1_and_resumes(tmp_path: Path, real_clips: Path) -> None:
    arguments = ["--target", "2", "--clips", str(real_clips), "--out", str(tmp_path / "run"), *TINY]
    arguments += ["clips.min_height=100", "--concurrency", "1"]
    command = [sys.executable, "-m", "agent.run", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "describe_clip" in line:
                process.send_signal(signal.SIGINT)
                break
        out, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (1, "")
    assert "the same command resumes where it stopped" in out
    assert call("agent.run", *arguments).returncode == 0
