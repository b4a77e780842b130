"""A LoRA in any naming is fused whole and changes what it says; one that does not fit is refused in a line."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from ditto_models.executors.of_call import call_scope
from ditto_models.gpu.lora import Fused, LoraConfig, with_loras
from ditto_models.gpu.lora_names import own_name
from ditto_models.gpu.weights import WeightsError, located
from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.random_base import TINY
from tests.lora_files import NAMINGS, RANK, WEIGHTS, Factors, Keys, factors, saved
from tests.tiny_calls import forward

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]


@pytest.fixture(scope="module")
def transformer(quick_torch: None) -> Any:
    declare_operators()
    from diffusers import WanVACETransformer3DModel

    torch.manual_seed(0)
    return WanVACETransformer3DModel(**TINY).eval()


@pytest.fixture
def pipeline(transformer: Any) -> Any:
    """One that may be changed, with one expert."""
    from diffusers import FlowMatchEulerDiscreteScheduler, WanVACEPipeline

    return WanVACEPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=None,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        transformer=copy.deepcopy(transformer),
    )


@pytest.fixture(scope="module")
def trained(transformer: Any) -> Factors:
    return factors(transformer)


def config(folder: Path, **fields: Any) -> LoraConfig:
    return LoraConfig(**{"repo": str(folder), "file": "lora.safetensors", **fields})


def by_hand(transformer: Any, of: Factors, weight: float = 1.0) -> Any:
    expected = copy.deepcopy(transformer)
    for name, (down, up) in of.items():
        expected.get_submodule(name).weight.data += weight * up @ down
    return expected


@pytest.mark.parametrize("naming", NAMINGS)
def test_each_naming_changes_the_output_by_as_much(
    naming: str, pipeline: Any, transformer: Any, trained: Factors, tmp_path: Path
) -> None:
    with call_scope() as notes:
        (fused,) = with_loras(pipeline, [config(saved(tmp_path, NAMINGS[naming](trained)))])
    expected = forward(by_hand(transformer, trained))
    assert torch.allclose(forward(pipeline.transformer), expected, atol=1e-5)
    assert not torch.allclose(forward(transformer), expected, atol=1e-2)
    assert set(fused.changed) == {f"{name}.weight" for name in WEIGHTS}
    assert notes == [str(fused)]
    assert "changed 5 of 5 weights of transformer by " in notes[0]


def test_diffusers_own_loader_fuses_the_same(pipeline: Any, transformer: Any, trained: Factors, tmp_path: Path) -> None:
    of_blocks = {name: pair for name, pair in trained.items() if not name.startswith("vace_")}
    folder = saved(tmp_path, NAMINGS["lightx2v A and B"](of_blocks))
    with_loras(pipeline, [config(folder, weight=0.7)])
    theirs = type(pipeline)(**{**pipeline.components, "transformer": copy.deepcopy(transformer)})
    theirs.load_lora_weights(folder, weight_name="lora.safetensors")
    theirs.fuse_lora(lora_scale=0.7)
    assert torch.allclose(forward(pipeline.transformer), forward(theirs.transformer), atol=1e-5)


def test_every_parameter_of_wan_has_its_authors_name(transformer: Any) -> None:
    """diffusers' conversion of whole checkpoints is the judge."""
    from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers

    ours = [name for name, _ in transformer.named_parameters()]
    theirs = {}
    for name in ours:
        module, kind = re.fullmatch(r"(.*?)((?:\.(?:weight|bias))?)", name).groups()  # type: ignore[union-attr]
        theirs[own_name(module) + kind] = torch.zeros(())
    assert len(set(theirs) - set(ours)) > 100
    assert set(convert_wan_transformer_to_diffusers(theirs)) == set(ours)


def test_the_change_is_measured(pipeline: Any, transformer: Any, trained: Factors, tmp_path: Path) -> None:
    one = {"blocks.0.attn1.to_q": trained["blocks.0.attn1.to_q"]}
    (fused,) = with_loras(pipeline, [config(saved(tmp_path, NAMINGS["bare"](one)), weight=0.5)])
    down, up = one["blocks.0.attn1.to_q"]
    expected = 0.5 * (up @ down).norm() / transformer.blocks[0].attn1.to_q.weight.detach().norm()
    assert fused.relative_change == pytest.approx(float(expected), rel=1e-4)


def test_loras_add_up_and_each_expert_takes_its_own(
    pipeline: Any, transformer: Any, trained: Factors, tmp_path: Path
) -> None:
    pipeline.register_modules(transformer_2=copy.deepcopy(transformer))
    other = factors(transformer, seed=6)
    saved(tmp_path, NAMINGS["lightx2v"](trained))
    saved(tmp_path, NAMINGS["kohya"](other), name="other.safetensors")
    fused = with_loras(
        pipeline,
        [
            config(tmp_path, transformer="both"),
            config(tmp_path, file="other.safetensors", transformer="transformer_2", weight=-1.0),
        ],
    )
    assert [each.transformer for each in fused] == ["transformer", "transformer_2", "transformer_2"]
    once = by_hand(transformer, trained)
    assert torch.allclose(forward(pipeline.transformer), forward(once), atol=1e-5)
    assert torch.allclose(forward(pipeline.transformer_2), forward(by_hand(once, other, -1.0)), atol=1e-5)


