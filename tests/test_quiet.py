"""A run's own display is all that stands on the terminal: libraries say nothing as networks are loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_wan import tiny_vace

LOAD = """
import sys
from ditto_models.gpu.wan_vace import WanVace, WanVaceConfig
placement = {"device": "cpu", "dtype": "float32"}
WanVace(WanVaceConfig(weights={"repo": sys.argv[1]}, placement=placement)).with_loaded(lambda loaded: None)
"""


@pytest.mark.slow
def test_a_fresh_process_loads_a_pipeline_without_a_word(tmp_path: Path) -> None:
    folder = tiny_vace(tmp_path / "vace")
    done = subprocess.run([sys.executable, "-c", LOAD, str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
