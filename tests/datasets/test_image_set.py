import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickle_core import arrays
from tickle_core.datasets import image_set
from tickle_core.datasets.skipping import Skipped
from tickle_core.errors import TickleError

CLASS_NAMES = ("cat", "dog", "eel")


def make_images(count, shape=(4, 5, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def write(out, images, splits=None):
    out.mkdir(exist_ok=True)
    count = len(images)
    labels = [row % 3 for row in range(count)]
    contents = image_set.write_images(out, iter(images), count, images.shape[1:], CLASS_NAMES)
    sources = [f"somewhere#{row}" for row in range(count)]
    splits = splits or ["train"] * count
    image_set.write_table(out, splits, labels, sources, contents, CLASS_NAMES)


def make_table(labels, splits=None):
    """A table in which every image is different."""
    return pd.DataFrame(
        {
            "id": range(len(labels)),
            "split": splits or ["train"] * len(labels),
            "label": labels,
            "content": [f"image {row}" for row in range(len(labels))],
        }
    )


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """50 images of 60 bytes in shards of 8 and chunks of 2."""
    out = tmp_path_factory.mktemp("sharded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_set, "SHARD_BYTES", 600)
        patch.setattr(arrays, "CHUNK_BYTES", 120)
        write(out, make_images(50))
    opened = image_set.ImageSet.open(out)
    assert opened.images.shards[0] == 8
    assert opened.images.chunks[0] == 2
    return opened


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 49), max_size=80))
def test_read_returns_the_images_in_the_order_asked_for(sharded, ids):
    np.testing.assert_array_equal(sharded.read(ids), make_images(50)[np.array(ids, dtype=int)])


@pytest.mark.parametrize("ids", [[-1], [50], [0, 50]])
def test_read_refuses_ids_that_are_not_there(sharded, ids):
    with pytest.raises(IndexError, match="0 to 49"):
        sharded.read(ids)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16])
def test_any_number_of_images_survives_the_shards(tmp_path, monkeypatch, count):
    monkeypatch.setattr(image_set, "SHARD_BYTES", 600)
    write(tmp_path, make_images(count))
    np.testing.assert_array_equal(
        image_set.ImageSet.open(tmp_path).read(range(count)), make_images(count)
    )


def test_shards_are_about_64_mb_and_no_larger_than_the_set(tmp_path):
    write(tmp_path, make_images(5))
    assert image_set.ImageSet.open(tmp_path).images.shards[0] == 8
    array = arrays.create(tmp_path / "x.zarr", (70_000, 28, 28, 1), "uint8", 65_536, 0)
    assert 32 * 2**20 < np.prod(array.shards) <= image_set.SHARD_BYTES


def test_table_describes_every_image(tmp_path):
    images = make_images(4)
    write(tmp_path, images, ["train", "test", "train", "test"])
    opened = image_set.ImageSet.open(tmp_path)
    assert opened.class_names == CLASS_NAMES
    assert list(opened.table.columns) == [
        *("id", "split", "label", "class_name", "source", "content"),
    ]
    assert opened.table["id"].dtype == opened.table["label"].dtype == np.int64
    row = opened.table.iloc[1]
    assert (row.id, row.split, row.label) == (1, "test", 1)
    assert (row.class_name, row.source) == ("dog", "somewhere#1")
    assert row.content == hashlib.sha256(b"4x5x3:" + images[1].tobytes()).hexdigest()


def test_content_hash_tells_shapes_apart():
    flat = np.zeros((2, 8, 1), dtype=np.uint8)
    assert image_set.content_hash(flat) != image_set.content_hash(flat.reshape(4, 4, 1))


