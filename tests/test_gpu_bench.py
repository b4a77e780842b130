"""bench.gpu with tiny shapes on the CPU: every row is there, what fails is one, and what is counted is right."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import gpu
from bench.gpu_flops import Arithmetic
from bench.gpu_meter import Call, Meter, flops_of
from bench.gpu_shapes import REAL
from ditto_models.torchvision_cpu import declare_operators

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
CPU = torch.device("cpu")


def test_every_row_is_measured_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rows.jsonl"
    monkeypatch.setattr(sys, "argv", ["bench.gpu", "--tiny", "--out", str(out)])
    assert gpu.main() == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert not [row["note"] for row in rows if "FAILED" in row["note"]]
    assert all(row["seconds"] > 0 and row["floor_seconds"] > 0 and row["teraflops"] > 0 for row in rows)
    names = {row["name"] for row in rows}
    assert names >= {
        "wan vae decode",
        "depth small, whole clip",
        "qwen-image 2.1 all 2 steps",
        "qwen-image edit plus forward",
        "wan-vace 14B forward",
        "wan-vace 14B whole, 4 steps",
        "enhancer whole, low, 3 steps",
        "generation and enhancement",
    }
    assert {row["how"] for row in rows if row["name"] == "wan-vace 14B forward"} == {"fp32", "int8"}
    guided = [row for row in rows if "guidance, no vae" in row["name"]]
    assert guided
    assert all(row["note"].startswith("EXTRAPOLATED: 100 times") for row in guided)
    assert all(row["device"].startswith("CPU") for row in rows), "no tiny row can be taken for a measurement"
    assert len(capsys.readouterr().out.splitlines()) == 4 + len(rows)


def test_without_a_gpu_it_says_so_and_measures_nothing() -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU is at hand")
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "no GPU at hand" in done.stderr


def test_a_call_that_fails_is_a_row_and_the_next_is_measured() -> None:
    def out_of_memory() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 90.00 GiB\nmore")

    meter = Meter(CPU, rate=1e9)
    call = partial(Call, size="1x1", how="fp32", flops=1e6)
    (lost,) = meter.rows(call(name="large", run=out_of_memory, multiples={"larger": 2}))
    assert lost.seconds is None
    assert lost.note == "FAILED, OutOfMemoryError: CUDA out of memory. Tried to allocate 90.00 GiB"
    once, twice = meter.rows(call(name="small", run=lambda: None, multiples={"smaller": 2}))
    assert once.seconds
    assert twice.seconds == 2 * once.seconds
    assert once.floor_seconds == 1e-3
    assert once.ratio == pytest.approx(once.seconds / 1e-3)


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_attention_is_counted(device: str) -> None:
    query_BHND = torch.zeros(1, 2, 64, 16, device=device)
    attention = partial(torch.nn.functional.scaled_dot_product_attention, query_BHND, query_BHND, query_BHND)
    assert flops_of(attention) == 4 * 2 * 64 * 64 * 16


@pytest.fixture(scope="module")
def counted() -> Arithmetic:
    declare_operators()
    return Arithmetic(REAL)


@pytest.mark.parametrize(
    ("model", "billions"), [("1.3B", 2.15), ("14B", 17.34), ("enhancer", 14.29), ("qwen edit", 20.43)]
)
def test_real_shapes_have_the_weights_of_the_real_networks(model: str, billions: float, counted: Arithmetic) -> None:
    parameters: Any = counted.transformer(model).parameters()
    assert sum(parameter.numel() for parameter in parameters) / 1e9 == pytest.approx(billions, abs=0.01)


def test_arithmetic_of_one_forward_is_what_the_shapes_say(counted: Arithmetic) -> None:
    """By hand: 48 blocks, each two products for every weight and token and attention over all pairs of tokens."""
    size, width, inner, text = REAL.sizes[0], 5120, 13824, 512
    tokens = (13 + 1) * 30 * 52
    of_tokens = 2 * tokens * (4 + 2) * width**2 + 2 * tokens * 2 * width * inner
    of_text = 2 * text * 2 * width**2
    attention = 4 * tokens * (tokens + text) * width
    blocks = 48 * (of_tokens + of_text + attention)
    assert counted.vace("14B", size) == pytest.approx(blocks, rel=0.01)
