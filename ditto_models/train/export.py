"""Write a trained Editto as one file that other programs read.

python -m ditto_models.train.export CKPT --format F --out FILE [--rank R] [--dtype bf16] [--overwrite] [--json]

Exit code: 0 written; 2 bad arguments, or CKPT is no finished training; 1 anything else, with no file left behind.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ditto_models.command import CommandError, command
from ditto_models.gpu.editto_card import read_card
from ditto_models.gpu.tensor_file import WeightsError
from ditto_models.train.export_keys import (
    FORMATS,
    LORA_FORMATS,
    Format,
    LoraFormat,
    branch_keys,
    difference_keys,
    lora_keys,
)

if TYPE_CHECKING:
    import torch

    from ditto_models.train.trained_weights import TrainedWeights

DEFAULT_RANK = 128
_FORMATS = """\
formats:
  diffusers        the whole context branch, for WanVACETransformer3DModel.load_state_dict(..., strict=False)
  diffsynth        the same in Wan's own names, as DiffSynth-Studio saves and loads its pipe.vace
  comfyui          the exact differences of all that was trained, for ComfyUI's LoRA loader
  diffusers_lora   a LoRA, for WanVACEPipeline.load_lora_weights
  diffsynth_lora   a LoRA, for DiffSynth-Studio's pipe.load_lora(pipe.vace, ...)
  comfyui_lora     a LoRA, for ComfyUI's LoRA loader
A training of whole weights is exported as a LoRA that comes close to it; how close is told.
"""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written."""

    file: str
    format: Format
    tensors: int
    bytes: int
    rank: int | None
    """Of a LoRA that stands for whole weights."""
    relative_error: float | None
    """Of that LoRA: what it lacks of the whole change, 0 to 1."""
    left_out: int
    """Weights whose change the format cannot hold."""


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m ditto_models.train.export",
        description="Write a trained Editto as one file that other programs read.",
        epilog=_FORMATS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("model", type=Path, metavar="CKPT", help="folder that ditto_models.train wrote")
    made.add_argument("--format", required=True, choices=FORMATS, metavar="F", help="one of those below")
    made.add_argument("--out", required=True, type=Path, metavar="FILE", help="a .safetensors file")
    made.add_argument(
        "--rank", type=int, metavar="R", help=f"of a LoRA that stands for whole weights (default: {DEFAULT_RANK})"
    )
    made.add_argument("--dtype", choices=("float32", "bf16"), help="default: as it was trained")
    made.add_argument("--overwrite", action="store_true", help="replace FILE where it is there already")
    made.add_argument("--json", action="store_true", help="for scripts")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)

    def body() -> int:
        try:
            read_card(options.model)
        except WeightsError as error:
            raise CommandError(str(error)) from error
        _check_out(options.out, options.overwrite)
        done = export(options.model, options.format, options.out, rank=options.rank, dtype=options.dtype)
        print(json.dumps(asdict(done), indent=2) if options.json else _told(done))
        return 0

    return command(body)


def export(model: Path, form: Format, out: Path, *, rank: int | None = None, dtype: str | None = None) -> Exported:
    """Write what was trained to `out`, whole or not at all; a file of that name is replaced.

    Raises:
        CommandError: `rank` does not suit what was trained, or `out` lies in CKPT under its own name.
        WeightsError: CKPT is no finished training, or its base cannot be had.
    """
    from ditto_models.gpu.weights import resolved
    from ditto_models.train.trained_weights import TrainedWeights
    from ditto_models.train.whole_file import save_tensors

    if out.resolve().parent == model.resolve():
        raise CommandError(f"--out {str(out)!r} lies in CKPT itself; name a file elsewhere")
    trained = TrainedWeights(model)
    is_fitted = form in LORA_FORMATS and trained.card.kind != "lora"
    if rank is not None and (rank < 1 or not is_fitted):
        raise CommandError(
            f"--rank {rank} with --format {form} of a training of kind {trained.card.kind!r}; expected a rank of 1 or "
            "more, and only where a LoRA is to stand for whole weights"
        )
    error, left_out = None, 0
    if form == "comfyui":
        tensors = difference_keys(trained.differences())
    elif form == "diffusers" or form == "diffsynth":
        tensors = branch_keys(form, trained.branch())
    elif is_fitted:
        rank = rank or DEFAULT_RANK
        tensors, error, left_out = _fitted(trained, form, rank)
    else:
        tensors = lora_keys(form, trained.factors())
    out.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(out, _cast(tensors, dtype), {"format": "pt", "base_model": resolved(trained.card.base)})
    return Exported(
        file=str(out),
        format=form,
        tensors=len(tensors),
        bytes=out.stat().st_size,
        rank=rank,
        relative_error=error,
        left_out=left_out,
    )


def _fitted(trained: TrainedWeights, form: LoraFormat, rank: int) -> tuple[dict[str, torch.Tensor], float, int]:
    fitted = trained.fitted(rank)
    tensors = lora_keys(form, fitted.factors)
    if form == "comfyui_lora":
        return tensors | difference_keys(fitted.rest), fitted.relative_error(with_rest=True), 0
    return tensors, fitted.relative_error(with_rest=False), len(fitted.rest)


def _cast(tensors: dict[str, torch.Tensor], dtype: str | None) -> dict[str, torch.Tensor]:
    import torch

    kinds = {"float32": torch.float32, "bf16": torch.bfloat16}
    return {
        name: (each.to(kinds[dtype]) if dtype and not name.endswith(".alpha") else each).contiguous()
        for name, each in tensors.items()
    }


def _check_out(out: Path, overwrite: bool) -> None:
    if out.suffix != ".safetensors":
        raise CommandError(f"--out {str(out)!r} is no .safetensors file; expected FILE.safetensors")
    if out.exists() and not (overwrite and out.is_file()):
        raise CommandError(f"--out {str(out)!r} is there already; name another file, or give --overwrite")


def _told(done: Exported) -> str:
    text = f"{done.file}: {done.tensors} tensors, {done.bytes / 1e6:.1f} MB, as {done.format}"
    if done.relative_error is not None:
        text += f"; a LoRA of rank {done.rank} lacks {done.relative_error:.1%} of the change"
    if done.left_out:
        text += f", of which {done.left_out} biases and other weights that no LoRA holds"
    return text


if __name__ == "__main__":
    sys.exit(main())
