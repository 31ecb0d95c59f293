import gzip
import hashlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tickle_core.datasets import fashion_mnist, registry
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.params.dataset import FashionMnist

README = Path(__file__).parents[2] / "data/raw/fashion_mnist/README.md"
TRAIN_IMAGES = "train-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"


def idx(array):
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return b"\x00\x00\x08" + bytes([array.ndim]) + lengths + array.tobytes()


@pytest.fixture
def files(monkeypatch):
    """A small stand-in for the four files, whose checksums are taken for the published ones."""
    rng = np.random.default_rng(0)
    files = {}
    for split, count in (("train", 6), ("t10k", 3)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        files[f"{split}-images-idx3-ubyte"] = idx(images)
        files[f"{split}-labels-idx1-ubyte"] = idx(np.arange(count, dtype=np.uint8))
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(fashion_mnist, "CHECKSUMS", sums)
    return files


def put(files, folder, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        content = gzip.compress(content) if suffix == ".gz" else content
        (folder / (name + suffix)).write_bytes(content)


def offer_torchvision(monkeypatch, offer):
    """Replace torchvision by one whose FashionMNIST calls `offer(raw_folder)` to download."""

    class FakeFashionMNIST:
        def __init__(self, root, download):
            assert download
            self.raw_folder = str(Path(root) / "FashionMNIST" / "raw")
            offer(Path(self.raw_folder))

    datasets = ModuleType("torchvision.datasets")
    datasets.FashionMNIST = FakeFashionMNIST
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)


def offer_debian(monkeypatch, folder, apt_get, dpkg_deb="exit 1"):
    """Put an `apt-get` and a `dpkg-deb` that run these shell lines in front of all others."""
    folder.mkdir()
    for name, lines in (("apt-get", apt_get), ("dpkg-deb", dpkg_deb)):
        (folder / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{lines}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def unreachable(raw_folder):
    raise RuntimeError("Error downloading:\nname not\nknown")


def never(raw_folder):
    raise AssertionError("not needed, so not to be tried")


def test_idx_of_a_known_file():
    content = b"\x00\x00\x08\x02" + b"\x00\x00\x00\x02" + b"\x00\x00\x00\x03" + bytes(range(6))
    np.testing.assert_array_equal(fashion_mnist.parse_idx(content), [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\x00\x0d\x01\x00\x00\x00\x00", b"\x00\x00\x08\x01\x00\x00\x00\x05abc"],
    ids=["empty", "floats", "short"],
)
def test_what_is_no_idx_file_is_refused(content):
    with pytest.raises(ValueError):
        fashion_mnist.parse_idx(content)


def test_readme_states_the_checksums():
    stated = dict(line.split() for line in README.read_text().splitlines() if "ubyte   " in line)
    assert stated == fashion_mnist.CHECKSUMS


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_in_the_folder_become_the_image_set(tmp_path, monkeypatch, files, suffix):
    offer_torchvision(monkeypatch, never)
    put(files, tmp_path / "raw", suffix)
    section = FashionMnist(source="fashion_mnist", folder=str(tmp_path / "raw"))
    for out in (tmp_path / "a", tmp_path / "b"):
        out.mkdir()
        registry.write(section, 0, out)

    opened = ImageSet.open(tmp_path / "a")
    expected = fashion_mnist.parse_idx(files[TRAIN_IMAGES])
    np.testing.assert_array_equal(opened.read(range(6))[..., 0], expected)
    assert opened.images.shape == (9, 28, 28, 1)
    assert opened.table["split"].tolist() == ["train"] * 6 + ["test"] * 3
    assert opened.table["label"].tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert opened.table["class_name"][8] == "Pullover"
    assert opened.table["source"][8] == "t10k-images-idx3-ubyte#2"
    for path in (tmp_path / "a").rglob("*"):
        twin = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.is_dir() or path.read_bytes() == twin.read_bytes()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_file_with_another_content_is_named(tmp_path, files, suffix):
    put(files | {TRAIN_IMAGES: b"something else"}, tmp_path, suffix)
    with pytest.raises(TickleError, match=f"{TRAIN_IMAGES}{suffix} is not the published file"):
        fashion_mnist.load(tmp_path)


def test_damaged_gz_is_named_even_beside_a_sound_plain_file(tmp_path, files):
    put(files, tmp_path)
    (tmp_path / f"{TEST_LABELS}.gz").write_bytes(gzip.compress(files[TEST_LABELS])[:-5])
    with pytest.raises(TickleError, match=f"{TEST_LABELS}.gz cannot be read"):
        fashion_mnist.load(tmp_path)


def test_missing_files_are_listed(tmp_path, monkeypatch, files):
    offer_torchvision(monkeypatch, never)
    put({TRAIN_IMAGES: files[TRAIN_IMAGES]}, tmp_path)
    with pytest.raises(TickleError) as raised:
        fashion_mnist.load(tmp_path)
    lacking = str(raised.value).split("lacks")[1]
    assert all((name in lacking) == (name != TRAIN_IMAGES) for name in files)


def test_torchvision_comes_first_and_is_asked_once(tmp_path, monkeypatch, files):
    offer_debian(monkeypatch, tmp_path / "bin", "exit 1")
    offer_torchvision(monkeypatch, lambda raw: put(files, raw, ".gz"))
    raw, cache = tmp_path / "raw", tmp_path / "cache"
    assert fashion_mnist.load(raw, cache) == files
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == files
    offer_torchvision(monkeypatch, never)
    assert fashion_mnist.load(raw, cache) == files


def test_damaged_cache_is_named(tmp_path, files):
    put(files | {TEST_LABELS: b""}, tmp_path / "cache")
    with pytest.raises(TickleError, match=f"cache/{TEST_LABELS} is not the published file"):
        fashion_mnist.load(tmp_path / "raw", tmp_path / "cache")


def test_incomplete_cache_is_completed(tmp_path, monkeypatch, files):
    put({TEST_LABELS: files[TEST_LABELS]}, tmp_path / "cache")
    offer_torchvision(monkeypatch, lambda raw: put(files, raw))
    assert fashion_mnist.load(tmp_path / "raw", tmp_path / "cache") == files
    assert fashion_mnist.read_files(tmp_path / "cache") == files


@pytest.mark.parametrize("first", ["unreachable", "spoiled", "incomplete"])
def test_debian_comes_after_torchvision(tmp_path, monkeypatch, files, first):
    offers = {
        "unreachable": unreachable,
        "spoiled": lambda raw: put(files | {TRAIN_IMAGES: b"a login page"}, raw),
        "incomplete": lambda raw: put({TEST_LABELS: files[TEST_LABELS]}, raw),
    }
    offer_torchvision(monkeypatch, offers[first])
    put(files, tmp_path / "package/usr/share/datasets/fashion-mnist", ".gz")
    offer_debian(
        monkeypatch,
        tmp_path / "bin",
        apt_get='case "$*" in *"download dataset-fashion-mnist") touch dataset.deb;; esac',
        dpkg_deb=f'[ "$1 $2" = "-x dataset.deb" ] && cp -r {tmp_path}/package/usr "$3"',
    )
    assert fashion_mnist.load(tmp_path / "raw", tmp_path / "cache") == files


def test_no_source_answers(tmp_path, monkeypatch, files):
    offer_torchvision(monkeypatch, unreachable)
    offer_debian(monkeypatch, tmp_path / "bin", "echo 'E: Unable to locate' >&2; exit 100")
    raw, cache = tmp_path / "raw", tmp_path / "cache"
    with pytest.raises(TickleError) as raised:
        fashion_mnist.load(raw, cache)
    message = str(raised.value)
    assert "\n" not in message
    for part in ("name not known", "E: Unable to locate", "apt-get update", str(raw), *files):
        assert part in message
    assert not cache.exists()


def test_machine_without_apt(tmp_path, monkeypatch, files):
    offer_torchvision(monkeypatch, unreachable)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TickleError, match="'apt-get'"):
        fashion_mnist.load(tmp_path / "raw", tmp_path / "cache")
