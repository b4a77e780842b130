"""What was asked before: a Chroma memory of instructions, so that no two samples ask the same.

One collection for each edit type keeps each index small. One thread does all the work: a look and a reservation are
then one step, and Chroma's files have the single writer that they need.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from memory.sample import Instruction

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection
    from chromadb.api.types import Where


T = TypeVar("T")


class Embedder(Protocol):
    """Turns texts into unit vectors, ND; its name says which vectors may be compared."""

    name: str

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One unit vector a text."""
        ...


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """An earlier instruction and its cosine similarity, -1..1."""

    text: str
    similarity: float


class DuplicateInstruction(ValueError):
    """The instruction says what an earlier one says."""

    def __init__(self, text: str, neighbour: Neighbour) -> None:
        super().__init__(
            f"{text!r} repeats {neighbour.text!r} (similarity {neighbour.similarity:.2f}); ask for something else"
        )
        self.neighbour = neighbour


class MemoryDamaged(RuntimeError):
    """Chroma's files cannot be read; they hold nothing that the ledger does not."""


def normalise(text: str) -> str:
    """Lower case, letters and digits alone: texts that are equal after it are the same instruction."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


class InstructionMemory:
    """Reservations by sample. An instruction stays while its sample lives or was accepted."""

    def __init__(self, folder: Path, embedder: Embedder, similarity_limit: float) -> None:
        self._folder = folder
        self._embed = embedder.embed
        self._suffix = hashlib.sha256(embedder.name.encode()).hexdigest()[:8]
        self._limit = similarity_limit
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="memory")
        self._collections: dict[str, Collection] = {}
        self._held: dict[str, str] = {}  # edit type by sample, of what is reserved now

    async def reserve(self, sample_id: str, instruction: Instruction) -> Neighbour | None:
        """Take the instruction for a sample, in place of the one it had; returns the nearest earlier one.

        Raises:
            DuplicateInstruction: another sample holds an equal or nearly equal instruction.
            MemoryDamaged: Chroma cannot read or write its files.
        """
        return await self._run(lambda: self._reserve(sample_id, instruction))

    async def nearest(self, edit_type: str, text: str, count: int) -> list[Neighbour]:
        """The nearest earlier instructions of an edit type, nearest first."""
        return await self._run(lambda: self._nearest(edit_type, self._embed([text])[0], count, ""))

    async def release(self, sample_id: str) -> None:
        """Forget a sample's instruction, if it has one."""
        await self._run(lambda: self._forget(sample_id))

    def hold(self, sample_id: str, instruction: Instruction | None) -> None:
        """Make the memory hold this for the sample whatever else it holds, or nothing; for what a person decided."""

        def change() -> None:
            self._forget(sample_id)
            if instruction:
                self._add(sample_id, instruction, self._embed([instruction.text])[0])

        self._thread.submit(self._chroma, change).result()

    def reconcile(self, held: Mapping[str, Instruction]) -> None:
        """Make the memory hold just these instructions, by sample id: what the ledger says after a kill.

        Raises:
            MemoryDamaged: Chroma cannot read its files.
        """
        self._thread.submit(self._chroma, lambda: self._reconcile(held)).result()

    def close(self) -> None:
        """Wait for what is under way, then let go of Chroma's files."""
        self._thread.shutdown()
        if "_client" in self.__dict__:
            cast("Client", self._client).close()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._chroma, work)

    # inside: the memory's own thread

    def _chroma(self, work: Callable[[], T]) -> T:
        """Do it; what Chroma cannot do, on a full disk for one, is no sample's fault."""
        from chromadb.errors import ChromaError

        try:
            return work()
        except ChromaError as error:
            raise MemoryDamaged(
                f"instruction memory {str(self._folder)!r} cannot be read or written ({error}); is the disk full? "
                "If not, delete that folder: it is rebuilt from the ledger"
            ) from error

    @cached_property
    def _client(self) -> ClientAPI:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        return chromadb.PersistentClient(path=str(self._folder), settings=settings)

    def _collection(self, edit_type: str) -> Collection:
        if edit_type not in self._collections:
            self._collections[edit_type] = self._client.get_or_create_collection(
                f"{edit_type}-{self._suffix}",
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine", "ef_search": 100}},
            )
        return self._collections[edit_type]

    def _reserve(self, sample_id: str, instruction: Instruction) -> Neighbour | None:
        vector = self._embed([instruction.text])[0]
        near = self._nearest(instruction.edit_type, vector, 1, sample_id)
        if near and (near[0].similarity >= self._limit or normalise(near[0].text) == normalise(instruction.text)):
            raise DuplicateInstruction(instruction.text, near[0])
        self._forget(sample_id)
        self._add(sample_id, instruction, vector)
        return near[0] if near else None

    def _nearest(self, edit_type: str, vector: NDArray[np.float32], count: int, but: str) -> list[Neighbour]:
        collection = self._collection(edit_type)
        if not collection.count():
            return []
        found = collection.query(
            query_embeddings=vector.tolist(),
            n_results=min(count, collection.count()),
            where=cast("Where", {"sample_id": {"$ne": but}}),
            include=["documents", "distances"],
        )
        texts, distances = (found["documents"] or [[]])[0], (found["distances"] or [[]])[0]
        return [
            Neighbour(text=text, similarity=1.0 - distance) for text, distance in zip(texts, distances, strict=True)
        ]

    def _add(self, sample_id: str, instruction: Instruction, vector: NDArray[np.float32]) -> None:
        self._collection(instruction.edit_type).upsert(
            ids=[hashlib.sha256(normalise(instruction.text).encode()).hexdigest()],
            embeddings=vector.tolist(),
            documents=[instruction.text],
            metadatas=[{"sample_id": sample_id}],
        )
        self._held[sample_id] = instruction.edit_type

    def _forget(self, sample_id: str) -> None:
        edit_type = self._held.pop(sample_id, None)
        if edit_type is not None:
            self._collection(edit_type).delete(where={"sample_id": sample_id})

    def _reconcile(self, held: Mapping[str, Instruction]) -> None:
        missing = dict(held)
        self._held = {sample_id: instruction.edit_type for sample_id, instruction in held.items()}
        for collection in self._client.list_collections():
            if not collection.name.endswith(self._suffix):  # vectors of another embedder
                self._client.delete_collection(collection.name)
                continue
            records = collection.get(include=["documents", "metadatas"])
            rows = zip(records["ids"], records["documents"] or [], records["metadatas"] or [], strict=True)
            for key, text, metadata in rows:
                instruction = missing.get(str(metadata["sample_id"]))
                if instruction is None or instruction.text != text:
                    collection.delete(ids=[key])
                else:
                    del missing[str(metadata["sample_id"])]
        for sample_id, instruction in missing.items():
            self._add(sample_id, instruction, self._embed([instruction.text])[0])
