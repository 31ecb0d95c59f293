"""Sentences of the section on autoencoders follow the numbers, whichever way these go."""

import pytest

from tests.reporting.sae.made_up import metrics_of
from tickle_core.reporting.sae import words as sae_words


@pytest.fixture
def layer():
    return metrics_of({}, spliced_accuracy=True, prefix=())


def test_what_beats_the_autoencoder_is_named(layer):
    # In the made-up numbers train tokens leave 0.10 unexplained, the autoencoder 0.21.
    assert sae_words.better(layer) == ["train tokens, by pursuit (0.100)"]
    layer["saes"]["main"]["fvu"]["value"] = 0.05
    assert sae_words.better(layer) == []
    layer["saes"]["main"]["fvu"]["value"] = 0.8
    assert len(sae_words.better(layer)) == 5


@pytest.mark.parametrize(("random", "words"), [(0.5, "leave more: 50.0"), (0.1, "leave no more")])
def test_random_directions_are_named_with_their_number(layer, random, words):
    layer["baselines"]["random"]["fvu"]["value"] = random
    assert words in sae_words.against_random(layer)


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ([0.01, 0.05], "is right for 3.0\u202f% of them more"),
        ([-0.05, -0.01], "is right for 3.0\u202f% of them less"),
        ([-0.01, 0.07], "cannot be told apart"),
    ],
)
def test_pca_is_compared_by_its_interval(layer, interval, words):
    value = 0.03 if interval[1] > 0 else -0.03
    layer["pca_advantage"] = {"value": value, "interval": interval, "n": 40}
    assert words in sae_words.pca(layer)
    layer["saes"]["main"]["accuracy"] = None
    assert "predicts the same" in sae_words.pca(layer)


def test_of_few_data_and_of_one_seed(layer):
    assert "120 train images instead of 30" in sae_words.few(layer)
    assert "20.0\u202f% come back" in sae_words.stability(layer)
    layer["fit"]["images_wanted"] = None
    layer["stability"] = None
    assert sae_words.few(layer) is None
    assert sae_words.stability(layer) is None


def test_a_kind_of_few_tokens_that_holds_the_variance_is_told_apart():
    layer = metrics_of({}, spliced_accuracy=True, prefix=["class"])
    layer["kinds"] = {kind: dict(found) for kind, found in layer["kinds"].items()}
    layer["kinds"]["patch"] |= {"positions": 16, "fvu": {"value": 0.31}}
    assert sae_words.dominant_kind(layer) is None
    layer["kinds"]["class"] |= {"variance_share": {"value": 0.9}, "fvu": {"value": 0.02}}
    told = sae_words.dominant_kind(layer)
    assert "90.0\u202f% is held by class tokens, 1 of 17 positions" in told
    assert "0.02 of class tokens, 0.31 of patch tokens" in told
    layer["kinds"]["patch"] |= {"variance_share": {"value": 0.9}}
    layer["kinds"]["class"] |= {"variance_share": {"value": 0.1}}
    assert sae_words.dominant_kind(layer) is None  # most of the tokens


def test_where_all_tokens_are_patches_none_is_told_apart(layer):
    assert sae_words.dominant_kind(layer) is None
