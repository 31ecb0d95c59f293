"""A folder of class folders becomes an image set, with nothing silently dropped."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tickle_core.datasets import decoding, registry
from tickle_core.datasets.image_set import Geometry, ImageSet, content_hash
from tickle_core.datasets.skipping import Skipped
from tickle_core.errors import TickleError
from tickle_core.params import reading
from tickle_core.params.dataset import ImageFolder

ROOT = Path(__file__).parents[2]


def make_pixels(seed, shape=(8, 8)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def make_classes(root, **counts):
    for number, (name, count) in enumerate(counts.items()):
        for row in range(count):
            save(root / name / f"{row:03}.png", make_pixels([number, row]))


def truncate(path):
    """Half of a sound image: its head is right, and the rest is missing."""
    save(path, make_pixels(0, (64, 64)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write(root, out, seed=0, **options):
    section = {
        "source": "folder",
        "folder": str(root),
        "resize": 8,
        "image_size": 8,
        "interpolation": "bicubic",
        "color": "grey",
        "test_share": 0.25,
        "damaged": "refuse",
        "split": "content",
        "near_copies": "note",
        "range_16bit": [0, 65535],
    }
    out.mkdir()
    registry.write(ImageFolder(**section | options), seed, out)
    return ImageSet.open(out)


FOLDER = {
    "damaged": "skip",
    "split": "content",
    "near_copies": "note",
    "range_16bit": [0, 65535],
}


@pytest.mark.parametrize("source", ["folder", "torchvision"])
def test_crop_that_does_not_fit_is_refused_with_the_params(source):
    values = reading.read(ROOT / "params.yaml")
    values["dataset"] = {
        "source": source,
        "folder": "raw",
        "resize": 223,
        "image_size": 224,
        "interpolation": "bicubic",
        "color": "rgb",
        "test_share": 0.2,
        **(FOLDER if source == "folder" else {"name": "MNIST"}),
    }
    with pytest.raises(TickleError, match="dataset: image_size is 224, .* resized to 223 only"):
        reading.parse(values)
    values["dataset"]["resize"] = 224
    reading.parse(values)


def test_images_come_by_class_and_path(tmp_path):
    make_classes(tmp_path / "raw", zebra=2, Ant=3)
    save(tmp_path / "raw/Ant/deeper/x.png", make_pixels(9))
    opened = write(tmp_path / "raw", tmp_path / "out")
    assert opened.class_names == ("Ant", "zebra")
    assert opened.table["source"].tolist() == [
        "Ant/000.png",
        "Ant/001.png",
        "Ant/002.png",
        "Ant/deeper/x.png",
        "zebra/000.png",
        "zebra/001.png",
    ]
    assert opened.table["label"].tolist() == [0, 0, 0, 0, 1, 1]
    np.testing.assert_array_equal(opened.read([3])[0, ..., 0], make_pixels(9))
    np.testing.assert_array_equal(opened.read([5])[0, ..., 0], make_pixels([0, 1]))
    assert opened.geometry == Geometry(8, 8, "bicubic")
    assert opened.skipped == ()


def test_images_are_brought_to_the_geometry(tmp_path):
    make_classes(tmp_path / "raw", a=1, b=1)
    save(tmp_path / "raw/a/x.png", make_pixels(1, (40, 30, 3)))
    options = {"resize": 20, "image_size": 16, "interpolation": "bilinear", "color": "rgb"}
    opened = write(tmp_path / "raw", tmp_path / "out", **options)
    assert opened.images.shape == (3, 16, 16, 3)
    assert opened.geometry == Geometry(20, 16, "bilinear")
    expected = decoding.decode(tmp_path / "raw/a/x.png", opened.geometry, "rgb")
    np.testing.assert_array_equal(opened.read([1])[0], expected)


def test_written_twice_the_bytes_are_the_same(tmp_path):
    make_classes(tmp_path / "raw", a=20, b=20)
    truncate(tmp_path / "raw/a/broken.png")
    for out in ("one", "two"):
        write(tmp_path / "raw", tmp_path / out, damaged="skip")
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")]
    assert len(files) >= 4
    for file in files:
        one, two = tmp_path / "one" / file, tmp_path / "two" / file
        assert one.is_dir() or one.read_bytes() == two.read_bytes()


def make_troubles(root):
    """Sound classes with one of each trouble that a head shows, and what each is called."""
    make_classes(root, a=3, b=3)
    (root / "a/notes.txt").write_text("a note")
    (root / "b/empty.jpg").touch()
    (root / "c").mkdir()
    (root / "labels.csv").touch()
    (root / "b/away.png").symlink_to("/")
    Image.new("1", (12_000, 12_000)).save(root / "a/bomb.png")
    return ["a/bomb.png", "a/notes.txt", "b/away.png", "b/empty.jpg", "c", "labels.csv"]


def test_refuse_names_all_that_is_known_early_before_any_decoding(tmp_path, monkeypatch):
    troubles = make_troubles(tmp_path / "raw")
    monkeypatch.setattr(decoding, "decode", None)
    with pytest.raises(TickleError, match="raw: 6 of its entries cannot be used") as raised:
        write(tmp_path / "raw", tmp_path / "out")
    message = str(raised.value)
    assert "\n" not in message
    assert all(f"{trouble} (" in message for trouble in troubles)
    assert "dataset.damaged to skip" in message


def test_refuse_names_all_that_only_decoding_shows(tmp_path):
    make_classes(tmp_path / "raw", a=3, b=3)
    truncate(tmp_path / "raw/a/broken.png")
    truncate(tmp_path / "raw/b/broken.png")
    with pytest.raises(
        TickleError, match=r"2 of its entries cannot be used: a/broken.png \(.*b/broken.png \("
    ):
        write(tmp_path / "raw", tmp_path / "out")


def test_refuse_counts_what_it_does_not_name(tmp_path):
    make_classes(tmp_path / "raw", a=3, b=3)
    for row in range(25):
        (tmp_path / f"raw/a/{row:02}.txt").touch()
    with pytest.raises(
        TickleError, match=r"25 of its entries cannot be used: .*a/09.txt .*; and 15 more\."
    ):
        write(tmp_path / "raw", tmp_path / "out")


def test_skip_keeps_the_others_and_lists_each_with_its_reason(tmp_path):
    make_classes(tmp_path / "sound", a=3, b=3)
    troubles = make_troubles(tmp_path / "raw")
    truncate(tmp_path / "raw/a/001x.png")
    with warnings.catch_warnings(record=True) as caught:
        opened = write(tmp_path / "raw", tmp_path / "out", damaged="skip")
    assert caught == []
    sound = write(tmp_path / "sound", tmp_path / "sound-out")
    assert opened.table.equals(sound.table)
    assert opened.class_names == sound.class_names == ("a", "b")
    np.testing.assert_array_equal(opened.read(range(6)), sound.read(range(6)))
    assert [one.source for one in opened.skipped] == ["a/001x.png", *troubles]
    assert all(one.reason for one in opened.skipped)
    assert str(tmp_path) not in (tmp_path / "out/skipped.json").read_text()


def test_class_of_which_nothing_can_be_decoded_is_no_class(tmp_path):
    make_classes(tmp_path / "raw", a=3, c=3)
    truncate(tmp_path / "raw/b/broken.png")
    opened = write(tmp_path / "raw", tmp_path / "out", damaged="skip")
    assert opened.class_names == ("a", "c")
    assert opened.table["label"].tolist() == [0, 0, 0, 1, 1, 1]
    assert opened.table["class_name"].tolist() == list("aaaccc")
    assert opened.skipped[0] == Skipped("b", "a class folder without any usable image")
    assert opened.skipped[1].source == "b/broken.png"


@pytest.mark.parametrize("damaged", ["refuse", "skip"])
def test_fewer_than_two_classes_are_refused(tmp_path, damaged):
    make_classes(tmp_path / "raw", a=3)
    (tmp_path / "raw/b").mkdir()
    with pytest.raises(TickleError, match="two class folders .* has only a; .* b .a class folder"):
        write(tmp_path / "raw", tmp_path / "one", damaged=damaged)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TickleError, match="two class folders .* has none"):
        write(tmp_path / "empty", tmp_path / "two", damaged=damaged)


def test_nothing_usable_at_all_is_refused(tmp_path):
    truncate(tmp_path / "raw/a/x.png")
    truncate(tmp_path / "raw/b/x.png")
    with pytest.raises(TickleError, match=r"has none; beside it: .*a/x.png"):
        write(tmp_path / "raw", tmp_path / "out", damaged="skip")


def test_nothing_to_hold_out_is_refused(tmp_path):
    for name in ("a/0", "a/1", "b/0"):
        save(tmp_path / f"raw/{name}.png", make_pixels(0))
    with pytest.raises(TickleError, match="nothing to test on"):
        write(tmp_path / "raw", tmp_path / "out")


def test_odd_names_survive(tmp_path):
    names = [
        "two words",
        "ünï 图像",
        "<b>&amp;\"'",
        "new\nline",
        "x" * 240,
        "a\u202eb",
        "می\u200cخواهم",
    ]
    make_classes(tmp_path / "raw", **dict.fromkeys(names, 2))
    for name in names:
        save(tmp_path / "raw" / name / f"{name}.png", make_pixels(99))
    opened = write(tmp_path / "raw", tmp_path / "out")
    # What turns a line or a direction is shown, not done.
    shown = [name.replace("\n", r"\n").replace("\u202e", r"\u202e") for name in names]
    assert set(opened.class_names) == set(shown)
    assert {f"{name}/{name}.png" for name in shown} < set(opened.table["source"])


def test_odd_names_are_named_on_one_line(tmp_path):
    make_classes(tmp_path / "raw", a=2, b=2)
    (tmp_path / "raw/a/new\nline.png").touch()
    with pytest.raises(TickleError) as raised:
        write(tmp_path / "raw", tmp_path / "out")
    assert r"a/new\nline.png (" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_split_follows_the_seed_and_the_content_alone(tmp_path):
    make_classes(tmp_path / "raw", a=40, b=40)

    def test_contents(out, seed):
        table = write(tmp_path / "raw", tmp_path / out, seed).table
        return set(table["content"][table["split"] == "test"])

    first = test_contents("one", 0)
    assert first != test_contents("two", 1)
    for path in sorted((tmp_path / "raw").rglob("*.png")):
        path.rename(path.with_name(f"renamed-{999 - int(path.stem)}.png"))
    assert first == test_contents("three", 0)


def test_copies_are_reported_and_share_a_split(tmp_path):
    make_classes(tmp_path / "raw", a=12, b=12)
    for name in ("a/copy-0", "a/copy-1", "b/copy"):
        save(tmp_path / f"raw/{name}.png", make_pixels([0, 0]))
    save(tmp_path / "raw/b/twin.png", make_pixels([1, 5]))
    opened = write(tmp_path / "raw", tmp_path / "out")
    assert opened.duplicates == [
        ["a/000.png", "a/copy-0.png", "a/copy-1.png", "b/copy.png"],
        ["b/005.png", "b/twin.png"],
    ]
    assert opened.table.groupby("content")["split"].nunique().max() == 1
    shared = opened.table["content"] == content_hash(make_pixels([0, 0])[..., np.newaxis])
    assert set(opened.table["split"][shared]) == {"train"}
