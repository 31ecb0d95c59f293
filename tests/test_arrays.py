"""Sharded arrays: what is written is read, and damage is named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickle_core import arrays
from tickle_core.errors import TickleError

NAN = float("nan")


def write(path, rows, shard_rows):
    array = arrays.create(path, rows.shape, rows.dtype.name, shard_rows, NAN)
    for shard in range(arrays.shard_count(array)):
        arrays.write_shard(array, shard, rows[arrays.shard_rows(array, shard)])
    return arrays.open_complete(path)


@pytest.fixture
def rows():
    return np.random.default_rng(0).random((50, 4, 3)).astype("float16")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 40), st.data())
def test_what_is_written_is_read(tmp_path_factory, count, shard_rows, data):
    rows = np.arange(count * 6, dtype="float32").reshape(count, 2, 3)
    array = write(tmp_path_factory.mktemp("zarr") / "a", rows, shard_rows)
    start = data.draw(st.integers(0, count - 1))
    stop = data.draw(st.integers(start, count))
    np.testing.assert_array_equal(arrays.read_rows(array, start, stop), rows[start:stop])
    blocks = list(arrays.blocks(array, most_bytes=data.draw(st.integers(1, 2000))))
    assert [i for block in blocks for i in range(block.start, block.stop)] == list(range(count))


def test_the_same_content_gives_the_same_bytes(tmp_path, rows):
    for name in ("a", "b"):
        write(tmp_path / name, rows, 16)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["c.0.0.0", "c.1.0.0", "c.2.0.0", "c.3.0.0", "zarr.json"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_row_is_read_without_the_whole_shard(tmp_path):
    rows = np.zeros((64, 256, 256), dtype="float16")  # 128 KiB each
    array = write(tmp_path / "a", rows, 64)
    assert array.chunks[0] * 2**17 == arrays.CHUNK_BYTES


@pytest.mark.parametrize("damage", ["flip", "truncate"])
@pytest.mark.parametrize("shard", [0, 2, 3])
def test_a_damaged_shard_is_named(tmp_path, rows, damage, shard):
    array = write(tmp_path / "a", rows, 16)
    path = arrays.shard_path(array, shard)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 3] ^= 1
    else:
        content = content[: len(content) // 2]
    path.write_bytes(content)
    with pytest.raises(TickleError, match=rf"{path}.*damaged"):
        arrays.read_rows(array, 0, 50)


def test_every_flipped_byte_is_noticed(tmp_path, rows):
    array = write(tmp_path / "a", rows[:8], 8)
    path = arrays.shard_path(array, 0)
    intact = path.read_bytes()
    for position in range(len(intact)):
        flipped = bytearray(intact)
        flipped[position] ^= 0x10
        path.write_bytes(flipped)
        with pytest.raises(TickleError, match="damaged"):
            arrays.read_rows(array, 0, 8)


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(b"")])
def test_a_missing_or_empty_shard_is_named_on_opening(tmp_path, rows, damage):
    path = arrays.shard_path(write(tmp_path / "a", rows, 16), 1)
    damage(path)
    with pytest.raises(TickleError, match=rf"{path} is missing or empty"):
        arrays.open_complete(tmp_path / "a")


def test_missing_and_damaged_metadata_are_named(tmp_path, rows):
    with pytest.raises(TickleError, match="none is missing"):
        arrays.open_complete(tmp_path / "none")
    write(tmp_path / "a", rows, 16)
    (tmp_path / "a" / "zarr.json").write_text("{")
    with pytest.raises(TickleError, match="zarr.json is damaged"):
        arrays.open_complete(tmp_path / "a")


def test_only_whole_shards_are_written(tmp_path):
    array = arrays.create(tmp_path / "a", (50, 2), "float32", 16, NAN)
    for wrong in (np.zeros((15, 2)), np.zeros((16, 3))):
        with pytest.raises(ValueError, match="shard 0 holds"):
            arrays.write_shard(array, 0, wrong)


def test_a_shard_of_zeros_is_a_file(tmp_path):
    """Else "all zero" and "never written" would look alike."""
    array = arrays.create(tmp_path / "a", (4, 2), "uint8", 4, 0)
    arrays.write_shard(array, 0, np.zeros((4, 2), "uint8"))
    assert arrays.open_complete(tmp_path / "a").shape == (4, 2)
