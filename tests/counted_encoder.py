"""An encoder that notes what it is asked, and may end its process in the middle."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ditto_models.gpu.buckets import Bucket
from ditto_models.train.encoding import Encoder
from ditto_models.train.pair_files import Which
from ditto_models.train.pairs import TrainingPair

if TYPE_CHECKING:
    import torch


class Counted(Encoder):
    """Notes what it is asked to encode, by networks that are loaded once for all tests."""

    def __init__(self, networks: Encoder, last: Callable[[], None] = lambda: None, most: int = 999) -> None:
        """After `most` calls `last` is called in place of the next."""
        super().__init__(networks._base, "cpu", "float32")
        self.asked: list[str] = []
        self.closed: list[str] = []
        self._networks, self._last, self._most = networks, last, most

    def _note(self, what: str) -> None:
        if len(self.asked) >= self._most:
            self._last()
        self.asked.append(what)

    def pixels(self, pair: TrainingPair, which: Which, bucket: Bucket) -> torch.Tensor:
        self._note(f"{which} {pair.id} {bucket}")
        return self._networks.pixels(pair, which, bucket)

    def empty(self, bucket: Bucket) -> torch.Tensor:
        return self._networks.empty(bucket)

    def text(self, instruction: str) -> torch.Tensor:
        self._note(instruction)
        return self._networks.text(instruction)

    def close(self) -> None:
        self.closed.append("all")

    def close_text(self) -> None:
        self.closed.append(f"text after {len(self.asked)}")
