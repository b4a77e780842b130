"""A trained Editto as other programs name it comes back the same, and a LoRA in place of whole weights says how close
it is."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.editto_card import BASE, WEIGHTS, EdittoCard
from ditto_models.gpu.editto_weights import with_editto
from ditto_models.gpu.lora_names import own_parameter
from ditto_models.gpu.weights import WeightsConfig
from ditto_models.torchvision_cpu import declare_operators
from ditto_models.train.export import export, main
from ditto_models.train.export_keys import FORMATS, LORA_FORMATS, Format
from ditto_models.train.low_rank import low_rank
from ditto_models.train.random_base import save_random_base
from ditto_models.train.result import exported, save_result
from ditto_models.train.trainable import Branch, Linear, Lora, made_trainable

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]
TRAINS = {each.kind: each for each in (Linear(), Branch(), Lora(rank=4, alpha=8))}


@pytest.fixture(scope="module")
def base(quick_torch: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    declare_operators()
    return save_random_base(tmp_path_factory.mktemp("base") / BASE, "tiny")


@pytest.fixture(scope="module")
def transformer(base: Path) -> Any:
    from diffusers import WanVACETransformer3DModel

    return WanVACETransformer3DModel.from_pretrained(base, subfolder="transformer").eval()


@pytest.fixture(scope="module")
def models(base: Path, transformer: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder as training leaves it, by what trained."""
    made: dict[str, Path] = {}
    for kind, trains in TRAINS.items():
        folder = tmp_path_factory.mktemp(kind)
        (folder / BASE).symlink_to(base)
        generator = torch.Generator().manual_seed(3)
        parameters = made_trainable(copy.deepcopy(transformer), trains)
        trained = {
            name: each.detach() + torch.randn(each.shape, generator=generator) / 9 for name, each in parameters.items()
        }
        card = EdittoCard(
            base=WeightsConfig(repo=BASE),
            kind=trains.kind,
            steps=1,
            is_average=False,
            buckets=(Bucket(frames=9, height=48, width=80),),
            key_frame_at_end=0.0,
            snapshot_hash="",
            num_pairs=1,
            recipe_hash="",
            created_at="",
        )
        save_result(folder, card, exported(trains, trained))
        made[kind] = folder
    return made


def put_in(transformer: Any, file: Path) -> dict[str, torch.Tensor]:
    changed = copy.deepcopy(transformer)
    with_editto(changed, file)
    return {name: each.detach() for name, each in changed.named_parameters()}


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name] - other[name]).detach().abs().max()) for name in other)


@pytest.mark.parametrize(
    ("kind", "form"),
    [(kind, form) for kind in TRAINS for form in FORMATS if kind == "lora" or form not in LORA_FORMATS],
)
def test_what_is_written_comes_back_the_same(
    kind: str, form: Format, models: dict[str, Path], transformer: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out.safetensors"
    done = export(models[kind], form, out)
    expected = put_in(transformer, models[kind] / WEIGHTS)
    found = put_in(transformer, out)
    # Adding a difference rounds once more.
    assert difference(found, expected) <= (1e-6 if form == "comfyui" else 0)
    assert (done.relative_error, done.left_out) == (None, 0)
    assert done.tensors == len(load_file(out))


def test_names_are_those_of_the_programs(models: dict[str, Path], transformer: Any, tmp_path: Path) -> None:
    def keys(kind: str, form: Format) -> set[str]:
        export(models[kind], form, tmp_path / f"{kind} {form}.safetensors")
        return set(load_file(tmp_path / f"{kind} {form}.safetensors"))

    branch = {name for name, _ in transformer.named_parameters() if name.startswith("vace_")}
    for kind in TRAINS:  # all of it, so that another program can load it strictly
        assert keys(kind, "diffusers") == branch
        assert keys(kind, "diffsynth") == {own_parameter(name) for name in branch}
    assert "vace_blocks.0.self_attn.q.lora_A.default.weight" in keys("lora", "diffsynth_lora")
    assert {
        "diffusion_model.vace_blocks.1.ffn.0.lora_down.weight",
        "diffusion_model.vace_blocks.1.ffn.0.lora_up.weight",
        "diffusion_model.vace_blocks.1.ffn.0.alpha",
        "diffusion_model.vace_blocks.0.before_proj.alpha",
    } < keys("lora", "comfyui_lora")
    assert {
        "diffusion_model.vace_blocks.0.cross_attn.o.diff",
        "diffusion_model.vace_blocks.0.cross_attn.o.diff_b",
        "diffusion_model.vace_blocks.1.modulation.diff",
        "diffusion_model.vace_blocks.1.norm3.diff_b",
        "diffusion_model.vace_patch_embedding.diff",
    } < keys("branch", "comfyui")
    with safe_open(tmp_path / "lora comfyui_lora.safetensors", framework="pt") as file:
        assert file.metadata()["base_model"] == BASE


def test_diffusers_own_loaders_read_it(models: dict[str, Path], transformer: Any, base: Path, tmp_path: Path) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler, WanVACEPipeline

    export(models["linear"], "diffusers", tmp_path / "branch.safetensors")
    theirs = copy.deepcopy(transformer)
    assert not theirs.load_state_dict(load_file(tmp_path / "branch.safetensors"), strict=False).unexpected_keys
    assert difference(dict(theirs.named_parameters()), put_in(transformer, models["linear"] / WEIGHTS)) == 0
    export(models["lora"], "diffusers_lora", tmp_path / "lora.safetensors")
    pipeline = WanVACEPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=None,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        transformer=copy.deepcopy(transformer),
    )
    pipeline.load_lora_weights(tmp_path, weight_name="lora.safetensors")
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    fused = dict(pipeline.transformer.named_parameters())
    assert difference(fused, put_in(transformer, models["lora"] / WEIGHTS)) < 1e-5
    assert difference(fused, dict(transformer.named_parameters())) > 0.1


