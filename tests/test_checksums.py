"""Whatever happens to what a stage left, it is named before it is read."""

import json

import pytest

from tickle_core import checksums, intact
from tickle_core.errors import TickleError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out/array.zarr").mkdir(parents=True)
    for name in ("table", "parts/one", "array.zarr/zarr.json", "array.zarr/c.0.0"):
        (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text(f"content of {name}")
    checksums.write(tmp_path / "out")
    return tmp_path / "out"


def test_what_is_whole_is_taken(folder):
    intact.require(folder, folder)
    intact.require(folder / "parts", folder)


def test_the_file_is_that_of_sha256sum_and_lacks_shards(folder):
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert [line[64:] for line in lines] == ["  array.zarr/zarr.json", "  parts/one", "  table"]


@pytest.mark.parametrize("name", ["table", "parts/one", "array.zarr/zarr.json", "SHA256SUMS"])
@pytest.mark.parametrize("how", ["flipped", "cut", "emptied", "removed"])
def test_what_is_damaged_or_gone_is_named(folder, name, how):
    path = folder / name
    content = bytearray(path.read_bytes())
    if how == "removed":
        path.unlink()
    else:
        content[0] ^= 1
        changed = {"flipped": content, "cut": content[: len(content) // 2], "emptied": b""}
        path.write_bytes(changed[how])
    with pytest.raises(TickleError, match=rf"{folder.name}.*(damaged|missing).*dvc repro"):
        intact.require(folder, folder)


def test_of_a_part_only_what_is_in_it_counts(folder):
    (folder / "table").write_text("other")
    intact.require(folder / "parts", folder)
    (folder / "parts/one").write_text("other")
    with pytest.raises(TickleError, match="parts/one is damaged"):
        intact.require(folder / "parts", folder)


def test_metrics_hold_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = intact.METRICS / "try/late.json"
    path.parent.mkdir(parents=True)
    checksums.write_metrics(path, {"found": {"value": 1 / 3, "n": 5}, "b": [None, "text"]})
    intact.require(path, path)
    assert json.loads(path.read_text())["found"] == {"n": 5, "value": 0.333333}
    whole = path.read_text()
    for damaged in (whole.replace("0.333333", "0.433333"), whole[:40], "", "[]", "{}"):
        path.write_text(damaged)
        with pytest.raises(TickleError, match=r"late\.json is damaged"):
            intact.require(path, path)
    path.unlink()
    with pytest.raises(TickleError, match=r"late\.json is missing"):
        intact.require(path, path)
