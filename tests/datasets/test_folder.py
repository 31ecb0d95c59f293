from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tickle_core.datasets import folder, registry
from tickle_core.datasets.image_set import ImageSet, content_hash
from tickle_core.errors import TickleError
from tickle_core.params import ImageFolder


def make_pixels(seed, shape=(8, 8)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def make_classes(root, **counts):
    for number, (name, count) in enumerate(counts.items()):
        for row in range(count):
            save(root / name / f"{row:03}.png", make_pixels([number, row]))


def section(root, color="grey", test_share=0.25):
    return ImageFolder(
        source="folder", folder=str(root), image_size=8, color=color, test_share=test_share
    )


def write(root, out, seed=0, **options):
    out.mkdir()
    registry.write(section(root, **options), seed, out)
    return ImageSet.open(out)


def test_images_come_by_class_and_path(tmp_path):
    make_classes(tmp_path / "raw", zebra=2, Ant=3)
    save(tmp_path / "raw/Ant/deeper/x.png", make_pixels(9))
    save(tmp_path / "raw/Ant/deeper-still/x.png", make_pixels(10))
    opened = write(tmp_path / "raw", tmp_path / "out")
    assert opened.class_names == ("Ant", "zebra")
    assert opened.table["source"].tolist() == [
        "Ant/000.png",
        "Ant/001.png",
        "Ant/002.png",
        "Ant/deeper-still/x.png",
        "Ant/deeper/x.png",
        "zebra/000.png",
        "zebra/001.png",
    ]
    assert opened.table["label"].tolist() == [0, 0, 0, 0, 0, 1, 1]
    np.testing.assert_array_equal(opened.read([4])[0, ..., 0], make_pixels(9))
    np.testing.assert_array_equal(opened.read([6])[0, ..., 0], make_pixels([0, 1]))


def test_more_images_than_are_decoded_ahead_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "LOOK_AHEAD", 3)
    make_classes(tmp_path / "raw", a=10, b=1)
    opened = write(tmp_path / "raw", tmp_path / "out")
    for row in range(10):
        np.testing.assert_array_equal(opened.read([row])[0, ..., 0], make_pixels([0, row]))


def test_written_twice_the_bytes_are_the_same(tmp_path):
    make_classes(tmp_path / "raw", a=20, b=20)
    write(tmp_path / "raw", tmp_path / "one")
    write(tmp_path / "raw", tmp_path / "two")
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")]
    assert len(files) >= 3
    for file in files:
        one, two = tmp_path / "one" / file, tmp_path / "two" / file
        assert one.is_dir() or one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "tif", "webp"])
def test_truncated_image_is_named(tmp_path, kind):
    make_classes(tmp_path / "raw", a=3, b=3)
    path = tmp_path / f"raw/b/broken.{kind}"
    save(path, make_pixels(0, (64, 64)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TickleError, match=rf"b/broken.{kind} cannot be decoded"):
        write(tmp_path / "raw", tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_what_is_no_image_is_named(tmp_path, content):
    make_classes(tmp_path / "raw", a=3, b=3)
    (tmp_path / "raw/a/notes.png").write_bytes(content)
    with pytest.raises(TickleError, match=r"a/notes.png cannot be decoded"):
        write(tmp_path / "raw", tmp_path / "out")


def test_hidden_files_are_left_out(tmp_path):
    make_classes(tmp_path, a=2, b=2)
    (tmp_path / ".gitkeep").touch()
    (tmp_path / "a/.DS_Store").touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "b/.thumbnails").mkdir()
    (tmp_path / "b/.thumbnails/000.png").touch()
    listed = folder.list_images(tmp_path)
    assert {name: len(paths) for name, paths in listed.items()} == {"a": 2, "b": 2}


def refusals():
    def nothing(root):
        pass

    def a_file(root):
        root.touch()

    def empty(root):
        root.mkdir()

    def only_hidden(root):
        root.mkdir()
        (root / ".gitkeep").touch()

    def no_class(root):
        save(root / "x.png", make_pixels(0))

    def stray(root):
        make_classes(root, a=2, b=2)
        (root / "labels.csv").touch()

    def one_class(root):
        make_classes(root, a=2)

    def empty_class(root):
        make_classes(root, a=2)
        (root / "b").mkdir()
        (root / "b/.gitkeep").touch()

    return [
        (nothing, "raw is missing or no folder"),
        (a_file, "raw is missing or no folder"),
        (empty, "raw is empty"),
        (only_hidden, "raw is empty"),
        (no_class, "x.png is in no class folder"),
        (stray, "labels.csv is in no class folder"),
        (one_class, "raw/a is the only class folder"),
        (empty_class, "raw/b has no images"),
    ]


@pytest.mark.parametrize(("make", "message"), refusals(), ids=lambda v: getattr(v, "__name__", ""))
def test_what_is_no_set_of_class_folders_is_refused(tmp_path, make, message):
    make(tmp_path / "raw")
    with pytest.raises(TickleError, match=message):
        folder.list_images(tmp_path / "raw")


def test_nothing_to_hold_out_is_refused(tmp_path):
    make_classes(tmp_path / "raw", a=1, b=1)
    with pytest.raises(TickleError, match="nothing to test on"):
        write(tmp_path / "raw", tmp_path / "out")


@given(st.integers(1, 40), st.floats(0.01, 0.99), st.integers(0, 3))
def test_share_of_a_class(count, share, seed):
    contents = [f"image {row}" for row in range(count)]
    splits = folder.split_by_content([0] * count, contents, share, seed)
    assert splits.count("test") == min(max(1, round(share * count)), count - 1)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), min_size=1, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 3),
)
def test_copies_never_straddle_the_split(images, share, seed):
    labels = [label for label, _ in images]
    contents = [f"image {content}" for _, content in images]
    splits = folder.split_by_content(labels, contents, share, seed)
    sides = {}
    for image, split in zip(images, splits, strict=True):
        sides.setdefault(image, set()).add(split)
    assert all(len(side) == 1 for side in sides.values())
    for label, different in Counter(label for label, _ in sides).items():
        found = {split for one, split in zip(labels, splits, strict=True) if one == label}
        assert found == ({"train", "test"} if different > 1 else {"train"})


def test_split_follows_the_seed_and_the_content_alone(tmp_path):
    make_classes(tmp_path / "raw", a=40, b=40)

    def test_contents(out, seed):
        table = write(tmp_path / "raw", tmp_path / out, seed).table
        return set(table["content"][table["split"] == "test"])

    first = test_contents("one", 0)
    assert len(first) == 20
    assert first != test_contents("two", 1)
    for path in sorted((tmp_path / "raw").rglob("*.png")):
        path.rename(path.with_name(f"renamed-{999 - int(path.stem)}.png"))
    assert first == test_contents("three", 0)


def test_identical_files_of_a_class_share_a_split(tmp_path):
    make_classes(tmp_path / "raw", a=12, b=12)
    for copy in range(5):
        save(tmp_path / f"raw/a/copy-{copy}.png", make_pixels([0, 0]))
    table = write(tmp_path / "raw", tmp_path / "out").table
    copied = table["content"] == content_hash(make_pixels([0, 0])[..., np.newaxis])
    assert copied.sum() == 6
    assert table["split"][copied].nunique() == 1
