"""What was trained of a Wan-VACE finds its place by any name in use, to the last bit, or is refused in a line."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ditto_models.executors.of_call import call_scope
from ditto_models.gpu.editto_weights import with_editto
from ditto_models.gpu.lora_names import own_name, own_parameter
from ditto_models.gpu.weights import WeightsError
from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.random_base import TINY
from ditto_models.train.trainable import Branch, Linear, made_trainable
from tests.lora_files import Keys, saved

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]
NAMINGS: dict[str, Callable[[str], str]] = {
    "diffusers": lambda name: name,
    "diffusers, of a pipeline": lambda name: f"transformer.{name}",
    "Wan's authors": own_parameter,
    "DiffSynth, prefix kept": lambda name: f"pipe.vace.{own_parameter(name)}",
    "ComfyUI": lambda name: f"model.diffusion_model.{own_parameter(name)}",
}


@pytest.fixture(scope="module")
def base(quick_torch: None) -> Any:
    declare_operators()
    from diffusers import WanVACETransformer3DModel

    torch.manual_seed(0)
    return WanVACETransformer3DModel(**TINY).eval()


@pytest.fixture(scope="module")
def trained(base: Any) -> Any:
    """One with another context branch."""
    other = copy.deepcopy(base)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in other.named_parameters():
        if name.startswith("vace_"):
            parameter.data += torch.randn(parameter.shape, generator=generator)
    return other


@pytest.fixture
def transformer(base: Any) -> Any:
    return copy.deepcopy(base)


def weights_of(transformer: Any, begin: str = "vace_") -> Keys:
    return {name: each.detach() for name, each in transformer.named_parameters() if name.startswith(begin)}


def assert_same(one: Any, other: Any) -> None:
    for name, each in one.named_parameters():
        assert torch.equal(each, other.get_parameter(name)), name


@pytest.mark.parametrize("naming", NAMINGS)
def test_a_context_branch_in_any_naming_is_put_in_to_the_last_bit(
    naming: str, transformer: Any, trained: Any, tmp_path: Path
) -> None:
    saved(tmp_path, {NAMINGS[naming](name): each for name, each in weights_of(trained).items()}, "editto.safetensors")
    with call_scope() as notes:
        with_editto(transformer, tmp_path / "editto.safetensors")
    assert_same(transformer, trained)
    count = len(weights_of(trained))
    assert notes[0].startswith(f"weights editto.safetensors: changed {count} of {count} weights of transformer by ")


def test_a_whole_transformer_in_its_authors_names_is_put_in(transformer: Any, trained: Any, tmp_path: Path) -> None:
    saved(tmp_path, {own_parameter(name): each for name, each in weights_of(trained, "").items()}, "all.safetensors")
    with_editto(transformer, tmp_path / "all.safetensors")
    assert_same(transformer, trained)


@pytest.mark.parametrize("trains", [Linear(), Branch()], ids=lambda trains: trains.kind)
def test_what_one_training_changed_is_all_that_another_base_gets(
    trains: Any, transformer: Any, trained: Any, base: Any, tmp_path: Path
) -> None:
    names = set(made_trainable(copy.deepcopy(base), trains))
    saved(tmp_path, {name: each for name, each in weights_of(trained).items() if name in names}, "e.safetensors")
    with_editto(transformer, tmp_path / "e.safetensors")
    for name, each in transformer.named_parameters():
        assert torch.equal(each, (trained if name in names else base).get_parameter(name)), name


@pytest.mark.parametrize(
    "key",
    [
        lambda module, part: f"{own_name(module)}.lora_{part}.default.weight",
        lambda module, part: f"transformer.{module}.lora_{part}.weight",
        lambda module, part: f"diffusion_model.{own_name(module)}.lora_{ {'A': 'down', 'B': 'up'}[part] }.weight",
    ],
    ids=["the released Editto", "diffusers", "ComfyUI"],
)
def test_a_lora_on_every_linear_layer_of_the_context_blocks_is_fused(
    key: Callable[[str, str], str], transformer: Any, base: Any, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(2)
    expected: Keys = {}
    keys: Keys = {}
    for name, each in weights_of(base, "vace_blocks").items():
        if each.ndim == 2 and name.endswith(".weight"):
            down, up = (torch.randn(size, generator=generator) for size in ((4, each.shape[1]), (each.shape[0], 4)))
            module = name.removesuffix(".weight")
            keys |= {key(module, "A"): down, key(module, "B"): up}
            expected[name] = each + up @ down
    saved(tmp_path, keys, "lora.safetensors")
    with_editto(transformer, tmp_path / "lora.safetensors")
    assert len(expected) == 2 * (4 + 4 + 2 + 1) + 1
    for name, each in transformer.named_parameters():
        assert torch.allclose(each, expected.get(name, base.get_parameter(name)), atol=1e-5), name


def test_half_precision_takes_them_in_its_own(base: Any, trained: Any, tmp_path: Path) -> None:
    transformer = copy.deepcopy(base).bfloat16()
    saved(tmp_path, weights_of(trained), "e.safetensors")
    with_editto(transformer, tmp_path / "e.safetensors")
    assert all(each.dtype == torch.bfloat16 for each in transformer.parameters())
    name = "vace_blocks.0.proj_out.weight"
    assert torch.equal(transformer.get_parameter(name), trained.get_parameter(name).bfloat16())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda keys: keys | {"vace_blocks.9.proj_out.weight": torch.ones(1)}, "1 of its keys find no weight in Wan"),
        (lambda keys: {f"x.{name}": each for name, each in keys.items()}, "of its keys find no weight"),
        (
            lambda keys: keys | {"vace_blocks.0.after_proj.bias": torch.ones(48)},
            "names 'vace_blocks.0.proj_out.bias' twice",
        ),
        (lambda keys: {name: each[:1] for name, each in keys.items()}, "is of shape"),
        (lambda keys: {name: each * float("nan") for name, each in keys.items()}, "is not finite"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: Callable[[Keys], Keys], said: str, transformer: Any, trained: Any, base: Any, tmp_path: Path
) -> None:
    saved(tmp_path, change(weights_of(trained)), "e.safetensors")
    with pytest.raises(WeightsError, match=said):
        with_editto(transformer, tmp_path / "e.safetensors")
    assert_same(transformer, base)


def test_what_changes_nothing_or_is_torn_is_refused(transformer: Any, base: Any, tmp_path: Path) -> None:
    saved(tmp_path, weights_of(base), "e.safetensors")
    with pytest.raises(WeightsError, match="as they are in the base already"):
        with_editto(transformer, tmp_path / "e.safetensors")
    file = tmp_path / "e.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(WeightsError, match="cut short"):
        with_editto(transformer, file)
