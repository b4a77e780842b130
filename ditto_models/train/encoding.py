"""Pairs through the frozen networks of the base: videos through its VAE, instructions through its text encoder.

What comes out is what WanVACEPipeline would feed its transformer: the mode of the VAE's distribution, normalised, and
512 tokens of text, zero after the last. Tensor suffixes as in items.py.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ditto_models.gpu.buckets import Bucket
from ditto_models.gpu.checkpoint import COMMIT, shown
from ditto_models.gpu.memory import empty_cache
from ditto_models.gpu.offload import released
from ditto_models.gpu.pipeline_loading import load_pipeline
from ditto_models.gpu.placement import Dtype, PlacementConfig, device_of, dtype_of
from ditto_models.gpu.wan_text import encoded
from ditto_models.gpu.weights import WeightsConfig, located
from ditto_models.train.items import Item
from ditto_models.train.pair_files import Which, check_pair, read_clip, read_key_frame
from ditto_models.train.pairs import TrainingPair

if TYPE_CHECKING:
    import torch


class Encoder:
    """The VAE and the text encoder of a base, each read when it is first asked and freed by `close`."""

    def __init__(self, base: WeightsConfig, device: str, dtype: Dtype) -> None:
        """Nothing is read yet.

        Args:
            base: a Wan-VACE in diffusers' layout
            device: for example cuda:1 or cpu
            dtype: of the text encoder, and of what comes out; the VAE computes in float32
        """
        self.dtype: Dtype = dtype
        self._base = WeightsConfig(repo=base.repo, revision=base.revision)  # whatever parts are named: others are read
        self._placement = PlacementConfig(device=device, dtype=dtype)
        self._vae: Any = None
        self._text: Any = None
        self._identities: dict[str, str] = {}
        self._empty: tuple[Bucket, torch.Tensor] | None = None

    def encode(self, pair: TrainingPair, bucket: Bucket) -> Item:
        """The pair in a bucket, on the CPU.

        Raises:
            UnusablePair: its files are missing, broken or unfit.
            WeightsError: the networks cannot be read.
        """
        check_pair(pair)
        return Item(
            source_CTHW=self.pixels(pair, "source", bucket),
            edited_CTHW=self.pixels(pair, "edited", bucket),
            key_C1HW=self.pixels(pair, "key_frame", bucket),
            empty_CTHW=self.empty(bucket),
            text_LD=self.text(pair.instruction),
        )

    def pixels(self, pair: TrainingPair, which: Which, bucket: Bucket) -> torch.Tensor:
        """Latents of one of its files in a bucket, CTHW; of the key frame C1HW.

        Raises:
            UnusablePair: the file is broken or unfit.
        """
        if which == "key_frame":
            return self._latents(read_key_frame(pair, bucket)[None])
        return self._latents(read_clip(pair, which, bucket))

    def empty(self, bucket: Bucket) -> torch.Tensor:
        """Latents of a video of mid grey, CTHW: not those of pixels of 127 or 128, but of what lies between."""
        if self._empty is None or self._empty[0] != bucket:
            grey_THWC = np.full((bucket.frames, bucket.height, bucket.width, 3), 127.5, np.float32)
            self._empty = bucket, self._latents(grey_THWC)
        return self._empty[1]

    def text(self, instruction: str) -> torch.Tensor:
        """Embeddings of an instruction, LD."""
        if self._text is None:
            self._text = self._loaded("vae")
            # It would come to the GPU anew for each instruction, and here there are many.
            released(self._text)
            self._text.text_encoder.to(device_of(self._placement))
        encoder = self._text.text_encoder
        return encoded(self._text.tokenizer, encoder, instruction, encoder.device)[0]

    def identity(self, part: Literal["vae", "text_encoder"]) -> str:
        """What the results depend on: a hub's repository and commit, else the sha256 of the files, and the precision.

        An own folder is read whole for it: 11 GB of a text encoder are some ten seconds.
        """
        if part not in self._identities:
            folder = located(self._base).resolve()
            name = shown(folder, whole=True)
            if not COMMIT.fullmatch(folder.name):
                parts = ("vae",) if part == "vae" else ("text_encoder", "tokenizer")
                name = _content([folder / each for each in parts])
            self._identities[part] = f"{part} {name} {self.dtype}"
        return self._identities[part]

    def text_dimensions(self) -> int:
        """D of the text embeddings, by the text encoder's configuration."""
        config = json.loads((located(self._base) / "text_encoder" / "config.json").read_bytes())
        return int(config["d_model"])

    def close(self) -> None:
        """Free the networks; what is asked after that reads them again."""
        self._empty = None
        self._free(vae=None, text=None)

    def close_text(self) -> None:
        """Free the text encoder alone, which is the larger."""
        self._free(vae=self._vae, text=None)

    def _free(self, vae: Any, text: Any) -> None:
        if (self._vae, self._text) != (vae, text):
            self._vae, self._text = vae, text
            empty_cache()

    def _latents(self, pixels_THWC: NDArray[np.generic]) -> torch.Tensor:
        import torch

        if self._vae is None:
            self._vae = self._loaded("tokenizer", "text_encoder").vae
        vae = self._vae
        pixels = torch.from_numpy(np.ascontiguousarray(pixels_THWC)).to(vae.device)
        video_BCTHW = (pixels.permute(3, 0, 1, 2)[None].float() / 255) * 2 - 1
        mean, deviation = (
            torch.tensor(numbers, device=vae.device).view(1, -1, 1, 1, 1)
            for numbers in (vae.config.latents_mean, vae.config.latents_std)
        )
        with torch.no_grad():
            latents_BCTHW = (vae.encode(video_BCTHW).latent_dist.mode() - mean) / deviation
        latents_CTHW: torch.Tensor = latents_BCTHW[0]
        return latents_CTHW.to("cpu", dtype_of(self._placement))

    def _loaded(self, *left_out: str) -> Any:
        """The pipeline without its transformers, nor what else is left out."""
        parts: dict[str, Any] = dict.fromkeys(("transformer", "transformer_2", *left_out))
        return load_pipeline("WanVACEPipeline", self._base, self._placement, in_float32=("vae",), **parts)


class EncodedItems:
    """Items that are encoded as they are asked for, at every step anew."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def get(self, pair: TrainingPair, bucket: Bucket) -> Item:
        """The pair's item.

        Raises:
            UnusablePair: its files are missing, broken or unfit.
        """
        return self._encoder.encode(pair, bucket)


def _content(folders: list[Path]) -> str:
    """The sha256 of all files of folders."""
    digest = hashlib.sha256()
    for path in (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()):
        with path.open("rb") as file:
            digest.update(
                f"{path.parent.name}/{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return digest.hexdigest()
