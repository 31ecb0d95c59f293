"""torchvision's data sets are read by name, wherever they lie, and nothing of them is run."""

import hashlib
import pickle
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from tests.datasets.torchvision_formats import MAKERS, TEST, TRAIN, shade
from tickle_core.datasets import registry, torchvision_set
from tickle_core.datasets.image_set import Geometry, ImageSet
from tickle_core.errors import TickleError
from tickle_core.params.dataset import TorchvisionSet


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, and a network that refuses."""

    def refuse(*_, **__):
        raise urllib.error.URLError("name\nnot known")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".cache/downloads"


def write(name, root, out, color="grey"):
    section = TorchvisionSet(
        source="torchvision",
        name=name,
        folder=str(root),
        resize=10,
        image_size=8,
        interpolation="bilinear",
        color=color,
        test_share=0.5,
    )
    out.mkdir()
    registry.write(section, 0, out)
    return ImageSet.open(out)


def files(root):
    return {path: path.is_dir() or path.read_bytes() for path in root.rglob("*")}


def test_every_set_has_a_stand_in():
    assert MAKERS.keys() == torchvision_set.SETS.keys()


@pytest.mark.parametrize("name", MAKERS)
def test_set_in_the_folder_is_read(tmp_path, monkeypatch, name):
    class_names = MAKERS[name](tmp_path / "raw", monkeypatch)
    before = files(tmp_path / "raw")
    opened = write(name, tmp_path / "raw", tmp_path / "out")
    assert files(tmp_path / "raw") == before
    assert list(opened.class_names) == list(class_names)
    assert opened.images.shape == (6, 8, 8, 1)
    assert opened.geometry == Geometry(10, 8, "bilinear")
    table = opened.table
    expected = np.array([shade(label) for label in table["label"]])
    found = opened.read(range(6)).reshape(6, -1).astype(int)
    assert np.abs(found - expected[:, np.newaxis]).max() <= 1
    if torchvision_set.SETS[name].test:
        assert table["split"].tolist() == ["train"] * 4 + ["test"] * 2
        assert sorted(table["label"][:4]) == sorted(TRAIN)
        assert sorted(table["label"][4:]) == sorted(TEST)
    else:
        assert sorted(table["label"]) == sorted(TRAIN + TEST)
    part, row = table["source"][5].split("#")
    assert part in torchvision_set.SETS[name].test | torchvision_set.SETS[name].train
    assert int(row) == 5 - sum(source.split("#")[0] != part for source in table["source"])


@pytest.mark.parametrize("name", ["MNIST", "CIFAR10", "OxfordIIITPet"])
def test_labels_keep_the_order_of_the_set(tmp_path, monkeypatch, name):
    MAKERS[name](tmp_path / "raw", monkeypatch)
    opened = write(name, tmp_path / "raw", tmp_path / "out", color="rgb")
    assert opened.table["label"].tolist() == TRAIN + TEST
    assert opened.images.shape == (6, 8, 8, 3)


def test_set_without_a_split_is_split_by_content(tmp_path, monkeypatch):
    MAKERS["Caltech101"](tmp_path / "raw", monkeypatch)
    rng = np.random.default_rng(0)
    for path in (tmp_path / "raw").rglob("*.jpg"):
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    table = write("Caltech101", tmp_path / "raw", tmp_path / "out").table
    assert table.groupby("label")["split"].nunique().tolist() == [2, 2]


def test_cache_comes_after_the_folder(tmp_path, monkeypatch, cache):
    MAKERS["MNIST"](cache / "MNIST", monkeypatch)
    (tmp_path / "raw").mkdir()
    assert write("MNIST", tmp_path / "raw", tmp_path / "out").images.shape == (6, 8, 8, 1)
    assert files(tmp_path / "raw") == {}


def test_refused_network_is_one_line_that_says_what_to_do(tmp_path, cache):
    for name, published in torchvision_set.SETS.items():
        with pytest.raises(TickleError) as raised:
            torchvision_set.load(name, tmp_path / "raw")
        message = str(raised.value)
        assert "\n" not in message
        for part in (name, f"{tmp_path}/raw", f".cache/downloads/{name}", published.place):
            assert part in message
        assert "could not be downloaded" in message
    assert list(cache.iterdir()) == []
    assert not (tmp_path / "raw").exists()


def test_download_is_kept_when_it_is_complete(tmp_path, monkeypatch, cache):
    asked = []

    def download(self):
        if not self._check_exists():
            asked.append(self.root)
            MAKERS["MNIST"](type(tmp_path)(self.root), monkeypatch)

    monkeypatch.setattr(datasets.MNIST, "download", download)
    for out in ("one", "two"):
        assert write("MNIST", tmp_path / "raw", tmp_path / out).images.shape[0] == 6
    assert len(asked) == 1
    assert [path.name for path in cache.iterdir()] == ["MNIST"]


def test_interrupted_download_is_no_set(tmp_path, monkeypatch, cache):
    def download(self):
        MAKERS["EuroSAT"](type(tmp_path)(self.root), monkeypatch)
        raise ConnectionResetError("reset by peer")

    monkeypatch.setattr(datasets.EuroSAT, "download", download)
    for _ in range(2):
        with pytest.raises(TickleError, match="reset by peer"):
            torchvision_set.load("EuroSAT", tmp_path / "raw")


@pytest.mark.parametrize(
    ("name", "near"),
    [("CIFAR-10", "CIFAR10"), ("imagenette", "Imagenette"), ("xyzzy", "MNIST"), ("LSUN", "SVHN")],
)
def test_unknown_name_gets_the_nearest(tmp_path, name, near):
    with pytest.raises(TickleError, match=f"'{name}', which is not read; valid: .*{near}"):
        torchvision_set.load(name, tmp_path)


def test_damaged_set_is_named_and_not_downloaded(tmp_path, monkeypatch):
    MAKERS["SVHN"](tmp_path / "raw", monkeypatch)
    (tmp_path / "raw/test_32x32.mat").write_bytes(b"")
    with pytest.raises(TickleError, match="raw/train_32x32.mat is incomplete or damaged"):
        torchvision_set.load("SVHN", tmp_path / "raw")


def test_damaged_image_is_named(tmp_path, monkeypatch):
    MAKERS["DTD"](tmp_path / "raw", monkeypatch)
    (tmp_path / "raw/dtd/dtd/images/woven/test_0.jpg").write_bytes(b"")
    with pytest.raises(TickleError, match="DTD: image test#0 cannot be read"):
        write("DTD", tmp_path / "raw", tmp_path / "out")


class Payload:
    """A pickle that writes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_of_cifar_run_nothing(tmp_path, monkeypatch):
    MAKERS["CIFAR10"](tmp_path / "raw", monkeypatch)
    meta = tmp_path / "raw/cifar-10-batches-py/meta"
    meta.write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(TickleError, match="meta is not the published file"):
        torchvision_set.load("CIFAR10", tmp_path / "raw")
    md5 = hashlib.md5(meta.read_bytes()).hexdigest()
    monkeypatch.setattr(datasets.CIFAR10, "meta", datasets.CIFAR10.meta | {"md5": md5})
    with pytest.raises(TickleError, match="a pickle that asks for .*open"):
        torchvision_set.load("CIFAR10", tmp_path / "raw")
    assert not (tmp_path / "ran").exists()


def test_old_form_of_mnist_runs_nothing(tmp_path, monkeypatch):
    MAKERS["MNIST"](tmp_path / "raw", monkeypatch)
    for name in ("training.pt", "test.pt"):
        (tmp_path / "raw/MNIST/processed").mkdir(exist_ok=True)
        torch.save(Payload(tmp_path / "ran"), tmp_path / "raw/MNIST/processed" / name)
    with pytest.raises(TickleError, match="raw/MNIST is incomplete or damaged"):
        torchvision_set.load("MNIST", tmp_path / "raw")
    assert not (tmp_path / "ran").exists()
