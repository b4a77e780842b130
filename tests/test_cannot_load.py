"""Networks that cannot be loaded are the run's fault: told in one line, at best before it begins, and no clip's end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.campaign import Limits
from agent.nodes import is_of_sample
from agent.second_look import LookFailed, build_second_look
from ditto_models.base import EditRequest, Frame, Frames, Mask
from ditto_models.executors.base import Executor, WorkerLost
from ditto_models.executors.in_process import InProcessExecutor
from ditto_models.executors.workers import WorkerExecutor, WorkersConfig
from ditto_models.gpu.cannot_load import CannotLoad
from ditto_models.gpu.network import DoesNotFit, OutOfMemory
from ditto_models.gpu.tensor_file import WeightsError
from memory.ledger import Ledger
from tests.commands import call
from tests.expert import expert
from tests.fake_networks import FakeConfig, FakeNetwork
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake
from tests.fakes import FakeEditor
from tests.scripted_server import ScriptedServer
from tests.served import served_by


class NetworkEditor(FakeNetwork):
    """Edits once its folder is there."""

    def edit(self, frame: Frame, mask: Mask, request: EditRequest) -> Frame:
        self.process()
        return FakeEditor().edit(frame, mask, request)


@pytest.mark.parametrize("networks", ["{kind: threads}", "{kind: workers, devices: [cpu]}"])
def test_a_network_that_cannot_be_loaded_ends_the_run_and_no_sample(tmp_path: Path, networks: str) -> None:
    clips, run, folder = make_clips(tmp_path / "clips"), tmp_path / "run", tmp_path / "weights"
    profile = fake_profile(f"networks={networks}")
    models = fake_models(profile, editor=NetworkEditor(FakeConfig(folder=folder)))
    with pytest.raises(CannotLoad, match=r"'fake' cannot be loaded: FileNotFoundError: .*weights"):
        run_fake(run, clips, target=1, profile=profile, models=models)
    ledger = Ledger(run / "ledger.sqlite")
    assert {row.sample.decision for row in ledger.rows()} <= {None}
    ledger.close()
    folder.mkdir()
    outcome, decided = run_fake(run, clips, target=1, profile=profile, models=models, limits=Limits(target=1))
    assert (outcome, [sample.decision for sample in decided]) == ("target met", ["accepted"])


def test_what_ends_a_run_and_what_a_sample() -> None:
    assert not is_of_sample(WeightsError("no such folder"))
    assert not is_of_sample(DoesNotFit("never held its weights"))
    assert is_of_sample(OutOfMemory("this call alone"))
    assert is_of_sample(WorkerLost("crashed"))


class FailingEmbedder:
    name = "failing"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def embed_pictures(self, frames: Frames) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OutOfMemory("dinov2 ran out of memory"), LookFailed),
        (WorkerLost("hung"), LookFailed),
        (RuntimeError("cuDNN error:\n\x1b[1mstatus"), LookFailed),
        (WeightsError("no such folder"), WeightsError),
    ],
    ids=str,
)
def test_a_network_that_fails_on_sources_ends_the_run_and_rejects_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception]
) -> None:
    profile = fake_profile(
        "clips.checks=[near_duplicate]", "fingerprint={kind: dinov2, weights: {repo: /nowhere/dinov2}}"
    )

    def failing(_: object, executor: Executor) -> object:
        made = build_second_look(profile, executor)
        return replace(made, networks=replace(made.networks, fingerprint=FailingEmbedder(error)))

    monkeypatch.setattr("agent.session.build_second_look", failing)
    run, clips = tmp_path / "run", make_clips(tmp_path / "clips")
    with pytest.raises(raised) as told:
        run_fake(run, clips, target=1, profile=profile)
    assert str(told.value).isprintable()
    ledger = Ledger(run / "ledger.sqlite")
    assert {fate.outcome for fate in ledger.sources.fates()} == {"pending"}
    assert len(ledger.sources.to_look_at(9)) == 2
    ledger.close()


def test_what_went_wrong_while_loading_arrives_from_a_worker_as_such(tmp_path: Path) -> None:
    for executor in (InProcessExecutor(1), WorkerExecutor(WorkersConfig(devices=("cpu",)))):
        with pytest.raises(CannotLoad, match="'fake' cannot be loaded: FileNotFoundError"):
            asyncio.run(executor.run(FakeNetwork(FakeConfig(folder=tmp_path / "no")).process))
        executor.close()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("editor.weights.repo=/nowhere/weights", "editor.weights: weights '/nowhere/weights': no such folder"),
        ("editor.weights.repo={here}", "editor.weights: weights '{here}' have no *.safetensors"),
        ("generator.loras=[{{repo: {here}, file: no.safetensors}}]", "have no file 'no.safetensors'"),
        ("clips.frames=100", "generator: 100 frames, needs 4k+1; clips.frames=97 or 101"),
        ("clips.size_multiple=2", "multiples of 2, needs multiples of 16; clips.size_multiple=16"),
    ],
)
def test_a_run_whose_networks_could_not_work_is_refused_before_its_folder_is_made(
    tmp_path: Path, override: str, said: str
) -> None:
    clips, run = make_clips(tmp_path / "clips", count=1), tmp_path / "run"
    kinds = ("masker={kind: selfie}", "target_masker={kind: none}", "enhancer={kind: temporal}", "disk.min_free_gb=0")
    where = ("--profile", "gpu", "--clips", clips, "--out", run, "--target", 1, "networks={kind: threads}")
    with ScriptedServer(expert()) as server:
        done = call("agent.run", *where, *kinds, *served_by(server), override.format(here=clips))
    [line] = done.stderr.splitlines()
    assert said.format(here=clips) in line
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert not run.exists()


def test_ingest_is_refused_so_too(tmp_path: Path) -> None:
    clips, run = make_clips(tmp_path / "clips", count=1), tmp_path / "run"
    where = ("--clips", clips, "--out", run)
    for override in ("fingerprint={kind: dinov2, weights: {repo: /nowhere/x}}", "networks={kind: workers}"):
        done = call("agent.ingest", *where, override)
        [line] = done.stderr.splitlines()
        assert "/nowhere/x" in line or "networks.devices: auto asked for" in line
        assert not run.exists()
