"""Everything in a folder is a file of a class, is listed, or is hidden."""

import os
import sys
import unicodedata

import pytest

from tickle_core.datasets import listing
from tickle_core.errors import TickleError


@pytest.fixture
def root(tmp_path):
    """Two classes of two files; what is beside them is up to the test."""
    for name in ("a/0", "a/1", "b/0", "b/1"):
        put(tmp_path / "raw" / name)
    return tmp_path / "raw"


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def listed(root):
    """Sources by class, and reasons by source."""
    paths_by_class, skipped = listing.list_images(root)
    sources = {
        name: [path.relative_to(root).as_posix() for path in paths]
        for name, paths in paths_by_class.items()
    }
    return sources, {one.source: one.reason for one in skipped}


SOUND = {"a": ["a/0", "a/1"], "b": ["b/0", "b/1"]}


def test_classes_and_files_are_sorted_by_name(root):
    put(root / "Zoo/deeper/x")
    put(root / "Zoo/deeper-still/x")
    sources, reasons = listed(root)
    assert list(sources) == ["Zoo", "a", "b"]
    assert sources["Zoo"] == ["Zoo/deeper-still/x", "Zoo/deeper/x"]
    assert reasons == {}


def test_what_is_hidden_or_left_behind_by_systems_is_ignored(root):
    for name in (
        *(".gitkeep", ".cache/0", "a/.DS_Store", "b/.thumbnails/0", "a/Thumbs.db"),
        *("b/desktop.ini", "__MACOSX/a/._0"),
    ):
        put(root / name)
    assert listed(root) == (SOUND, {})


def test_what_cannot_be_used_is_listed(root, tmp_path):
    put(tmp_path / "elsewhere/0")
    (root / "labels.csv").touch()
    (root / "empty").mkdir()
    (root / "hidden only").mkdir()
    (root / "hidden only/.gitkeep").touch()
    (root / "a/outside").symlink_to(tmp_path / "elsewhere/0")
    (root / "a/outside folder").symlink_to(tmp_path / "elsewhere")
    (root / "b/dangling").symlink_to("nothing")
    (root / "b/loop").symlink_to("loop")
    (root / "b/above").symlink_to("..")
    (root / "linked").symlink_to("a")
    os.mkfifo(root / "b/pipe")
    sources, reasons = listed(root)
    assert sources == SOUND
    assert reasons == {
        "labels.csv": "in no class folder",
        "empty": "a class folder without any image",
        "hidden only": "a class folder without any image",
        "a/outside": "a link that leads outside the folder",
        "a/outside folder": "a link that leads outside the folder",
        "b/dangling": "a link to nothing",
        "b/loop": "a link to nothing",
        "b/above": "a link to a folder; only links to files are followed",
        "linked": "a link to a folder; only links to files are followed",
        "b/pipe": "neither a file nor a folder",
    }


def test_links_to_files_inside_are_followed(root):
    (root / "b/link").symlink_to("../a/0")
    assert listed(root) == (SOUND | {"b": ["b/0", "b/1", "b/link"]}, {})


def test_the_folder_itself_may_be_a_link(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    assert listed(tmp_path / "link") == (SOUND, {})


@pytest.mark.parametrize(
    "name", ["two words", "ünï çødé 图像", "<b>&amp;\"'", "new\nline", "x" * 250, "-rf", "a#b%20c"]
)
def test_odd_names_are_names(root, name):
    put(root / name / name)
    sources, reasons = listed(root)
    assert sources[name] == [f"{name}/{name}"]
    assert reasons == {}


def test_paths_may_be_long(root):
    inside = "/".join(["p" * 100] * 3)
    put(root / "a" / inside / "0")
    assert f"a/{inside}/0" in listed(root)[0]["a"]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_name_that_is_not_unicode_is_listed(root):
    put(root / os.fsdecode(b"a/\xff"))
    sources, reasons = listed(root)
    assert sources == SOUND
    assert reasons == {os.fsdecode(b"a/\xff"): "its name is not valid Unicode"}


def test_class_names_are_composed(root):
    decomposed = unicodedata.normalize("NFD", "café")
    put(root / decomposed / "0")
    sources, _ = listed(root)
    assert sources["café"] == [f"{decomposed}/0"]
    put(root / "café/0")
    if len(list(root.iterdir())) == 4:  # where the file system tells the two apart
        with pytest.raises(TickleError, match="two class folders that are both written café"):
            listing.list_images(root)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.touch()])
def test_missing_folder_is_named(tmp_path, make):
    make(tmp_path / "raw")
    with pytest.raises(TickleError, match="raw is missing or no folder"):
        listing.list_images(tmp_path / "raw")
