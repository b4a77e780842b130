"""What a person brings to a conversation, and what is said in it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from memory.noun import Noun


class Given(Noun):
    """The clip that a person gave to a conversation: one of the run's own, or a file of theirs."""

    clip_number: int | None = None
    """Of the clip table."""
    upload: Annotated[str, Field(pattern=r"^([0-9a-f]{64}\.mp4)?$")] = ""
    """The file's name in RUN/uploads."""
    start_seconds: Annotated[float, Field(ge=0)] = 0.0
    """The window of their file that holds this moment is taken."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.clip_number is None) == (not self.upload):
            raise ValueError("expected one clip: either the number of one of the run's, or an uploaded file")
        return self


class Said(Noun):
    """Words in a conversation."""

    by: Literal["person", "agent"]
    words: str
