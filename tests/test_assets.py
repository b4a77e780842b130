import hashlib
import json
import threading
import zipfile
from pathlib import Path

import pytest

from ditto_models import assets
from ditto_models.assets import Asset, AssetError, AssetStore, Package, Table

MEMBERS = {"toy/weights.bin": b"weights" * 1000, "toy/words.txt": b"words"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Index:
    """A package index of one wheel on disk; counts the downloads."""

    def __init__(self, folder: Path) -> None:
        self.wheel = folder / "toy-1.0-py3-none-any.whl"
        with zipfile.ZipFile(self.wheel, "w") as archive:
            for name, content in MEMBERS.items():
                archive.writestr(name, content)
        self.downloads = 0

    def download(self, requirement: str, package: Package, folder: Path) -> Path:
        self.downloads += 1
        target = folder / self.wheel.name
        target.write_bytes(self.wheel.read_bytes())
        return target

    def table(self, wheel_sha256: str = "", weights_sha256: str = "", member: str = "toy/weights.bin") -> Table:
        common = {"package": "toy==1.0", "licence": "MIT", "attribution": "nobody"}
        weights = weights_sha256 or sha256(MEMBERS["toy/weights.bin"])
        return Table(
            packages={"toy==1.0": Package(sha256=wheel_sha256 or sha256(self.wheel.read_bytes()))},
            assets={
                "weights": Asset(member=member, sha256=weights, file="models/weights.bin", **common),
                "words": Asset(
                    member="toy/words.txt", sha256=sha256(MEMBERS["toy/words.txt"]), file="words.txt", **common
                ),
            },
        )


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


def test_one_download_serves_every_member(index: Index, tmp_path: Path) -> None:
    store = AssetStore(index.table(), tmp_path / "cache", index.download)
    assert store.ensure("weights").read_bytes() == MEMBERS["toy/weights.bin"]
    assert store.ensure("words").read_bytes() == MEMBERS["toy/words.txt"]
    assert index.downloads == 1
    assert not list((tmp_path / "cache").rglob("*.whl")), "the wheel is deleted"


def test_damaged_file_is_fetched_again(index: Index, tmp_path: Path) -> None:
    store = AssetStore(index.table(), tmp_path / "cache", index.download)
    store.ensure("weights").write_bytes(b"torn")
    assert store.ensure("weights").read_bytes() == MEMBERS["toy/weights.bin"]
    assert index.downloads == 2


@pytest.mark.parametrize("wrong", [{"wheel_sha256": "0" * 64}, {"weights_sha256": "0" * 64}])
def test_wrong_sha256_is_refused(index: Index, tmp_path: Path, wrong: dict[str, str]) -> None:
    store = AssetStore(index.table(**wrong), tmp_path / "cache", index.download)
    with pytest.raises(AssetError, match=r"sha256.*expected 0000"):
        store.ensure("weights")
    assert not (tmp_path / "cache/models/weights.bin").exists()


def test_unknown_name_and_missing_member_say_what_to_do(index: Index, tmp_path: Path) -> None:
    store = AssetStore(index.table(member="toy/gone.bin"), tmp_path / "cache", index.download)
    with pytest.raises(AssetError, match="expected one of weights, words"):
        store.ensure("weight")
    with pytest.raises(AssetError, match=r"holds no 'toy/gone\.bin'"):
        store.ensure("weights")


def test_many_at_once_download_once(index: Index, tmp_path: Path) -> None:
    stores = [AssetStore(index.table(), tmp_path / "cache", index.download) for _ in range(8)]
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda store=store: found.append(store.ensure("weights").read_bytes()))
        for store in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [MEMBERS["toy/weights.bin"]] * 8
    assert index.downloads == 1


def test_pip_failure_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(AssetError, match=r"could not download ditto-no-such-package==1\.0") as error:
        assets.pip_download("ditto-no-such-package==1.0", Package(sha256="0" * 64), tmp_path)
    assert "\n" not in str(error.value)


def test_pip_brings_a_wheel_from_a_folder(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(index.wheel, "a") as archive:
        archive.writestr("toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        archive.writestr("toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("toy-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index.wheel.parent))
    store = AssetStore(index.table(), tmp_path / "cache", assets.pip_download)
    assert store.ensure("words").read_bytes() == b"words"


def test_command_lists_without_fetching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DITTO_CACHE", str(tmp_path))
    assert assets.main(["--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert set(rows) == set(assets.load_table().assets)
    assert not any(row["present"] for row in rows.values())
    assert all(row["licence"] and row["attribution"] for row in rows.values())
    assert assets.main(["nothing"]) == 1
    assert capsys.readouterr().err.startswith("error: no asset 'nothing'; expected one of")


@pytest.mark.slow
def test_real_clips_come_out_of_their_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DITTO_CACHE", str(tmp_path))
    folder = assets.sample_clips()
    assert sorted(path.name for path in folder.iterdir()) == ["bigbuckbunny.mp4", "bikes.mp4", "cityCC0.mpg"]
