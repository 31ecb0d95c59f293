"""Folders that are classes, folders that are splits, and what is not clear."""

import re

import numpy as np
import pytest
from PIL import Image

from tests.datasets.test_folder import make_pixels, save, write
from tickle_core.datasets import listing
from tickle_core.datasets.notes import notes
from tickle_core.errors import TickleError


def put(root, *names, count=3):
    """Images in folders, each another one."""
    for number, name in enumerate(names):
        for place in range(count):
            save(root / name / f"{place}.png", make_pixels([number, place]))


@pytest.mark.parametrize(
    "tops", [("train", "test"), ("Train", "Val"), ("training", "valid", "test")]
)
def test_folders_named_like_splits_are_no_classes(tmp_path, tops):
    put(tmp_path, *(f"{top}/{name}" for top in tops for name in ("cat", "dog")))
    with pytest.raises(TickleError, match="are splits and no classes: set dataset.split"):
        listing.list_images(tmp_path)


def test_a_class_may_be_named_train(tmp_path):
    put(tmp_path, "bus", "train")
    assert list(listing.list_images(tmp_path)[0]) == ["bus", "train"]


def test_the_same_folders_below_all_are_not_clear(tmp_path):
    put(tmp_path, *(f"{year}/{name}" for year in (2019, 2020) for name in ("cat", "dog")))
    with pytest.raises(TickleError, match=re.escape("hold the same folders (cat, dog)")):
        listing.list_images(tmp_path)


def test_other_folders_below_are_parts_of_a_class(tmp_path):
    put(tmp_path, "cat/black", "cat/white", "dog/white", "dog/brown")
    assert list(listing.list_images(tmp_path)[0]) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("tops", "held_out"),
    [
        (("train", "test"), {"test"}),
        (("train", "val"), {"val"}),
        (("Training", "valid", "Test"), {"Test"}),
    ],
)
def test_folders_become_the_split_if_params_say_so(tmp_path, tops, held_out):
    put(tmp_path / "raw", *(f"{top}/{name}" for top in tops for name in ("cat", "dog")))
    opened = write(tmp_path / "raw", tmp_path / "out", split="folders")
    assert opened.class_names == ("cat", "dog")
    assert len(opened.table) == 6 * len(tops)
    found = opened.table.groupby(opened.table["source"].str.split("/").str[0])["split"].unique()
    for top in tops:
        assert found[top].tolist() == ["test" if top in held_out else "train"]


def test_a_class_that_one_split_lacks_is_noted(tmp_path):
    put(tmp_path / "raw", "train/cat", "train/dog", "test/cat")
    opened = write(tmp_path / "raw", tmp_path / "out", split="folders")
    assert "classes without a test image (1): dog" in notes(opened)


@pytest.mark.parametrize("tops", [("train",), ("train", "val", "extra"), ("cat", "dog"), ()])
def test_what_is_no_split_is_refused(tmp_path, tops):
    put(tmp_path / "raw", *(f"{top}/{name}" for top in tops for name in ("cat", "dog")))
    (tmp_path / "raw").mkdir(exist_ok=True)
    with pytest.raises(TickleError, match="needs folders named train and test"):
        write(tmp_path / "raw", tmp_path / "out", split="folders")


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "thumbs.db", "Thumbs.db"),
        *("Desktop.ini", "Icon\r", "System Volume Information", ".DS_Store"),
    ],
)
def test_what_systems_leave_behind_is_ignored_in_any_case(tmp_path, name):
    put(tmp_path, "cat", "dog", name, f"cat/{name}")
    found, skipped = listing.list_images(tmp_path)
    assert list(found) == ["cat", "dog"] and len(found["cat"]) == 3
    assert skipped == []


def test_groups_stay_on_one_side(tmp_path):
    put(tmp_path / "raw", "cat", "dog", count=40)
    names = [f"{name}/{place}.png" for name in ("cat", "dog") for place in range(40)]
    # A patient has images of both classes; the last five images have none.
    group_of = {name: f"patient {place % 8}" for place, name in enumerate(names[:-5])}
    rows = [f"{name},{group}" for name, group in group_of.items()]
    (tmp_path / "raw/groups.csv").write_text("\n".join(["file,group", *rows]))
    opened = write(tmp_path / "raw", tmp_path / "out")
    table = opened.table.assign(group=opened.table["source"].map(group_of))
    assert table.groupby("group")["split"].nunique().max() == 1
    assert set(table["split"]) == {"train", "test"}
    assert "images without a group in groups.csv: 5" in notes(opened)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("file,patient\ncat/0.png,a\n", "lacks the column group"),
        ("", "cannot be read"),
        ("file,group\ncat/0.png,a\ncat/0.png,b\n", "names 1 files twice: cat/0.png"),
        ("file,group\ncat/7.png,a\n", "names 1 files that are not there: cat/7.png"),
    ],
)
def test_a_bad_table_of_groups_is_refused(tmp_path, content, told):
    put(tmp_path / "raw", "cat", "dog")
    (tmp_path / "raw/groups.csv").write_text(content)
    with pytest.raises(TickleError, match=told):
        write(tmp_path / "raw", tmp_path / "out")


def photograph(seed):
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
    fine = np.asarray(coarse.resize((64, 64), Image.Resampling.BICUBIC), float)
    return (fine + rng.normal(0, 12, fine.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("near_copies", ["note", "together"])
def test_near_copies_are_noted_and_kept_together_if_params_say_so(tmp_path, near_copies):
    for name, start in (("cat", 0), ("dog", 100)):
        for place in range(20):
            pixels = photograph(start + place)
            save(tmp_path / f"raw/{name}/{place}.png", pixels)
            save(tmp_path / f"raw/{name}/{place}-flip.png", pixels[:, ::-1])
    size = {"resize": 64, "image_size": 64}
    opened = write(tmp_path / "raw", tmp_path / "out", near_copies=near_copies, **size)
    table = opened.table
    pair = table["class_name"] + table["source"].str.extract(r"(\d+)")[0]
    parted = int((table.groupby(pair)["split"].nunique() == 2).sum())
    (note,) = notes(opened)
    assert note.startswith(
        f"pairs of images that are nearly the same (40, of which {parted} on both sides"
    )
    assert (parted == 0) == (near_copies == "together")


def test_twelve_bits_in_sixteen_are_noted(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "raw" / name).mkdir(parents=True)
        for place in range(3):
            values = rng.integers(0, 4096, (8, 8)).astype(np.uint16)
            values[0, 0] = 4095
            Image.fromarray(values).save(tmp_path / f"raw/{name}/{place}.png")
    (note,) = notes(write(tmp_path / "raw", tmp_path / "out"))
    assert note == (
        "16-bit images (6) have no value above 4,095, which leaves 16 of 256 levels: for grey ones "
        "set dataset.range_16bit to [0, 4095]"
    )
    brought = write(tmp_path / "raw", tmp_path / "other", range_16bit=[0, 4095])
    assert notes(brought) == []
    assert len(np.unique(brought.read(range(6)))) > 100