@pytest.mark.parametrize("came", [0, 1, 8, 9, 15, 16])
def test_array_is_cut_to_the_images_that_came(tmp_path, monkeypatch, came):
    """The shards are what they would be if all others had come too."""
    monkeypatch.setattr(image_set, "SHARD_BYTES", 600)
    images = make_images(17)
    for name, some in {"some": images[:came], "all": images}.items():
        (tmp_path / name).mkdir()
        contents = image_set.write_images(tmp_path / name, iter(some), 17, (4, 5, 3), CLASS_NAMES)
        assert len(contents) == len(some)
    array = arrays.open_complete(tmp_path / "some/images.zarr")
    assert array.shape == (came, 4, 5, 3)
    np.testing.assert_array_equal(array[:], images[:came])
    shards = sorted(path.name for path in (tmp_path / "some/images.zarr").glob("c.*"))
    assert shards == [f"c.{shard}.0.0.0" for shard in range(-(-came // 8))]
    for shard in shards[: came // 8]:
        some, whole = (tmp_path / name / "images.zarr" / shard for name in ("some", "all"))
        assert some.read_bytes() == whole.read_bytes()


def test_more_images_than_announced_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at most 4"):
        image_set.write_images(tmp_path, iter(make_images(5)), 4, (4, 5, 3), CLASS_NAMES)


def test_wrong_shape_or_type_is_refused(tmp_path):
    for name, image in {
        "shape": np.zeros((5, 4, 3), np.uint8),
        "type": np.zeros((4, 5, 3)),
    }.items():
        (tmp_path / name).mkdir()
        with pytest.raises(ValueError, match="expected uint8"):
            image_set.write_images(tmp_path / name, [image], 1, (4, 5, 3), CLASS_NAMES)


@pytest.mark.parametrize("name", ["images.zarr/c.0.0.0.0", "table.parquet", "skipped.json"])
def test_missing_part_is_named(tmp_path, name):
    write(tmp_path, make_images(4))
    (tmp_path / name).unlink()
    with pytest.raises(TickleError, match=name):
        image_set.ImageSet.open(tmp_path)


@pytest.mark.parametrize("content", ["", "[{}]", '[{"source": "a"}]', "{", "7"])
def test_damaged_list_of_what_was_skipped_is_named(tmp_path, content):
    write(tmp_path, make_images(4))
    (tmp_path / "skipped.json").write_text(content)
    with pytest.raises(TickleError, match="skipped.json is missing or damaged"):
        image_set.ImageSet.open(tmp_path)


def test_geometry_and_what_was_skipped_are_kept(tmp_path):
    geometry = image_set.Geometry(256, 224, "bilinear")
    image_set.write_images(tmp_path, iter(make_images(2)), 2, (4, 5, 3), CLASS_NAMES, geometry)
    skipped = [Skipped("b/\udcff\n.png", "its name"), Skipped("a/<i>.png", "no image")]
    names = CLASS_NAMES[:2]
    image_set.write_table(tmp_path, ["train"] * 2, [0, 1], ["x", "y"], ["0", "1"], names, skipped)
    opened = image_set.ImageSet.open(tmp_path)
    assert opened.geometry == geometry
    assert opened.skipped == (skipped[1], skipped[0])
    assert opened.class_names == names


def test_without_geometry_and_skipped_images_both_say_so(tmp_path):
    write(tmp_path, make_images(2))
    opened = image_set.ImageSet.open(tmp_path)
    assert opened.geometry is None
    assert opened.skipped == ()
    assert opened.duplicates == []
    assert (tmp_path / "skipped.json").read_text() == "[]\n"


def test_damaged_shard_is_named(tmp_path):
    write(tmp_path, make_images(8))
    shard = tmp_path / "images.zarr/c.0.0.0.0"
    content = bytearray(shard.read_bytes())
    content[50] ^= 1
    shard.write_bytes(content)
    with pytest.raises(TickleError, match="c.0.0.0.0 is damaged"):
        image_set.ImageSet.open(tmp_path).read([3])


def test_no_flipped_bit_of_the_table_passes_for_data(tmp_path):
    write(tmp_path, make_images(8))
    path = tmp_path / "table.parquet"
    sound, content = image_set.ImageSet.open(tmp_path).table, path.read_bytes()
    refused = 0
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            assert image_set.ImageSet.open(tmp_path).table.equals(sound)
        except TickleError as error:
            assert f"{path} is" in str(error)
            refused += 1
    assert refused > 0


def test_table_of_another_set_is_refused(tmp_path):
    write(tmp_path / "a", make_images(4))
    write(tmp_path / "b", make_images(5))
    (tmp_path / "b/table.parquet").replace(tmp_path / "a/table.parquet")
    with pytest.raises(TickleError, match="lists 5 images, but .* holds 4"):
        image_set.ImageSet.open(tmp_path / "a")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 70), st.integers(0, 5))
def test_draw_is_even_until_a_class_is_exhausted(labels, count, seed):
    drawn = image_set.draw(make_table(labels), "train", count, seed)
    assert len(drawn) == min(count, len(labels))
    assert (np.diff(drawn) > 0).all()
    have = np.bincount(labels, minlength=5)
    got = np.bincount(np.array(labels)[drawn], minlength=5)
    assert (got <= have).all()
    left = got < have
    if left.any():
        assert got.max() - got[left].min() <= 1


def test_draw_takes_no_copies():
    table = make_table([0, 1] * 10)
    copied = table.assign(content=[f"image {place % 6}" for place in range(20)])
    drawn = image_set.draw(copied, "train", None, 0)
    assert sorted(copied["content"].iloc[drawn]) == [f"image {place}" for place in range(6)]
    assert len(image_set.distinct(copied, "train")) == 6


def test_draw_takes_one_split_only():
    table = make_table([0, 1] * 10, ["train", "train", "test", "test"] * 5)
    assert set(image_set.draw(table, "test", 6, 0)) < set(table["id"][table["split"] == "test"])


@pytest.mark.parametrize("count", [None, 12, 1000])
def test_draw_takes_all(count):
    np.testing.assert_array_equal(
        image_set.draw(make_table([0, 1, 2] * 4), "train", count, 0), range(12)
    )


def test_draw_follows_the_seed_and_grows_by_adding():
    table = make_table([0, 1, 2] * 30)
    drawn = image_set.draw(table, "train", 20, 0)
    np.testing.assert_array_equal(drawn, image_set.draw(table, "train", 20, 0))
    assert set(drawn) != set(image_set.draw(table, "train", 20, 1))
    assert set(drawn) < set(image_set.draw(table, "train", 40, 0))


def test_draw_does_not_depend_on_the_order_of_rows():
    table = make_table([0, 1, 2] * 20, ["train", "train", "train", "test"] * 15)
    shuffled = table.sample(frac=1, random_state=0).assign(id=range(60))

    def drawn(table):
        return set(table.set_index("id")["content"][image_set.draw(table, "train", 10, 0)])

    assert drawn(table) == drawn(shuffled)
