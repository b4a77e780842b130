"""Edit a clip as an instruction says, with a trained Editto.

python -m ditto_models.edit CLIP --instruction TEXT --model CKPT --out FILE [--seed S] [--steps N] [--guidance G]
The result has the clip's size, frames, moments and sound; long clips are made in overlapping windows.

Exit code: 0 done; 2 bad arguments, or a clip that cannot be read; 1 anything else, with no file left behind.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ditto_models.command import CommandError, command

if TYPE_CHECKING:
    from ditto_models.gpu.editto import EdittoConfig
    from ditto_models.train.buckets import Bucket


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m ditto_models.edit",
        description="Edit a clip as an instruction says. The result has the clip's size, frames, moments and sound.",
        epilog="Exit code: 0 done; 2 bad arguments, or a clip that cannot be read; 1 anything else.",
    )
    made.add_argument("clip", type=Path, metavar="CLIP", help="a video of any size, length and rate")
    made.add_argument("--instruction", required=True, metavar="TEXT", help='what to change, e.g. "make it snow"')
    made.add_argument(
        "--model", required=True, metavar="CKPT", help="folder that ditto_models.train wrote, or a .safetensors file"
    )
    made.add_argument(
        "--base", metavar="REPO", help="what a .safetensors file was trained of: a hub's name or a folder"
    )
    made.add_argument("--out", required=True, type=Path, metavar="FILE", help="the edited clip: .mp4, .mov or .mkv")
    made.add_argument("--overwrite", action="store_true", help="replace FILE where it is there already")
    made.add_argument("--seed", type=int, default=0, metavar="S", help="another one gives another edit (default: 0)")
    made.add_argument("--steps", type=int, metavar="N", help="more are slower and better (default: 50)")
    made.add_argument(
        "--guidance",
        type=float,
        metavar="G",
        help="how much to stress the instruction; 1 halves the time (default: 5)",
    )
    made.add_argument(
        "--largest",
        metavar="WxHxF",
        help="pixels and frames made at once, at most, e.g. 832x480x81 (default: the nearest size it was trained at)",
    )
    made.add_argument(
        "--carry",
        choices=("frame", "none"),
        default="frame",
        help="whether a later window of a long clip sees a frame of the one before (default: frame)",
    )
    made.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="change a setting of the model, e.g. placement.offload=group; may be given again",
    )
    made.add_argument("--json", action="store_true", help="for scripts")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)

    def body() -> int:
        return _edit(options)

    # Loaded late: `--help` should not wait for networks.
    from ditto_models.container import VideoError
    from ditto_models.gpu.geometry import UnfitVideo
    from ditto_models.gpu.network import OutOfMemory

    return command(body, VideoError, UnfitVideo, OutOfMemory, ArithmeticError)


def _edit(options: argparse.Namespace) -> int:
    from ditto_models.container import VideoError
    from ditto_models.edit_clip import edit_clip
    from ditto_models.edit_progress import EditProgress
    from ditto_models.gpu.editto import Editto
    from ditto_models.timeline import timeline_of

    instruction = " ".join(options.instruction.split())
    if not instruction:
        raise CommandError("--instruction is empty; expected what to change, for example 'make it snow'")
    sizes = sizes_of(options)
    config = config_of(options, sizes)
    _check_out(options.clip, options.out, options.overwrite)
    try:
        clip = timeline_of(options.clip)
    except VideoError as error:
        raise CommandError(str(error)) from error
    with EditProgress(config.sampling.num_steps) as progress:
        edited = edit_clip(
            Editto(config), clip, options.out, instruction, options.seed, sizes, options.carry, progress.told
        )
    for text in edited.notes:
        print(f"note: {text}", file=sys.stderr)
    if options.json:
        print(json.dumps(edited.as_json(), indent=1))
        return 0
    moments = "" if edited.is_steady else ", each shown when its source is"
    print(
        f"{edited.out}: {edited.width}x{edited.height}, {edited.frames} frames at {edited.fps:g} a second{moments}, "
        f"sound {edited.sound}; made at {edited.made_width}x{edited.made_height} in {len(edited.windows)} "
        f"window{'s'[: len(edited.windows) > 1]}, {edited.seconds:g} s"
    )
    return 0


def config_of(options: argparse.Namespace, sizes: Sequence[Bucket]) -> EdittoConfig:
    """The model and its settings, as the arguments say.

    Raises:
        CommandError: there is no such model, or a setting is unknown or out of bounds.
    """
    from pydantic import ValidationError

    from ditto_models.gpu.editto import EdittoConfig
    from ditto_models.settings import first_problem, override

    model = Path(options.model).expanduser()
    values: dict[str, object] = {"sampling": {"kind": "full"}}
    pixels = max(size.width * size.height for size in sizes)
    values["largest"] = {"frames": max(size.frames for size in sizes), "pixels": pixels}
    if model.suffix == ".safetensors":
        if not options.base:
            raise CommandError(f"--model {options.model!r} is a file; name what it was trained of, by --base REPO")
        if not model.is_file():
            raise CommandError(f"--model {options.model!r} is not there; expected a .safetensors file or a folder")
        values |= {"trained": {"repo": str(model.parent), "file": model.name}}
    else:
        values |= {"model": str(model)}
    if options.base:
        values |= {"weights": {"repo": options.base}}
    for text in options.overrides:
        override(values, text, "model", "placement.offload=group")
    if options.steps is not None:
        override(values, f"sampling.num_steps={options.steps}", "model", "sampling.num_steps=30")
    if options.guidance is not None:
        values |= {"guidance_scale": options.guidance}
    try:
        return EdittoConfig.model_validate(values)
    except ValidationError as error:
        raise CommandError(f"model {options.model!r}: {first_problem(error)}") from error


def sizes_of(options: argparse.Namespace) -> tuple[Bucket, ...]:
    """Sizes that it may be made at: as asked, or as it was trained at.

    Raises:
        CommandError: the model has no card, or --largest is no size that Wan can take.
    """
    from pydantic import ValidationError

    from ditto_models.edit_clip import UNCARDED
    from ditto_models.gpu.tensor_file import WeightsError
    from ditto_models.settings import first_problem
    from ditto_models.train.buckets import Bucket
    from ditto_models.train.card import read_card

    if not options.largest:
        model = Path(options.model).expanduser()
        try:
            return (UNCARDED,) if model.suffix == ".safetensors" else read_card(model).buckets
        except WeightsError as error:
            raise CommandError(f"--model: {error}") from error
    found = re.fullmatch(r"(\d+)x(\d+)x(\d+)", options.largest)
    if not found:
        raise CommandError(f"--largest is {options.largest!r}; expected WIDTHxHEIGHTxFRAMES, for example 832x480x81")
    width, height, frames = map(int, found.groups())
    try:
        return (Bucket(width=width, height=height, frames=frames),)
    except ValidationError as error:
        raise CommandError(f"--largest {options.largest!r}: {first_problem(error)}") from error


def _check_out(clip: Path, out: Path, overwrite: bool) -> None:
    from ditto_models.retold import FORMATS

    if out.suffix.lower() not in FORMATS:
        raise CommandError(f"--out {str(out)!r} is of no format that is written; expected one of {', '.join(FORMATS)}")
    if out.exists() and clip.exists() and out.samefile(clip):
        raise CommandError(f"--out {str(out)!r} is the clip itself; name another file")
    if out.exists() and not (overwrite and out.is_file()):
        raise CommandError(f"--out {str(out)!r} is there already; name another file, or give --overwrite")
    if not out.absolute().parent.is_dir():
        raise CommandError(f"--out {str(out)!r}: there is no folder {str(out.parent)!r}; make it, or name another")


if __name__ == "__main__":
    sys.exit(main())
