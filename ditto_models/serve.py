"""Serves a model for planner, writer and judge, or an embedding model, until told to stop.

python -m ditto_models.serve vllm --model Qwen/Qwen3-VL-8B-Instruct
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ditto_models.vllm_server import VllmServer, VllmServerConfig, VllmServerError


def _parse(words: list[str]) -> VllmServerConfig:
    end = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(prog="python -m ditto_models.serve", description=(__doc__ or "").splitlines()[0])
    vllm = parser.add_subparsers(dest="server", required=True).add_parser(
        "vllm",
        help="a model behind an OpenAI-style address",
        epilog="What follows -- goes to `vllm serve` as it is, for example -- --gpu-memory-utilization 0.8",
    )
    defaults = VllmServerConfig(model="")
    vllm.add_argument("--model", required=True, help="folder of a checkpoint, or its hub name")
    vllm.add_argument("--served-model-name", default="", metavar="NAME", help="name that clients ask for")
    vllm.add_argument("--embeddings", action="store_true", help="serve the vectors of texts, not a chat")
    vllm.add_argument(
        "--gpus", type=_above_0, default=defaults.gpus, metavar="N", help="that share the model (default 1)"
    )
    vllm.add_argument("--cpu", action="store_true", help="serve a tiny model on the CPU, for tests")
    vllm.add_argument("--host", default=defaults.host, help="address to listen on (default %(default)s)")
    vllm.add_argument("--port", type=int, default=defaults.port, help="0 takes a free one (default %(default)s)")
    vllm.add_argument(
        "--venv", type=Path, metavar="DIR", help="environment of vLLM (default .venv-vllm-gpu, with --cpu .venv-vllm)"
    )
    vllm.add_argument(
        "--max-model-len",
        type=_above_0,
        default=defaults.max_model_len,
        metavar="TOKENS",
        help="of prompt and answer together (default 16384; for embeddings the model's own)",
    )
    vllm.add_argument("--images-per-prompt", type=_from_0, default=defaults.images_per_prompt, metavar="N")
    vllm.add_argument("--videos-per-prompt", type=_from_0, default=defaults.videos_per_prompt, metavar="N")
    values = vars(parser.parse_args(words[:end]))
    values.pop("server")
    return VllmServerConfig(**values, extra_flags=tuple(words[end + 1 :]))


def _from_0(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def _above_0(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _stop_on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main(words: list[str] | None = None) -> int:
    """Serve until told to stop. Exit status 0: stopped by SIGTERM or Ctrl-C; 1: could not start, or ended by itself."""
    config = _parse(sys.argv[1:] if words is None else words)
    signal.signal(signal.SIGTERM, _stop_on_sigterm)
    try:
        with VllmServer(config, sys.stdout) as server:
            print(f"ready: {server.model!r} at {server.base_url}", flush=True)
            server.wait()
    except VllmServerError as error:
        print(f"ditto_models.serve: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
