"""Imports go down only, and heavy libraries stay in their homes."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "agent": {"agent", "tools", "memory", "ditto_models", "prompts"},
    "tools": {"tools", "memory", "ditto_models", "prompts"},
    "memory": {"memory"},
    "ditto_models": {"ditto_models"},
    "prompts": {"prompts"},
}
HOMES = {
    "langgraph": ("agent/",),
    "chromadb": ("memory/instructions.py",),
    "jinja2": ("prompts/library.py", "agent/reports/", "agent/studio/"),
    "fastapi": ("agent/studio/",),
    "starlette": ("agent/studio/",),
    "uvicorn": ("agent/studio/",),
    "opentelemetry": ("agent/telemetry.py",),
    "torch": ("ditto_models/",),
    "torchvision": ("ditto_models/vision.py", "ditto_models/gpu/", "ditto_models/train/"),
    "qwen_vl_utils": ("ditto_models/vision.py",),
    "diffusers": ("ditto_models/",),
    "langchain_openai": ("ditto_models/vllm.py",),
    "ray": ("ditto_models/executors/",),
    "pyarrow": ("agent/export/parquet.py",),
    "webdataset": ("agent/export/webdataset.py",),
    "sqlite3": ("memory/",),
}
COMMANDS = [
    "agent.run",
    "agent.inspect",
    "agent.judge",
    "agent.evaluate",
    "agent.export",
    "agent.ingest",
    "agent.preflight",
    "agent.chat",
    "agent.conversation",
    "agent.studio",
    "ditto_models.serve",
    "ditto_models.assets",
    "ditto_models.edit",
    "ditto_models.train",
    "ditto_models.train.export",
]
HEAVY = [
    "torch",
    "torchvision",
    "qwen_vl_utils",
    "diffusers",
    "transformers",
    "chromadb",
    "ray",
    "langgraph",
    "pyarrow",
    "webdataset",
    "cv2",
    "onnxruntime",
    "av",
    "scenedetect",
    "fastapi",
    "uvicorn",
    "opentelemetry",
]


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in MAY_IMPORT:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_imports_go_down_only() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, tree in modules()
        for name in imports(tree)
        if name.split(".")[0] in {*MAY_IMPORT, "tests", "bench"}
        and name.split(".")[0] not in MAY_IMPORT[path.split("/")[0]]
    ]
    assert not wrong


def test_networks_do_not_need_their_trainer() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, tree in modules()
        for name in imports(tree)
        if path.startswith("ditto_models/") and name.startswith("ditto_models.train") and "/train/" not in path
    ]
    assert not wrong


def test_heavy_libraries_stay_in_their_homes() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, tree in modules()
        for name in imports(tree)
        if (homes := HOMES.get(name.split(".")[0])) and not path.startswith(homes)
    ]
    assert not wrong


def test_files_keep_to_the_wall_of_300_lines() -> None:
    tracked = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    long = {name: len((ROOT / name).read_text().splitlines()) for name in tracked.stdout.split()}
    assert not {name: lines for name, lines in long.items() if lines > 300}


@pytest.mark.parametrize("module", COMMANDS)
def test_help_answers_without_heavy_libraries(module: str) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{module!r}, '--help']\n"
        f"try: runpy.run_module({module!r}, run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"loaded = [name for name in {HEAVY} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
