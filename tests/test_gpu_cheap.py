"""Fewer bits, other kernels, compiled, offloaded: each by a field of the Config, and close to the plain network."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ditto_models.base import EditRequest
from ditto_models.executors.of_call import call_scope
from ditto_models.gpu.attention import NoSuchAttention
from ditto_models.gpu.memory import Descent, descending
from ditto_models.gpu.offload import Visits, offloaded, released
from ditto_models.gpu.placement import PlacementConfig, ease, ladder, placed
from ditto_models.gpu.quantize import CannotQuantize
from ditto_models.gpu.sigmas import FewSteps
from ditto_models.gpu.single_file import SingleFileConfig, transformer_of
from ditto_models.gpu.wan_vace import WanVace, WanVaceConfig
from ditto_models.gpu.weights import WeightsConfig, WeightsError
from tests.tiny_wan import VACE, tiny_vace

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_flush_denormal(True)
    return tiny_vace(tmp_path_factory.mktemp("vace"))


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Any:
    from diffusers import WanVACEPipeline

    pipeline = WanVACEPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def pipeline(loaded: Any) -> Any:
    """One that may be changed."""
    return type(loaded)(**{name: copy.deepcopy(part) for name, part in loaded.components.items()})


@pytest.fixture(scope="module")
def plain(loaded: Any) -> torch.Tensor:
    return forward(loaded.transformer)


@pytest.fixture(scope="module")
def plain_video(loaded: Any) -> torch.Tensor:
    return video(loaded)


def forward(transformer: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        made: torch.Tensor = transformer(
            hidden_states=torch.randn(1, 16, 3, 8, 8, generator=generator),
            timestep=torch.tensor([500]),
            encoder_hidden_states=torch.randn(1, 12, 32, generator=generator),
            control_hidden_states=torch.randn(1, 96, 3, 8, 8, generator=generator),
        ).sample
    return made


def video(pipeline: Any) -> torch.Tensor:
    made: torch.Tensor = pipeline(
        prompt_embeds=torch.randn(1, 12, 32, generator=torch.Generator().manual_seed(2)),
        height=64,
        width=64,
        num_frames=5,
        num_inference_steps=1,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(3),
        output_type="pt",
    ).frames
    return made


def config(**fields: Any) -> PlacementConfig:
    return PlacementConfig(**{"device": "cpu", "dtype": "float32", **fields})


def error_of(made: torch.Tensor, full: torch.Tensor) -> float:
    """Relative: norm of the difference over norm of the full one."""
    return float((made - full).norm() / full.norm())


@pytest.mark.parametrize(
    ("quantization", "bound"),
    [("int8_weight", 0.01), ("int8_dynamic", 0.02), ("fp8_weight", 0.05), ("fp8_layerwise", 0.05)],
)
def test_quantized_is_close_to_full_and_smaller(
    quantization: str, bound: float, pipeline: Any, plain: torch.Tensor
) -> None:
    """Bounds are about twice what was measured: .003, .006, .02 and .02 of the output's norm."""
    transformer = placed(pipeline, config(quantization=quantization)).transformer
    assert 1e-4 < error_of(forward(transformer), plain) < bound
    linear = transformer.blocks[1].ffn.net[2].weight
    assert (linear.dtype == torch.float8_e4m3fn) or type(linear).__name__ in ("Int8Tensor", "Float8Tensor")


@pytest.mark.parametrize("quantization", ["int8_weight", "fp8_weight", "fp8_layerwise"])
def test_what_is_few_and_matters_is_left_alone(quantization: str, pipeline: Any) -> None:
    transformer = placed(pipeline, config(quantization=quantization)).transformer
    left = [
        transformer.patch_embedding,
        transformer.vace_patch_embedding,
        transformer.proj_out,
        transformer.condition_embedder.time_proj,
        transformer.condition_embedder.text_embedder.linear_1,
        transformer.blocks[0].norm2,
        transformer.blocks[0].attn1.norm_q,
    ]
    if quantization != "fp8_layerwise":
        left += [transformer.vace_blocks[0].proj_in, transformer.vace_blocks[1].proj_out]
    assert all(type(module.weight.data) is torch.Tensor and module.weight.dtype == torch.float32 for module in left)


