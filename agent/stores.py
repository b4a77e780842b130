"""A run's stores: opened together, and what follows the ledger made to say what the ledger says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.card import dataset_card
from agent.profile import Profile
from agent.run_config import RunConfig
from ditto_models.base import TextEmbedder
from memory.artifacts import ArtifactStore
from memory.backup import Backup
from memory.dataset import DatasetWriter, Pair
from memory.instructions import InstructionMemory
from memory.ledger import SCHEMA, Ledger
from tools.media import Media


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Where a run keeps things."""

    ledger: Ledger
    media: Media
    memory: InstructionMemory
    dataset: DatasetWriter


@contextmanager
def open_ledger(run: Path, say: Callable[[str], None]) -> Iterator[Ledger]:
    """The ledger while the block lasts, with its backup kept; only for the run's owner.

    A damaged ledger is restored first, told by `say`.

    Raises:
        LedgerError: it cannot be restored, or the disk is full.
    """
    backup = Backup(run / "ledger.sqlite", SCHEMA)
    if mended := backup.mend():
        say(mended)
    with closing(Ledger(run / "ledger.sqlite")) as ledger, backup.kept(say):
        yield ledger


@contextmanager
def open_stores(run: Path, profile: Profile, embedder: TextEmbedder, say: Callable[[str], None]) -> Iterator[Stores]:
    """The stores while the block lasts; only for the run's owner. A damaged ledger is restored first, told by `say`.

    Raises:
        LedgerError: it cannot be restored, or the disk is full.
    """
    artifacts = ArtifactStore(run / "artifacts")
    artifacts.clear_temporary()
    with (
        open_ledger(run, say) as ledger,
        closing(InstructionMemory(run / "memory", embedder, profile.memory.similarity_limit)) as memory,
    ):
        ledger.index_artifacts()
        dataset = DatasetWriter(run / "dataset", artifacts, profile.policy.thresholds)
        yield Stores(ledger=ledger, media=Media(artifacts), memory=memory, dataset=dataset)


def reconcile(stores: Stores, config: RunConfig) -> None:
    """Make dataset and instruction memory say what the ledger says, when nothing else runs.

    The memory reserves nothing for a conversation until its person gave the result to the dataset.

    Raises:
        MemoryDamaged: the instruction memory cannot be read.
    """
    rows = stores.ledger.rows("decision IS NULL OR decision = 'accepted'")
    samples = [row.sample for row in rows if row.sample.decision or not row.sample.conversation]
    stores.memory.reconcile({sample.id: sample.instruction for sample in samples if sample.instruction})
    reconcile_dataset(stores, config)


def reconcile_dataset(stores: Stores, config: RunConfig) -> None:
    """Make the dataset say what the ledger says; only shards that differ are rewritten."""
    rows = stores.ledger.rows("decision = 'accepted'")
    pairs = [Pair(ordinal=row.ordinal, sample=row.sample) for row in rows if row.ordinal]
    stores.dataset.reconcile(pairs, dataset_card((pair.sample for pair in pairs), config))
