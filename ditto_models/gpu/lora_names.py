"""How files name Wan's weights and changes to them: diffusers and PEFT, Wan's authors (lightx2v, DiffSynth), kohya.

Rather than rewrite every naming into one, each weight of the transformer at hand is listed under all of its names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ditto_models.gpu.weights import WeightsError

_PREFIX = re.compile(
    r"^(base_model\.model\.)?(model\.)?(diffusion_model\.|transformer_2\.|transformer\.|pipe\.(?:dit|vace)\.|lora_unet_)?"
)
_KINDS = (
    (re.compile(r"\.(lora_A|lora_down)(\.[\w-]+)?\.weight$"), "down"),
    (re.compile(r"\.(lora_B|lora_up)(\.[\w-]+)?\.weight$"), "up"),
    (re.compile(r"\.alpha$"), "alpha"),
    (re.compile(r"\.(diff_b|lora_B(\.[\w-]+)?\.bias)$"), "bias"),
    (re.compile(r"\.diff$"), "whole"),
)
_OF_WAN = (
    (r"^proj_out$", "head.head"),
    (r"^scale_shift_table$", "head.modulation"),
    (r"^condition_embedder\.time_embedder\.linear_1$", "time_embedding.0"),
    (r"^condition_embedder\.time_embedder\.linear_2$", "time_embedding.2"),
    (r"^condition_embedder\.text_embedder\.linear_1$", "text_embedding.0"),
    (r"^condition_embedder\.text_embedder\.linear_2$", "text_embedding.2"),
    (r"^condition_embedder\.time_proj$", "time_projection.1"),
    (r"\.scale_shift_table$", ".modulation"),
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"\.to_([qkv])$", r".\1"),
    (r"\.to_out\.0$", ".o"),
    (r"\.add_([kv])_proj$", r".\1_img"),
    (r"\.norm_added_k$", ".norm_k_img"),
    (r"\.ffn\.net\.0\.proj$", ".ffn.0"),
    (r"\.ffn\.net\.2$", ".ffn.2"),
    (r"\.norm2$", ".norm3"),
    (r"\.proj_in$", ".before_proj"),
    (r"\.proj_out$", ".after_proj"),
)
"""diffusers' name of a module of Wan and its authors'. Their norm2 has no weights, so norm3 means one thing."""


@dataclass(kw_only=True)
class Change:
    """The keys of a file that change one parameter: a pair of factors `down` and `up`, or a `whole` difference."""

    parameter: str
    down: str = ""
    up: str = ""
    alpha: str = ""
    whole: str = ""
    stated_alpha: float | None = None
    """As the file's header has it for all weights."""


def changes_of(file: str, keys: Iterable[str], transformer: Any, header: Mapping[str, str]) -> list[Change]:
    """What a LoRA's keys change in a transformer.

    Raises:
        WeightsError: keys that find no weight, or a weight whose keys are incomplete or doubled.
    """
    stated = _stated_alpha(file, header)
    parameters = {name for name, _ in transformer.named_parameters()}
    names = _names(parameters)
    changes: dict[str, Change] = {}
    left = []
    for key in keys:
        parameter, kind = _meant(key, names)
        if parameter not in parameters:
            left.append(key)
            continue
        change = changes.setdefault(parameter, Change(parameter=parameter, stated_alpha=stated))
        if getattr(change, kind):
            raise WeightsError(f"lora {file!r} names {parameter!r} twice, by {getattr(change, kind)!r} and {key!r}")
        setattr(change, kind, key)
    if left or not changes:
        example = f", for example {left[0]!r}" if left else ""
        raise WeightsError(
            f"lora {file!r}: {len(left)} of its keys find no weight in {type(transformer).__name__}{example}; "
            "expected a LoRA of this model, or name what to leave out in `leave`"
        )
    for change in changes.values():
        if bool(change.up) != bool(change.down) or bool(change.up) == bool(change.whole):
            raise WeightsError(
                f"lora {file!r} has half a pair for {change.parameter!r}, or a pair and a difference; "
                "expected up and down, or diff"
            )
    return list(changes.values())


def _meant(key: str, names: Mapping[str, str]) -> tuple[str, str]:
    """Which parameter a key means, and which part of its Change it is; empty where it is unknown."""
    for pattern, kind in _KINDS:
        match = pattern.search(key)
        if match is not None:
            weight = names.get(_PREFIX.sub("", key[: match.start()]), "")
            return (weight.removesuffix("weight") + "bias", "whole") if kind == "bias" else (weight, kind)
    return "", ""


def _names(parameters: Iterable[str]) -> dict[str, str]:
    """Each parameter that a LoRA may change, under all names of its module."""
    names: dict[str, str] = {}
    for parameter in parameters:
        if parameter.endswith(".bias"):
            continue
        module = parameter.removesuffix(".weight")
        for name in (module, own_name(module)):
            names.setdefault(name, parameter)
            names.setdefault(name.replace(".", "_"), parameter)
    return names


def own_name(module: str) -> str:
    """What Wan's authors call a module, or table, of diffusers' transformer; as it is where they are of one mind."""
    for pattern, replacement in _OF_WAN:
        module = re.sub(pattern, replacement, module)
    return module


def own_parameter(parameter: str) -> str:
    """What they call a parameter."""
    module, _, kind = parameter.rpartition(".")
    return f"{own_name(module)}.{kind}" if kind in ("weight", "bias") else own_name(parameter)


def is_change(key: str) -> bool:
    """Whether a key of a file is part of a change to a weight, rather than a weight."""
    return any(pattern.search(key) for pattern, _ in _KINDS)


def parameters_of(file: str, keys: Iterable[str], transformer: Any) -> dict[str, str]:
    """The keys of a file of whole weights, by the parameter that each is for.

    Raises:
        WeightsError: keys that find no parameter, or one that is named twice.
    """
    names: dict[str, str] = {}
    for parameter, _ in transformer.named_parameters():
        names |= {parameter: parameter, own_parameter(parameter): parameter}
    found: dict[str, str] = {}
    left = []
    for key in keys:
        parameter = names.get(_PREFIX.sub("", key), "")
        if not parameter:
            left.append(key)
        elif parameter in found:
            raise WeightsError(f"{file!r} names {parameter!r} twice, by {found[parameter]!r} and {key!r}")
        else:
            found[parameter] = key
    if left or not found:
        example = f", for example {left[0]!r}" if left else ""
        raise WeightsError(
            f"{file!r}: {len(left)} of its keys find no weight in {type(transformer).__name__}{example}; "
            "expected what was trained of this model"
        )
    return found


def _stated_alpha(file: str, header: Mapping[str, str]) -> float | None:
    """PEFT's alpha, which diffusers writes into the header of a file that it saves."""
    said = json.loads(header.get("lora_adapter_metadata", "{}"))
    settings = {key.removeprefix("transformer."): value for key, value in said.items()}
    if settings.get("alpha_pattern") or settings.get("use_rslora") or settings.get("use_dora"):
        raise WeightsError(f"lora {file!r} has alpha_pattern, rsLoRA or DoRA, which are not read; expected plain LoRA")
    alpha = settings.get("lora_alpha")
    return None if alpha is None else float(alpha)
