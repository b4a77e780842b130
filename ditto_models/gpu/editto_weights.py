"""What was trained of a Wan-VACE, put into its transformer: whole weights or a LoRA, by any of the names in use.

Files that `ditto_models.train` writes, and published ones: DiffSynth's LoRA keys of the released Editto
(`vace_blocks.0.self_attn.q.lora_A.default.weight`), whole context branches, and whole transformers in their authors'
names. Every key must find its weight (lora_names.py), and what changes nothing is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ditto_models.executors.of_call import note
from ditto_models.gpu.lora import Fused, LoraConfig, put, with_lora
from ditto_models.gpu.lora_names import is_change, parameters_of
from ditto_models.gpu.tensor_file import tensors_of
from ditto_models.gpu.weights import WeightsError


def with_editto(transformer: Any, file: Path) -> None:
    """Put what was trained into a WanVACETransformer3DModel; its weights change for good, in their own precision.

    Raises:
        WeightsError: the file is torn, has keys that find no weight here, weights of other shapes or not finite, or
            changes nothing; or the transformer is quantized already.
    """
    if any(map(is_change, tensors_of(file))):
        note(str(with_lora(transformer, LoraConfig(repo=str(file.parent), file=file.name))))
        return
    report = _with_weights(transformer, file)
    if not report.changed:
        raise WeightsError(
            f"{file.name!r} holds {len(report.unchanged)} weights as they are in the base already; "
            "expected what was trained of it"
        )
    note(str(report))


def _with_weights(transformer: Any, file: Path) -> Fused:
    from safetensors import safe_open

    places = dict(transformer.named_parameters())
    norms = {}
    with safe_open(file, framework="pt") as weights:
        keys = parameters_of(file.name, weights.keys(), transformer)
        for parameter, key in keys.items():
            value, weight = weights.get_slice(key), places[parameter]
            if tuple(value.get_shape()) != tuple(weight.shape):
                raise WeightsError(
                    f"{file.name!r}, weight {parameter!r}: is of shape {tuple(value.get_shape())}, "
                    f"expected {tuple(weight.shape)}; is it of another model?"
                )
        for parameter, key in keys.items():
            where = f"{file.name!r}, weight {parameter!r}"
            norms[parameter] = put(places[parameter], weights.get_tensor(key), where)
    return Fused.of(file.name, "transformer", norms, kind="weights")
