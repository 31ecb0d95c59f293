"""Figures of the section on autoencoders: everything has its place, also what is extreme."""

import pytest

from tickle_core.reporting.kit.style import fixed_style
from tickle_core.reporting.sae import figures, meaning
from tickle_core.reporting.sae.found import read


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def points(axes):
    """(L0, FVU) of everything that is drawn as a point."""
    return [tuple(xy) for drawn in axes.collections for xy in drawn.get_offsets().tolist()]


def test_the_frontier_of_a_single_autoencoder(make_project):
    found = read(make_project(sae={"companions": {}}).read())
    layers = found.metrics
    with fixed_style():
        figure = figures.frontier_figure(layers, found.pca)
        figure.draw_without_rendering()
    late = layers["late"]
    drawn = [late["saes"][name] for name in ("main", "seed1", "permuted", "frozen")]
    drawn += [late["baselines"][name] for name in ("kmeans", "random", "points", "trained")]
    expected = {(each["l0"]["value"], each["fvu"]["value"]) for each in drawn}
    assert set(points(figure.axes[1])) == expected
    low, high = figure.axes[1].get_ylim()
    assert all(low < fvu < high for _, fvu in expected)
    assert legend_of(figure)[0] == "main (topk)"


def test_many_companions_are_all_drawn_and_named_once_per_variant(make_project):
    variants = ("topk", "batchtopk", "jumprelu", "matryoshka", "relu")
    companions = {f"{v}{n}": {"variant": v, "latents": 2**n} for v in variants for n in range(3)}
    found = read(make_project(sae={"companions": companions}).read())
    with fixed_style():
        figure = figures.frontier_figure(found.metrics, found.pca)
        figure.draw_without_rendering()
    assert len(points(figure.axes[0])) == len(companions) + 8
    assert legend_of(figure)[1:6] == list(variants)
    assert len(set(legend_of(figure))) == len(legend_of(figure))


def test_a_silent_autoencoder_has_no_place_on_the_frontier(make_project):
    project = make_project(sae={"companions": {"silent": {"l0": {"value": 0.0, "interval": None}}}})
    found = read(project.read())
    with fixed_style():
        figure = figures.frontier_figure(found.metrics, found.pca)
        figure.draw_without_rendering()
    assert len(points(figure.axes[0])) == 8


def test_splicing_without_accuracy_shows_agreement(make_project):
    layers = read(make_project(sae={"spliced_accuracy": False}).read()).metrics
    with fixed_style():
        kept, _ = figures.splice_figure(layers).axes
    drawn = {collection.get_label(): collection for collection in kept.collections}
    x = drawn["sparse autoencoder"].get_offsets()[:, 0].tolist()
    assert x == [layer["saes"]["main"]["agreement"]["value"] for layer in layers.values()]
    assert kept.get_xlabel() == "share of images whose prediction stays"


def test_a_divergence_of_zero_has_a_place(make_project):
    layers = read(make_project().read()).metrics
    layers["late"]["saes"]["main"]["kl"] = {"value": 0.0, "interval": [0.0, 0.0], "n": 5}
    with fixed_style():
        figure = figures.splice_figure(layers)
        figure.draw_without_rendering()
    low, _ = figure.axes[1].get_xlim()
    assert low == 0


@pytest.mark.slow
def test_thirty_layers_fit_into_every_figure(make_project):
    found = read(make_project(layers=("one",)).read())

    def thirty(by_layer):
        return {f"layer{n}": by_layer["one"] for n in range(30)}

    layers = thirty(found.metrics)
    with fixed_style():
        for figure in (
            figures.frontier_figure(layers, thirty(found.pca)),
            figures.seeds_figure(layers),
            figures.splice_figure(layers),
            figures.stability_figure(layers),
            meaning.meaning_figure(layers),
            meaning.sparse_figure(thirty(found.sparse_probing)),
        ):
            figure.draw_without_rendering()
