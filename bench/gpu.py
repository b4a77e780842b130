"""What the GPU networks take: python -m bench.gpu [--only NAME] [--out FILE] [--attention KERNEL] [--tiny]

Networks of the real shapes with random weights made on the device; nothing is downloaded. Seconds, peak memory and the
ratio to the floor (arithmetic over the rate of a large bf16 matrix product, measured first) of key-frame edit, depth,
Wan-VACE, VAE and enhancer; in bf16 and fp8, eager and compiled. The floor is one of bf16 for all: what runs in fp8 may
beat it, VAE and depth, which run in float32, cannot come near it.
A row is written to FILE (JSON lines) as soon as it is measured; what fails is a row that says so.
Exit codes: 0 done, 2 no GPU at hand (--tiny runs tiny shapes on the CPU, which tests the script and measures nothing).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from bench.gpu_meter import MOST_SECONDS, Meter, Row, failed, matrix_rate
from bench.gpu_shapes import REAL, TINY, Shapes
from ditto_models.gpu.attention import Attention
from ditto_models.gpu.placement import PlacementConfig

if TYPE_CHECKING:
    import torch

    from bench.gpu_cases import Case

COLUMNS = ("what", "size", "how", "seconds", "peak GB", "petaFLOP", "floor s", "ratio", "note")
WHOLE = ("wan-vace 14B whole", "enhancer whole")


def main() -> int:
    """Measure and print the table."""
    arguments = _arguments()
    import torch

    from ditto_models.torchvision_cpu import declare_operators

    declare_operators()
    if not arguments.tiny and not torch.cuda.is_available():
        print("no GPU at hand: expected one CUDA device; --tiny tests this script on the CPU", file=sys.stderr)
        return 2
    device = torch.device("cpu" if arguments.tiny else "cuda")
    shapes = TINY if arguments.tiny else REAL
    most_seconds = 0 if arguments.tiny else MOST_SECONDS
    meter = Meter(device, matrix_rate(device, shapes.matrix), most_seconds)
    where = {"device": _name(device), "commit": _commit(), "torch": torch.__version__}
    print(f"{where['device']}, commit {where['commit']}, {meter.rate / 1e12:.2f} TFLOP/s of bf16\n", flush=True)
    rows = []
    print(_line(COLUMNS), _line(["---"] * len(COLUMNS)), sep="\n", flush=True)
    for row in _measured(shapes, arguments, meter):
        rows.append(row)
        print(_line(_cells(row)), flush=True)
        if arguments.out:
            record = asdict(row) | {"ratio": row.ratio, "teraflops": meter.rate / 1e12} | where
            with arguments.out.open("a") as file:
                file.write(json.dumps(record) + "\n")
    return 0


def _measured(shapes: Shapes, arguments: argparse.Namespace, meter: Meter) -> Iterator[Row]:
    from bench.gpu_cases import Cases

    rows: list[Row] = []
    for case in Cases(shapes, _placements(arguments)).all():
        if not any(name in f"{case.name}, {case.how}" for name in arguments.only or [""]):
            continue
        for row in _of_case(case, meter):
            rows.append(row)
            yield row
    yield from _together(rows)


def _of_case(case: Case, meter: Meter) -> Iterator[Row]:
    """Its rows; one more that says so, where the network cannot be made."""
    try:
        for call in case.calls():
            yield from meter.rows(call)
    except Exception as error:  # noqa: BLE001 - the other networks are measured
        yield failed(case.name, "", case.how, error)
    meter.forget()


def _together(rows: Iterable[Row]) -> Iterator[Row]:
    """Generation and enhancement of one video: the sum of the two rows of it."""
    found = {(name, row.size, row.how): row for row in rows for name in WHOLE if row.name.startswith(name)}
    for (name, size, how), made in found.items():
        cleaned = found.get((WHOLE[1], size, how))
        if name == WHOLE[0] and cleaned and made.seconds and cleaned.seconds:
            yield replace(
                made,
                name="generation and enhancement",
                seconds=made.seconds + cleaned.seconds,
                peak_gb=max(made.peak_gb, cleaned.peak_gb) if made.peak_gb and cleaned.peak_gb else None,
                petaflop=(made.petaflop or 0) + (cleaned.petaflop or 0),
                floor_seconds=(made.floor_seconds or 0) + (cleaned.floor_seconds or 0),
                note="the sum of both",
            )


def _placements(arguments: argparse.Namespace) -> dict[str, PlacementConfig]:
    """On a CPU nothing is compiled, which takes a minute there, and the quantization is one that it has."""
    if arguments.tiny:
        plain = PlacementConfig(device="cpu", dtype="float32", attention=arguments.attention)
        return {"fp32": plain, "int8": plain.model_copy(update={"quantization": "int8_weight"})}
    plain = PlacementConfig(device="cuda", attention=arguments.attention)
    return {
        "bf16": plain,
        "bf16 compiled": plain.model_copy(update={"compile": "regional"}),
        "fp8 compiled": plain.model_copy(update={"compile": "regional", "quantization": "fp8_dynamic"}),
    }


def _cells(row: Row) -> list[str]:
    numbers = (row.seconds, row.peak_gb, row.petaflop, row.floor_seconds, row.ratio)
    return [row.name, row.size, row.how, *("" if one is None else f"{one:.3g}" for one in numbers), row.note]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _name(device: torch.device) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, tiny shapes: no measurement"


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="tiny shapes on the CPU, to test the script")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="part of a network's name and way, as in 'wan-vace 14B, fp8'"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="append rows to this file, JSON lines")
    parser.add_argument(
        "--attention", choices=get_args(Attention), default="native", help="kernel (default: torch's choice)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