def test_whole_differences_of_norms_biases_and_tables_are_added(
    pipeline: Any, transformer: Any, trained: Factors, tmp_path: Path
) -> None:
    keys = NAMINGS["lightx2v"](trained) | {
        "diffusion_model.blocks.0.self_attn.norm_q.diff": torch.full((48,), 0.5),
        "diffusion_model.blocks.0.norm3.diff": torch.zeros(48),
        "diffusion_model.blocks.0.self_attn.q.diff_b": torch.full((48,), 0.25),
        "diffusion_model.blocks.0.modulation.diff": torch.full((1, 6, 48), 0.125),
        "diffusion_model.head.head.diff": torch.ones(64, 48),
        "diffusion_model.patch_embedding.diff": torch.ones(48, 16, 1, 2, 2),
    }
    (fused,) = with_loras(pipeline, [config(saved(tmp_path, keys))])
    changed, before = pipeline.transformer, transformer
    assert torch.allclose(changed.blocks[0].attn1.norm_q.weight, before.blocks[0].attn1.norm_q.weight + 0.5)
    assert torch.allclose(changed.blocks[0].attn1.to_q.bias, before.blocks[0].attn1.to_q.bias + 0.25)
    assert torch.allclose(changed.blocks[0].scale_shift_table, before.blocks[0].scale_shift_table + 0.125)
    assert torch.allclose(changed.proj_out.weight, before.proj_out.weight + 1)
    assert torch.allclose(changed.patch_embedding.weight, before.patch_embedding.weight + 1)
    assert fused.unchanged == ("blocks.0.norm2.weight",)


def test_alpha_comes_from_the_key_the_config_the_header_or_is_the_rank(
    pipeline: Any, transformer: Any, trained: Factors, tmp_path: Path
) -> None:
    keys = NAMINGS["diffusers"](trained)
    header = {"lora_adapter_metadata": json.dumps({"transformer.r": RANK, "transformer.lora_alpha": 2 * RANK})}
    with_loras(pipeline, [config(saved(tmp_path, keys, header=header))])
    assert torch.allclose(forward(pipeline.transformer), forward(by_hand(transformer, trained, 2.0)), atol=1e-4)
    with_loras(pipeline, [config(saved(tmp_path, keys), alpha=-2 * RANK)])
    assert torch.allclose(forward(pipeline.transformer), forward(transformer), atol=1e-4)


def wrong(trained: Factors) -> dict[str, tuple[Keys, str]]:
    right = NAMINGS["lightx2v"](trained)
    first = next(iter(right))
    return {
        "another model's": (
            NAMINGS["bare"]({}) | {"unet.mid.lora_down.weight": torch.ones(4, 4)},
            "1 of its keys find",
        ),
        "empty": ({"": torch.ones(1)}, "find no weight in WanVACETransformer3DModel"),
        "keys left over": (
            right | {"diffusion_model.blocks.9.self_attn.q.diff_b": torch.ones(48)},
            "'diffusion_model.b",
        ),
        "DoRA": (right | {"diffusion_model.blocks.0.self_attn.q.dora_scale": torch.ones(48)}, "dora_scale"),
        "zero": ({key: torch.zeros_like(value) for key, value in right.items()}, "changed none of the 5 weights"),
        "half a pair": (
            {key: value for key, value in right.items() if key != first},
            "half a pair for 'blocks.0.attn1",
        ),
        "another size": (right | {first: torch.ones(RANK, 64)}, r"is of shape \(48, 64\), expected \(48, 48\)"),
        "twice": (right | NAMINGS["bare"](trained), "names 'blocks.0.attn1.to_q.weight' twice"),
        "not finite": (right | {first: torch.full((RANK, 48), torch.inf)}, "is not finite"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "another model's",
        "empty",
        "keys left over",
        "DoRA",
        "zero",
        "half a pair",
        "another size",
        "twice",
        "not finite",
    ],
)
def test_a_wrong_one_is_refused_in_a_line(case: str, pipeline: Any, trained: Factors, tmp_path: Path) -> None:
    keys, said = wrong(trained)[case]
    with pytest.raises(WeightsError, match=said) as refused:
        with_loras(pipeline, [config(saved(tmp_path, keys))])
    assert "lora.safetensors" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_keys_may_be_left_out_by_name(pipeline: Any, trained: Factors, tmp_path: Path) -> None:
    keys = NAMINGS["lightx2v"](trained) | {"diffusion_model.img_emb.proj.1.diff": torch.ones(48)}
    (fused,) = with_loras(pipeline, [config(saved(tmp_path, keys), leave=("*img_emb*",))])
    assert len(fused.changed) == len(WEIGHTS)


def test_one_for_an_expert_that_is_not_there_is_refused(pipeline: Any, trained: Factors, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'transformer_2', which this pipeline does not have"):
        with_loras(pipeline, [config(saved(tmp_path, NAMINGS["bare"](trained)), transformer="both")])


def test_quantized_weights_are_not_fused_into(pipeline: Any, trained: Factors, tmp_path: Path) -> None:
    from ditto_models.gpu.quantize import quantized

    quantized(pipeline.transformer, "int8_weight", torch.device("cpu"), torch.float32)
    with pytest.raises(WeightsError, match="quantized already"):
        with_loras(pipeline, [config(saved(tmp_path, NAMINGS["bare"](trained)))])


def test_only_safetensors_of_a_folder_that_has_them(tmp_path: Path) -> None:
    for file in ("lora.bin", "lora.pt", "/etc/lora.safetensors"):
        with pytest.raises(ValidationError):
            config(tmp_path, file=file)
    with pytest.raises(WeightsError, match=r"have no file 'lora\.safetensors'"):
        located(config(tmp_path))


def test_a_report_reads_as_a_line() -> None:
    fused = Fused(file="a", transformer="transformer", changed=("x",), unchanged=("y",), relative_change=0.0125)
    assert str(fused) == "lora a: changed 1 of 2 weights of transformer by 1.25%"
