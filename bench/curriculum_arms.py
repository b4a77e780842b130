"""One arm of the test of the curriculum with one seed: trained by the product's trainer, then measured."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from bench.curriculum_base import vace_of
from bench.curriculum_clips import pairs
from bench.curriculum_codec import LinearCodec
from bench.curriculum_measures import decoded, edit_applied, generated, held_out_loss
from bench.curriculum_pairs import BUCKET, ProceduralItems
from bench.curriculum_setting import Setting
from ditto_models.gpu.editto_card import WEIGHTS
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.train.recipe import DataConfig, EmaConfig, LoggingConfig, OptimizerConfig, PublishedBase, Recipe
from ditto_models.train.step import StepResult
from ditto_models.train.trainable import Branch
from ditto_models.train.trainer import train

TRAINED, HELD_OUT, NEW, PILOT = 10, 11, 12, 13
"""Seeds of the scenes of each list of pairs."""


class ArmResult(BaseModel):
    """Of one arm and seed; means over held-out pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: str
    seed: int
    seconds: float
    """Of training alone."""
    curve: tuple[tuple[int, float], ...]
    """Held-out loss with the instruction alone by step, of some of the pairs and of the weights as they were."""
    loss: float
    """The first endpoint: held-out loss with the instruction alone, of the moving average."""
    applied: float
    """The second: edit applied, with the instruction alone."""
    loss_with_key: float
    loss_of_new: float
    """Of edits of a shape that were never trained."""
    applied_of_new: float
    applied_by_kind: dict[str, float]


class Data:
    """Pairs of the three lists, encoded."""

    def __init__(self, setting: Setting, codec: LinearCodec, held_out: int = HELD_OUT) -> None:
        self.codec = codec
        self.trained = ProceduralItems(pairs(TRAINED, setting.num_pairs), codec)
        self.held_out_pairs = pairs(held_out, setting.num_held_out)
        self.held_out = ProceduralItems(self.held_out_pairs, codec)
        self.new = ProceduralItems(pairs(NEW, setting.num_held_out, held_back=True), codec)


def folder_of(arm: str, seed: int) -> str:
    """Name of the folder of an arm and seed."""
    return f"{arm.replace(',', '').replace(' ', '-')}-{seed}"


def recipe_of(setting: Setting, arm: str, seed: int) -> Recipe:
    """Of an arm: only `curriculum` differs between arms of a seed, and the steps of the one that makes more."""
    return Recipe(
        base=PublishedBase(repo="base"),
        trains=Branch(),
        data=DataConfig(buckets=(BUCKET,)),
        curriculum=setting.curriculum(arm),
        noise=setting.noise,
        optimizer=OptimizerConfig(
            learning_rate=setting.learning_rate, warmup_steps=setting.warmup_steps, batch_size=setting.batch
        ),
        ema=EmaConfig(decay=setting.average),
        steps=setting.steps_of(arm),
        seed=seed,
        device="cpu",
        precision="float32",
        gradient_checkpointing=False,
        logging=LoggingConfig(tensorboard=False),
    )


def run_arm(
    setting: Setting, arm: str, seed: int, base: Path, data: Data, folder: Path, say: Callable[[str], None]
) -> ArmResult:
    """Train and measure it, unless its result is there already."""
    kept = folder / "result.json"
    if kept.is_file():
        return ArmResult.model_validate_json(kept.read_bytes())
    shutil.rmtree(folder, ignore_errors=True)  # one that was interrupted begins anew: its curve is not kept
    network = vace_of(base, seed)
    held_out = data.held_out.all()[: setting.looked_at]
    curve, looked = [(0, float(np.mean(held_out_loss(network, held_out, setting))))], 0.0
    lately: list[StepResult] = []

    def watch(done: int, result: StepResult) -> None:
        nonlocal looked
        lately.append(result)
        if done % setting.look_every == 0:
            started = time.perf_counter()
            curve.append((done, float(np.mean(held_out_loss(network, held_out, setting)))))
            looked += time.perf_counter() - started
            trained = float(np.mean([each.loss for each in lately[-100:]]))
            say(f"{arm}, seed {seed}: step {done}, loss {trained:.4f}, held out {curve[-1][1]:.4f}")

    started = time.perf_counter()
    buckets = [(pair, BUCKET) for pair in data.trained.pairs]
    train(
        recipe_of(setting, arm, seed),
        network,
        data.trained,
        buckets,
        folder,
        base=WeightsConfig(repo="base"),
        watch=watch,
    )
    seconds = time.perf_counter() - started - looked
    result = _measured(with_result(network, folder), setting, arm, seed, data, seconds, tuple(curve))
    kept.write_text(result.model_dump_json(indent=1) + "\n")
    return result


def with_result(network: Any, folder: Path) -> Any:
    """The network with what a training left."""
    from safetensors.torch import load_file

    unexpected = network.load_state_dict(load_file(folder / WEIGHTS), strict=False).unexpected_keys
    if unexpected:
        raise ValueError(f"{str(folder / WEIGHTS)!r} holds {unexpected[:3]}, which the network lacks")
    return network


def _measured(
    network: Any,
    setting: Setting,
    arm: str,
    seed: int,
    data: Data,
    seconds: float,
    curve: tuple[tuple[int, float], ...],
) -> ArmResult:
    applied = applied_to(network, data.held_out, setting, data.codec)
    kinds = np.array([pair.kind for pair in data.held_out_pairs])
    return ArmResult(
        arm=arm,
        seed=seed,
        seconds=seconds,
        curve=curve,
        loss=float(np.mean(held_out_loss(network, data.held_out.all(), setting))),
        applied=float(applied.mean()),
        loss_with_key=float(np.mean(held_out_loss(network, data.held_out.all(), setting, with_key=True))),
        loss_of_new=float(np.mean(held_out_loss(network, data.new.all(), setting))),
        applied_of_new=float(applied_to(network, data.new, setting, data.codec).mean()),
        applied_by_kind={str(kind): float(applied[kinds == kind].mean()) for kind in np.unique(kinds)},
    )


def applied_to(network: Any, items: ProceduralItems, setting: Setting, codec: LinearCodec) -> np.ndarray:
    """Of each item; source and edited clip as the codec brings them back, so that its own error does not count."""
    made = generated(network, items.all(), setting)
    return np.array(
        [
            edit_applied(decoded(codec, latents), decoded(codec, item.source_CTHW), decoded(codec, item.edited_CTHW))
            for latents, item in zip(made, items.all(), strict=True)
        ]
    )