def test_fp8_units_are_asked_for_before_anything_is_changed(pipeline: Any, plain: torch.Tensor) -> None:
    with pytest.raises(CannotQuantize, match=r"needs a GPU .* 'cpu' has no CUDA: choose fp8_weight"):
        placed(pipeline, config(quantization="fp8_dynamic"))
    assert torch.equal(forward(pipeline.transformer), plain)


def test_a_transformer_without_blocks_is_not_left_full_in_silence() -> None:
    with pytest.raises(CannotQuantize, match="Linear has no repeated blocks"):
        placed(SimpleNamespace(transformer=torch.nn.Linear(4, 4)), config(quantization="int8_weight"))


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with config and a GGUF file of 8 bits in Wan's own naming, and the transformer it was made from."""
    import gguf as of_gguf
    from diffusers import WanVACETransformer3DModel

    from ditto_models.gpu.lora_names import own_name

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("gguf")
    transformer = WanVACETransformer3DModel(**{**VACE, "attention_head_dim": 32}).eval()
    transformer.save_config(folder / "transformer")
    writer = of_gguf.GGUFWriter(folder / "vace-Q8_0.gguf", "wan")
    for name, tensor in transformer.state_dict().items():
        module, dot, kind = name.rpartition(".")
        own = own_name(module) + dot + kind if kind in ("weight", "bias") else own_name(name)
        packed = tensor.ndim == 2 and "blocks." in name and "scale_shift" not in name
        how = of_gguf.GGMLQuantizationType.Q8_0 if packed else of_gguf.GGMLQuantizationType.F32
        writer.add_tensor(own, of_gguf.quants.quantize(tensor.numpy(), how), raw_dtype=how)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder, transformer


def test_a_gguf_file_loads_packed_and_is_close_to_full(gguf: tuple[Path, Any]) -> None:
    from diffusers import WanVACETransformer3DModel

    folder, full = gguf
    file = SingleFileConfig(repo=str(folder), file="vace-Q8_0.gguf")
    packed = transformer_of(WanVACETransformer3DModel, file, folder, "transformer", torch.float32)
    assert packed.blocks[0].attn1.to_q.weight.dtype == torch.uint8
    assert 1e-4 < error_of(forward(packed), forward(full)) < 0.02
    with pytest.raises(WeightsError, match=r"there is no 'no\.gguf'"):
        transformer_of(
            WanVACETransformer3DModel, file.model_copy(update={"file": "no.gguf"}), folder, "transformer", None
        )


def test_another_attention_kernel_gives_the_same_and_stays_its_own(pipeline: Any, plain: torch.Tensor) -> None:
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    before = _AttentionBackendRegistry.get_active_backend()[0]
    transformer = placed(pipeline, config(attention="_native_math")).transformer
    assert transformer.blocks[0].attn1.processor._attention_backend == "_native_math"
    assert error_of(forward(transformer), plain) < 1e-5
    assert _AttentionBackendRegistry.get_active_backend()[0] == before, "other networks choose for themselves"


@pytest.mark.parametrize("attention", ["flash", "sage", "_native_cudnn"])
def test_an_attention_kernel_that_does_not_run_here_is_refused_at_load(attention: str, pipeline: Any) -> None:
    with pytest.raises(NoSuchAttention, match=rf"attention '{attention}' does not run here, on 'cpu'.*choose 'native'"):
        placed(pipeline, config(attention=attention))


@pytest.fixture
def quick_compiler() -> Iterator[None]:
    """torch's tracer with its eager backend: inductor takes 50 s here for these two kinds of block."""
    torch.compiler.set_default_backend("eager")
    yield
    torch.compiler.set_default_backend(None)
    torch.compiler.reset()


def test_compiled_by_region_gives_the_same(quick_compiler: None, pipeline: Any, plain: torch.Tensor) -> None:
    transformer = placed(pipeline, config(compile="regional", offload="group")).transformer
    assert transformer.blocks[0]._compiled_call_impl is not None
    assert error_of(forward(transformer), plain) < 1e-5
    assert error_of(forward(transformer), plain) < 1e-5


@pytest.mark.soak
def test_compiled_to_machine_code_gives_the_same(pipeline: Any, plain: torch.Tensor) -> None:
    assert error_of(forward(placed(pipeline, config(compile="regional")).transformer), plain) < 1e-5


