"""What DVC cannot hash is named, wherever it lies in a folder that it hashes."""

import os
import socket
import sys
from pathlib import Path

import pytest

from tickle_core import preflight
from tickle_core.errors import TickleError
from tickle_core.params import reading

ROOT = Path(__file__).parents[1]


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = reading.read(ROOT / "params.yaml")
    values["dataset"]["folder"] = "raw"
    (tmp_path / "raw/cat").mkdir(parents=True)
    (tmp_path / "raw/cat/image.png").touch()
    (tmp_path / "raw/cat/same").symlink_to("image.png")
    return reading.parse(values)


def bind(path):
    socket.socket(socket.AF_UNIX).bind(str(path))


def test_sound_folders_are_taken(params):
    preflight.require(params)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.symlink_to("nothing"), "a link to nothing"),
        (lambda path: path.symlink_to(path.name), "a link"),
        (os.mkfifo, "neither a file nor a folder"),
        (bind, "neither a file nor a folder"),
    ],
    ids=["broken link", "loop", "pipe", "socket"],
)
@pytest.mark.parametrize("folder", ["raw/cat", "raw/.hidden", "data/checkpoints"])
def test_what_dvc_stumbles_over_is_named(params, make, reason, folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    make(Path(folder) / "odd")
    with pytest.raises(TickleError, match=rf"1 of its entries.*odd \({reason}"):
        preflight.require(params)


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_a_name_that_is_no_unicode_is_named(params):
    Path("raw/cat", os.fsdecode(b"\xff.png")).touch()
    with pytest.raises(TickleError, match=r"cat/\\udcff.png \(its name is not valid Unicode"):
        preflight.require(params)


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_so_is_that_of_a_folder(params):
    Path("raw", os.fsdecode(b"\xff")).mkdir()
    with pytest.raises(TickleError, match=r"1 of its entries.*\\udcff \(its name is not valid"):
        preflight.require(params)
