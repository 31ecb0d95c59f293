"""Which class of the model a class of the data set is."""

import pytest

from tickle_core.models.classes import match, shared

MODEL = ["tench, Tinca tinca", "crane", "hot pot, hotpot", "crane", "T-shirt", "n"]
SYNSETS = ["n01440764", "n02012849", "n07590611", "n03126707", "n03595614", "n00000001"]


@pytest.mark.parametrize(
    "name, index",
    [
        ("n01440764", 0),
        ("n01440764_tench", 0),
        ("n03126707 crane", 3),
        ("n02012849-a bird that is named otherwise here", 1),
        ("Tench", 0),
        ("hot_pot", 2),
        ("HOT  POT", 2),
        ("t shirt", 4),
        ("tench, the fish", 0),
        # Shared by two classes of the model.
        ("crane", None),
        # A class that the model does not have, though its name is that of another.
        ("n99999999_tench", None),
        ("hotpot", None),
        ("", None),
        ("n0144076", None),
    ],
)
def test_synset_ids_decide_and_then_names(name, index):
    assert match([name], MODEL, SYNSETS) == {name: index}


def test_a_model_whose_classes_are_named_by_synset_id():
    assert match(["tench", "n01440764"], ["n02012849", "n01440764"]) == {
        "tench": None,
        "n01440764": 1,
    }


def test_a_name_beside_a_synset_id_serves_models_that_know_names_only():
    assert match(["n01440764_tench"], ["crane", "tench"]) == {"n01440764_tench": 1}


def test_equal_lists_are_the_identity_even_where_names_are_ambiguous():
    names = ["Bag", "bag", "bag, small"]
    assert list(match(names, names).values()) == [0, 1, 2]


def test_classes_that_share_a_class_of_the_model_are_listed():
    matches = match(["Tench", "n01440764", "hot pot", "dog", "cat"], MODEL, SYNSETS)
    assert shared(matches) == {0: ["Tench", "n01440764"]}


def test_imagenet():
    """A thousand folders named as ImageNet's are the thousand classes in their order."""
    from tickle_core.models.zoo.imagenet import imagenet_names, imagenet_synsets

    synsets, names = imagenet_synsets(1000), imagenet_names()
    folders = list(reversed(synsets))
    assert list(match(folders, names, synsets).values()) == list(range(999, -1, -1))
    assert match(["tench", "crane", "Golden Retriever"], names, synsets) == {
        "tench": 0,
        "crane": None,
        "Golden Retriever": 207,
    }
