"""In bfloat16 a network is trained as it computes once it is loaded to edit, whatever trains, however it is spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ditto_models.gpu.editto_weights import with_editto
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.placement import PlacementConfig
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.train.learner import Learner
from ditto_models.train.precision import kept_in_float32
from ditto_models.train.processes import Processes
from ditto_models.train.random_base import TEXT_DIMENSIONS, save_random_base
from ditto_models.train.result import exported
from ditto_models.train.step import Sample
from tests.tiny_training import BUCKET, ItemsInMemory, pairs_in_buckets, tiny_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]
TRAINS: dict[str, dict[str, Any]] = {
    "linear": {"kind": "linear"},
    "branch": {"kind": "branch"},
    "lora": {"kind": "lora", "rank": 4, "alpha": 8},
}


@pytest.fixture(scope="module")
def base(quick_torch: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_base(tmp_path_factory.mktemp("precision") / "base", "tiny")


def loaded(base: Path) -> Any:
    """The transformer, as for editing on a GPU."""
    left_out: dict[str, Any] = dict.fromkeys(("vae", "text_encoder", "tokenizer"))
    placement = PlacementConfig(device="cpu", dtype="bfloat16")
    return load_pipeline("WanVACEPipeline", WeightsConfig(repo=str(base)), placement, **left_out).transformer


def trained(transformer: Any, trains: str, checkpointing: bool, folder: Path) -> None:
    """Two steps large enough to be seen in bfloat16; what they changed goes into a folder's editto.safetensors."""
    recipe = tiny_recipe(
        precision="bf16",
        trains=TRAINS[trains],
        ema=None,
        gradient_checkpointing=checkpointing,
        optimizer={"learning_rate": 0.01},
    )
    learner = Learner(recipe, transformer, Processes.of(recipe))
    assert {each.dtype for each in learner.parameters.values()} == {torch.float32}
    samples = [
        Sample(place=place, pair_id=pair.id, item=ItemsInMemory().get(pair, bucket))
        for place, (pair, bucket) in enumerate(pairs_in_buckets(2))
    ]
    for number in range(2):
        learner.step(number, samples)
    weights = {name: each.detach() for name, each in learner.parameters.items()}
    save_file(exported(recipe.trains, weights), folder / "editto.safetensors")


def velocity(transformer: Any) -> torch.Tensor:
    """Of one noisy video, as WanVACEPipeline asks for it."""
    generator = torch.Generator().manual_seed(3)
    size = (BUCKET.frames // 4 + 1, BUCKET.height // 8, BUCKET.width // 8)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(torch.bfloat16)

    made: torch.Tensor = transformer(
        hidden_states=noise(1, 16, *size),
        timestep=torch.tensor([833.25]),
        encoder_hidden_states=noise(1, 8, TEXT_DIMENSIONS),
        control_hidden_states=noise(1, 96, *size),
        return_dict=False,
    )[0]
    return made


def seen_and_edited(base: Path, folder: Path, trains: str, checkpointing: bool) -> tuple[torch.Tensor, ...]:
    """What a network that was trained computes where it is trained, what the editor makes of it, and of the base."""
    in_training, editor = loaded(base), loaded(base)
    trained(in_training, trains, checkpointing, folder)
    seen = velocity(in_training)
    assert seen.requires_grad
    with torch.no_grad():
        before = velocity(editor)
        with_editto(editor, folder / "editto.safetensors")
        return seen.detach(), velocity(editor), before


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("trains", ["linear", "branch"])
def test_a_network_computes_in_training_what_it_will_as_an_editor_to_the_last_bit(
    base: Path, tmp_path: Path, trains: str, checkpointing: bool
) -> None:
    seen, edited, before = seen_and_edited(base, tmp_path, trains, checkpointing)
    assert seen.dtype == edited.dtype == torch.bfloat16
    assert torch.equal(seen, edited)
    assert not torch.equal(seen, before)


def test_a_lora_differs_by_what_is_lost_as_it_is_fused_into_bfloat16_weights(base: Path, tmp_path: Path) -> None:
    seen, edited, before = (each.float() for each in seen_and_edited(base, tmp_path, "lora", True))
    assert (seen - edited).norm() < 0.02 * edited.norm()
    assert (seen - edited).norm() < 0.2 * (edited - before).norm()


def test_what_trains_in_a_module_of_no_one_type_is_refused() -> None:
    layer = torch.nn.Bilinear(2, 2, 2, dtype=torch.bfloat16)
    with pytest.raises(TypeError, match=r"a Bilinear trains in torch.bfloat16; expected float32, or one of Linear"):
        kept_in_float32(layer)