@pytest.mark.parametrize("offload", ["model", "group", "sequential"])
def test_each_offloading_gives_the_same_video_every_time(
    offload: str, pipeline: Any, plain_video: torch.Tensor
) -> None:
    placed(pipeline, config(offload=offload))
    assert torch.equal(video(pipeline), plain_video)
    assert torch.equal(video(pipeline), plain_video)


def test_one_offloading_follows_another_on_a_loaded_network(pipeline: Any, plain_video: torch.Tensor) -> None:
    placed(pipeline, config())
    for offload in ("model", "group", "sequential", "group", "none"):
        released(pipeline)
        offloaded(pipeline, offload, CPU)
        assert torch.equal(video(pipeline), plain_video), offload


def test_quantized_weights_are_streamed_too(pipeline: Any, plain: torch.Tensor) -> None:
    transformer = placed(pipeline, config(quantization="int8_weight", offload="group")).transformer
    assert 1e-4 < error_of(forward(transformer), plain) < 0.01


def test_steps_go_from_what_costs_least_to_what_saves_most(pipeline: Any) -> None:
    gpu = torch.device("cuda")
    assert ladder(config(), gpu, pipeline) == ("vae_tiling", "model", "group", "sequential")
    assert ladder(config(vae_tiling=True, offload="model"), gpu, pipeline) == ("group", "sequential")
    assert ladder(config(offload="sequential"), gpu, SimpleNamespace(vae=None)) == ()
    assert ladder(config(), CPU, pipeline) == ("vae_tiling",), "a CPU has no other memory to put weights into"


def test_easing_on_a_cpu_tiles_once_and_then_says_that_nothing_is_left(pipeline: Any) -> None:
    placed(pipeline, config())
    assert not pipeline.vae.use_tiling
    assert ease(pipeline, config()) == "encodes and decodes in tiles from now on"
    assert pipeline.vae.use_tiling
    assert ease(pipeline, config()) == ""


def test_a_pipeline_is_placed_as_far_down_as_its_network_has_come(pipeline: Any) -> None:
    descent = Descent()
    with descending(descent):
        placed(pipeline, config())
    assert descent.step().startswith("encodes and decodes in tiles")
    with descending(descent):
        placed(pipeline, config())
    assert pipeline.vae.use_tiling
    assert descent.step() == ""


class Cramped(WanVace):
    """Runs out of memory once while it is put in place."""

    tight = True

    def load(self) -> Any:
        pipeline = super().load()
        if self.tight:
            self.tight = False
            raise torch.OutOfMemoryError("CUDA out of memory")
        return pipeline


def test_a_generator_that_runs_out_of_memory_while_loading_loads_further_down(folder: Path) -> None:
    network = Cramped(
        WanVaceConfig(weights=WeightsConfig(repo=str(folder)), placement=config(), sampling=FewSteps(num_steps=1))
    )
    source = np.zeros((5, 64, 64, 3), np.uint8)
    masks = np.zeros(source.shape[:3], np.float32)
    masks[:, 16:48, 16:48] = 1
    request = EditRequest(
        text="a cat", prompt="a cat", edit_type="add", scope="local", parameters={}, strength=1.0, seed=0
    )
    with call_scope() as notes:
        made = network.generate(source, masks, 0, source[0], request, "mask")
    assert made.shape == source.shape
    assert notes == [f"{network.name}: out of memory, encodes and decodes in tiles from now on"]


def test_a_text_encoder_comes_for_a_call_and_is_dropped_after_it_also_when_it_fails() -> None:
    layer = torch.nn.Linear(4, 4)
    at_home, seen = layer.weight.data_ptr(), []
    # Torch holds "cpu:0" for another device than "cpu" and copies to it.
    visits = Visits(layer, torch.device("cpu", 0))
    layer.register_forward_pre_hook(lambda *_: seen.append(layer.weight.data_ptr()))
    layer(torch.ones(2, 4))
    assert seen[0] != at_home
    assert layer.weight.data_ptr() == at_home
    with pytest.raises(RuntimeError):
        layer(torch.ones(2, 5))
    assert layer.weight.data_ptr() == at_home
    visits.end()
    layer(torch.ones(2, 4))
    assert seen[-1] == at_home
