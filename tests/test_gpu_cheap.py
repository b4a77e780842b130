"""Fewer bits, other kernels, compiled, offloaded: each by a field of the Config, and close to the plain network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ditto_models.gpu.attention import NoSuchAttention
from ditto_models.gpu.placement import DeviceConfig, device_of, placed
from ditto_models.gpu.quantize import CannotQuantize, quantized_layers
from ditto_models.gpu.single_file import SingleFileConfig, transformer_of
from ditto_models.gpu.weights import WeightsError
from ditto_models.train.random_base import TINY
from tests.tiny_calls import copied, error_of, forward, loaded_vace, placement
from tests.tiny_wan import tiny_vace

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_torch")]

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vace(tmp_path_factory.mktemp("vace"))


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Any:
    return loaded_vace(folder)


@pytest.fixture
def pipeline(loaded: Any) -> Any:
    return copied(loaded)


@pytest.fixture(scope="module")
def plain(loaded: Any) -> torch.Tensor:
    return forward(loaded.transformer)


@pytest.mark.parametrize(
    ("quantization", "bound"),
    [("int8_weight", 0.01), ("int8_dynamic", 0.02), ("fp8_weight", 0.05), ("fp8_layerwise", 0.05)],
)
def test_quantized_is_close_to_full_and_smaller(
    quantization: str, bound: float, pipeline: Any, plain: torch.Tensor
) -> None:
    """Bounds are about twice what was measured: .003, .006, .02 and .02 of the output's norm."""
    transformer = placed(pipeline, placement(quantization=quantization)).transformer
    assert 1e-4 < error_of(forward(transformer), plain) < bound
    linear = transformer.blocks[1].ffn.net[2].weight
    assert (linear.dtype == torch.float8_e4m3fn) or type(linear).__name__ in ("Int8Tensor", "Float8Tensor")


@pytest.mark.parametrize("quantization", ["int8_weight", "fp8_weight", "fp8_layerwise"])
def test_what_is_few_and_matters_is_left_alone(quantization: str, pipeline: Any) -> None:
    transformer = placed(pipeline, placement(quantization=quantization)).transformer
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


def test_layers_that_see_one_row_are_not_left_to_kernels_that_want_more() -> None:
    from diffusers import QwenImageTransformer2DModel

    with torch.device("meta"):
        transformer = QwenImageTransformer2DModel(num_layers=1)
    kept = quantized_layers(transformer, "int8_weight") - quantized_layers(transformer, "int8_dynamic")
    assert kept == {"transformer_blocks.0.img_mod.1", "transformer_blocks.0.txt_mod.1"}
    assert "transformer_blocks.0.attn.to_q" in quantized_layers(transformer, "fp8_dynamic")


def test_fp8_units_are_asked_for_before_anything_is_changed(pipeline: Any, plain: torch.Tensor) -> None:
    with pytest.raises(CannotQuantize, match=r"needs a GPU .* 'cpu' has no CUDA: choose fp8_weight"):
        placed(pipeline, placement(quantization="fp8_dynamic"))
    assert torch.equal(forward(pipeline.transformer), plain)


def test_a_transformer_without_blocks_is_not_left_full_in_silence() -> None:
    with pytest.raises(CannotQuantize, match="Linear has no repeated blocks"):
        placed(SimpleNamespace(transformer=torch.nn.Linear(4, 4)), placement(quantization="int8_weight"))


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with config and a GGUF file of 8 bits in Wan's own naming, and the transformer it was made from."""
    import gguf as of_gguf
    from diffusers import WanVACETransformer3DModel

    from ditto_models.gpu.lora_names import own_name

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("gguf")
    transformer = WanVACETransformer3DModel(**{**TINY, "attention_head_dim": 32}).eval()
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
    with pytest.raises(CannotQuantize, match="is quantized by its file"):
        placed(SimpleNamespace(transformer=packed), placement(quantization="int8_weight"))
    with pytest.raises(WeightsError, match=r"have no file 'no\.gguf'"):
        transformer_of(
            WanVACETransformer3DModel, file.model_copy(update={"file": "no.gguf"}), folder, "transformer", None
        )


def test_another_attention_kernel_gives_the_same_and_stays_its_own(pipeline: Any, plain: torch.Tensor) -> None:
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    before = _AttentionBackendRegistry.get_active_backend()[0]
    transformer = placed(pipeline, placement(attention="_native_math")).transformer
    assert transformer.blocks[0].attn1.processor._attention_backend == "_native_math"
    assert error_of(forward(transformer), plain) < 1e-5
    assert _AttentionBackendRegistry.get_active_backend()[0] == before, "other networks choose for themselves"


@pytest.mark.parametrize("attention", ["flash", "sage", "_native_cudnn"])
def test_an_attention_kernel_that_does_not_run_here_is_refused_at_load(attention: str, pipeline: Any) -> None:
    with pytest.raises(NoSuchAttention, match=rf"attention '{attention}' does not run here, on 'cpu'.*choose 'native'"):
        placed(pipeline, placement(attention=attention))


@pytest.fixture
def quick_compiler() -> Iterator[None]:
    """torch's tracer with its eager backend: inductor takes 50 s here for these two kinds of block."""
    torch.compiler.set_default_backend("eager")
    yield
    torch.compiler.set_default_backend(None)
    torch.compiler.reset()


def test_compiled_by_region_gives_the_same(quick_compiler: None, pipeline: Any, plain: torch.Tensor) -> None:
    transformer = placed(pipeline, placement(compile="regional", offload="group")).transformer
    assert transformer.blocks[0]._compiled_call_impl is not None
    assert error_of(forward(transformer), plain) < 1e-5
    assert error_of(forward(transformer), plain) < 1e-5


@pytest.mark.soak
def test_compiled_to_machine_code_gives_the_same(pipeline: Any, plain: torch.Tensor) -> None:
    assert error_of(forward(placed(pipeline, placement(compile="regional")).transformer), plain) < 1e-5


def test_a_gpu_that_is_not_there_is_named_before_cuda_breaks_over_it() -> None:
    with pytest.raises(ValueError, match=r"placement.device is 'cuda:1', yet this process sees 0 GPUs"):
        device_of(DeviceConfig(device="cuda:1"))
    assert device_of(DeviceConfig(device="auto")).type == "cpu"
