"""Files of concepts: what is taken, and what is refused in one line."""

import pytest

from tests.pipeline.conftest import ROOT
from tickle_core.datasets.concept_sets import announcing, definition
from tickle_core.errors import TickleError
from tickle_core.params.dataset import FashionMnist


def read(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return definition.read(path)


def refused(tmp_path, text):
    with pytest.raises(TickleError) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["fashion_mnist", "any_images", "imagenet"])
def test_the_shipped_files_are_read(name):
    assert len(definition.read(ROOT / definition.file_of(name))) >= 8


def test_concepts_are_sorted_and_know_where_they_come_from(tmp_path):
    found = read(tmp_path, "b: {texture: dotted}\na: {classes: [x, y]}\n")
    assert list(found) == ["a", "b"]
    assert [each.source for each in found.values()] == ["classes", "texture"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: {textur: dotted}", "did you mean 'texture'"),
        ("a: {texture: striped, pixels: dark}", "not texture and pixels"),
        ("a: {}", "and has none"),
        ("a: {texture: stripey}", "striped"),
        ("a: {classes: []}", "at least 1 item"),
        ("a: {synsets: [dog]}", "'dog' is no synset id"),
        ("a: {folder: nowhere}", "is no folder"),
        ("a: {folder: ../elsewhere}", "does not lie below"),
        ("a: {texture: striped, masks: m}", "masks go with a folder"),
        ("3: {texture: striped}", "no name of a concept"),
        (f"{'x' * 61}: {{texture: striped}}", "no name of a concept"),
        ("a: {texture: striped}\na: {texture: dotted}", "duplicate"),
        ("- a", "no mapping"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, text, says):
    assert says in refused(tmp_path, text)


def test_a_missing_file_is_named_with_those_there_are(tmp_path):
    (tmp_path / "other.yaml").write_text("a: {texture: striped}")
    with pytest.raises(TickleError, match=r"mine\.yaml is missing; there are other"):
        definition.read(tmp_path / "mine.yaml")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/concepts").mkdir(parents=True)
    return tmp_path / "data/concepts"


FASHION = FashionMnist(source="fashion_mnist", folder="somewhere")


def test_a_class_that_is_not_there_is_refused_before_there_are_images(project):
    (project / "mine.yaml").write_text("shoes: {classes: [Sneeker]}")
    with pytest.raises(TickleError, match="'shoes': the image set has no class 'Sneeker'.*Sneaker"):
        announcing.require("mine", FASHION)


def test_an_empty_folder_is_refused_before_there_are_images(project):
    (project / "stars").mkdir()
    (project / "mine.yaml").write_text("stars: {folder: stars}")
    with pytest.raises(TickleError, match="stars holds 0 files, and a concept needs 15"):
        announcing.require("mine", FASHION)
