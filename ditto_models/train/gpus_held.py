"""How many GPUs a training holds, written in CKPT for whoever counts what it costs: none on a CPU."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ditto_models.train.whole_file import write_whole

GPUS = "gpus.json"


class _Held(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    gpus: int = Field(ge=0)


def write_gpus_held(out: Path, gpus: int) -> None:
    """Say it, for all processes of the training, wherever they run.

    Raises:
        OSError: the disk is full.
    """
    write_whole(out / GPUS, [_Held(gpus=gpus).model_dump_json().encode()])


def gpus_held(out: Path) -> int:
    """As the training in a folder said when it last began; 0 where it has not."""
    try:
        return _Held.model_validate_json((out / GPUS).read_bytes()).gpus
    except (OSError, ValidationError):
        return 0