@pytest.mark.parametrize("kind", ["linear", "branch"])
@pytest.mark.parametrize("form", LORA_FORMATS)
def test_a_lora_for_whole_weights_says_how_close_it_is(
    kind: str, form: Format, models: dict[str, Path], transformer: Any, tmp_path: Path
) -> None:
    before = {name: each.detach() for name, each in transformer.named_parameters()}
    expected = put_in(transformer, models[kind] / WEIGHTS)
    errors: list[float] = []
    for rank in (4, 16, 96):
        done = export(models[kind], form, tmp_path / "lora.safetensors", rank=rank)
        found = put_in(transformer, tmp_path / "lora.safetensors")
        lost = sum(float((found[name] - expected[name]).norm()) ** 2 for name in expected)
        whole = sum(float((expected[name] - before[name]).norm()) ** 2 for name in expected)
        assert done.relative_error is not None
        assert done.relative_error == pytest.approx((lost / whole) ** 0.5, abs=1e-4)
        assert (done.left_out > 0) is (form != "comfyui_lora")
        errors.append(done.relative_error)
    assert errors[0] > errors[1] > errors[2]
    assert (errors[2] < 1e-4) is (form == "comfyui_lora"), "only ComfyUI's takes biases beside it"


def test_a_matrix_of_low_rank_is_found_again_and_the_largest_directions_first() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(70, 6, generator=generator) @ torch.randn(6, 90, generator=generator)
    found = low_rank(matrix, 6)
    assert torch.allclose(found.change, matrix, atol=1e-3)
    assert torch.equal(found.up, low_rank(matrix, 6).up)
    assert (found.down.shape, found.up.shape) == ((6, 90), (70, 6))
    best = float(torch.linalg.svdvals(matrix)[3:].norm())
    assert float((matrix - low_rank(matrix, 3).change).norm()) == pytest.approx(best, rel=1e-3)


def test_half_precision_is_half_as_large(models: dict[str, Path], tmp_path: Path) -> None:
    whole = export(models["branch"], "diffsynth", tmp_path / "a.safetensors")
    half = export(models["branch"], "diffsynth", tmp_path / "b.safetensors", dtype="bf16")
    assert half.bytes < 0.55 * whole.bytes
    assert all(each.dtype == torch.bfloat16 for each in load_file(tmp_path / "b.safetensors").values())


def test_the_command(models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "editto.safetensors"
    to = ["--format", "diffsynth_lora", "--out", str(out)]
    assert main([str(models["linear"]), *to, "--rank", "8", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["file"], said["rank"], said["tensors"]) == (str(out), 8, 46)
    assert main([str(models["linear"]), *to, "--overwrite"]) == 0
    assert re.search(
        r"46 tensors, .* a LoRA of rank 128 lacks \d+\.\d% of the change, of which 23 ", said := outs(capsys)
    )
    for arguments, expected in (
        ([str(models["linear"]), *to], "is there already"),
        ([str(tmp_path), *to], "has no editto.json"),
        ([str(models["lora"]), *to, "--overwrite", "--rank", "4"], "--rank 4 with --format diffsynth_lora"),
        ([str(models["lora"]), "--format", "diffusers", "--out", str(tmp_path / "a.pt")], "no .safetensors file"),
        (
            [str(models["lora"]), "--format", "diffusers", "--out", str(models["lora"] / WEIGHTS), "--overwrite"],
            "lies in CKPT itself",
        ),
    ):
        assert main(arguments) == 2
        assert expected in capsys.readouterr().err
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def outs(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out
