"""Items that were encoded once, before training, and are read from disk at every step.

Everything is kept by what it was made of, so that pairs with one source share its latents, and trainings on one dataset
share all of it: the file's content, the bucket, the network and its precision. Tensor suffixes as in items.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.wan_text import MOST_TOKENS
from ditto_models.train.cache_cost import CacheCost, cost_of
from ditto_models.train.contents import Contents
from ditto_models.train.encoding import Encoder
from ditto_models.train.items import Item
from ditto_models.train.pair_files import Which
from ditto_models.train.pairs import PairInBucket, TrainingPair, UnusablePair
from ditto_models.train.tensor_cache import TensorCache, key_of, of_disk

if TYPE_CHECKING:
    import torch

FORMAT = "ditto latents 1"
"""Changes when the same words would come to mean another tensor."""
MOST_LOOKED_AT = 100
"""Pairs, to tell how much of a large dataset is encoded already."""


class CachedItems:
    """Items by way of a cache."""

    def __init__(self, folder: Path, encoder: Encoder, contents: Path) -> None:
        """Nothing is encoded yet.

        Args:
            folder: of the tensors; several trainings and processes may share it
            encoder: makes what is not there
            contents: a folder of this training alone, for what its files contain
        """
        self._cache = TensorCache(folder)
        self._encoder = encoder
        self._contents = Contents(contents)
        self._empty: dict[Bucket, torch.Tensor] = {}

    def get(self, pair: TrainingPair, bucket: Bucket) -> Item:
        """The pair's item; what the cache lacks of it, or has torn, is encoded now.

        Raises:
            UnusablePair: its files are missing, broken or unfit, or changed since they were encoded.
            CommandFailed: the disk is full.
        """
        keys = self._keys(pair, bucket)
        return Item(
            source_CTHW=self._pixels(pair, "source", bucket, keys),
            edited_CTHW=self._pixels(pair, "edited", bucket, keys),
            key_C1HW=self._pixels(pair, "key_frame", bucket, keys),
            empty_CTHW=self._empty_of(bucket),
            text_LD=_padded(self._made(self._text_key(pair), lambda: _trimmed(self._encoder.text(pair.instruction)))),
        )

    def fill(
        self,
        pairs: Sequence[PairInBucket],
        progress: Callable[[int, int], None] = lambda done, total: None,
        process: int = 0,
        processes: int = 1,
    ) -> list[UnusablePair]:
        """Encode what the cache lacks of this process's share, texts first; then free the networks.

        Args:
            pairs: all that will be asked for, in the same order in every process
            progress: told how many of how many texts and pairs are done
            process: number of this process, from 0
            processes: how many there are

        Returns:
            The pairs of the share that cannot be used, each with what is wrong.

        Raises:
            CommandFailed: the disk is full; what is encoded stays.
        """
        by_text = {self._text_key(pair): pair for pair, _ in pairs}
        texts = [by_text[key] for key in sorted(by_text)][process::processes]
        share = sorted(pairs[process::processes], key=lambda placed: str(placed[1]))  # one empty video at a time
        total = len(texts) + len(share)
        unusable: list[UnusablePair] = []
        try:
            for done, pair in enumerate(texts):
                progress(done, total)
                if not self._cache.has(key := self._text_key(pair)):
                    self._cache.save(key, _trimmed(self._encoder.text(pair.instruction)))
            self._encoder.close_text()
            for done, (pair, bucket) in enumerate(share, len(texts)):
                progress(done, total)
                try:
                    self._fill_pixels(pair, bucket)
                except UnusablePair as error:
                    unusable.append(error)
            progress(total, total)
        finally:
            self._encoder.close()
        return unusable

    def cost(self, pairs: Sequence[PairInBucket]) -> CacheCost:
        """What the cache takes on disk for these pairs, and what of it is still to be written.

        How much is there already is told by some of many pairs: to hash the files of all takes hours.
        """
        some = pairs[:: max(1, len(pairs) // MOST_LOOKED_AT)]
        missing = sum(not self._is_kept(*placed) for placed in some) / max(1, len(some))
        return cost_of(pairs, missing, self._cache.folder, self._encoder.dtype, self._encoder.text_dimensions())

    def _is_kept(self, pair: TrainingPair, bucket: Bucket) -> bool:
        """Whether its edited video, which no other pair has, is encoded, or never will be."""
        try:
            return self._cache.has(self._keys(pair, bucket)["edited"])
        except UnusablePair:
            return True

    def _fill_pixels(self, pair: TrainingPair, bucket: Bucket) -> None:
        for which, key in self._keys(pair, bucket).items():
            if not self._cache.has(key):
                self._cache.save(key, self._encoder.pixels(pair, which, bucket))
        self._empty_of(bucket)

    def _keys(self, pair: TrainingPair, bucket: Bucket) -> dict[Which, str]:
        """Keys of its files' latents. The pair's own size is in them, since each is checked against it when encoded."""
        network = self._encoder.identity("vae")
        own = f"{pair.width}x{pair.height}x{pair.frames}"
        return {
            which: key_of(FORMAT, network, "frame" if which == "key_frame" else "video", content, own, str(bucket))
            for which, content in self._contents_of(pair).items()
        }

    def _contents_of(self, pair: TrainingPair) -> dict[Which, str]:
        try:
            return self._contents.of(pair)
        except OSError as error:
            raise of_disk(error, self._contents.folder) from error

    def _text_key(self, pair: TrainingPair) -> str:
        return key_of(FORMAT, self._encoder.identity("text_encoder"), pair.instruction)

    def _pixels(self, pair: TrainingPair, which: Which, bucket: Bucket, keys: dict[Which, str]) -> torch.Tensor:
        return self._made(keys[which], lambda: self._encoder.pixels(pair, which, bucket))

    def _empty_of(self, bucket: Bucket) -> torch.Tensor:
        if bucket not in self._empty:
            key = key_of(FORMAT, self._encoder.identity("vae"), "empty", str(bucket))
            self._empty[bucket] = self._made(key, lambda: self._encoder.empty(bucket))
        return self._empty[bucket]

    def _made(self, key: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """What the cache has, or gets now."""
        found = self._cache.load(key)
        if found is None:
            found = make()
            self._cache.save(key, found)
        return found


def _trimmed(text_LD: torch.Tensor) -> torch.Tensor:
    """Without the zeros after the last token: a sentence is 30 tokens, and with them 512."""
    places = text_LD.ne(0).any(dim=1).nonzero()
    return text_LD[: int(places[-1]) + 1 if len(places) else 1]


def _padded(text_LD: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.nn.functional.pad(text_LD, (0, 0, 0, MOST_TOKENS - len(text_LD)))
