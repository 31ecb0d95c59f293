"""Figures: the same bytes for the same content, whatever the clock and the user's style."""

import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tickle_core.reporting.sections import dimension, probes, sae_figures, sae_meaning

from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.style import fixed_style, layer_colors, save_figure, short


def draw(path, title="a title"):
    with fixed_style():
        figure = Figure()
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], label=title)
        axes.set_title(title)
        axes.legend()
        save_figure(figure, path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_bytes_depend_on_neither_clock_nor_style_files(tmp_path, monkeypatch, kind):
    first = draw(tmp_path / f"a.{kind}")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        assert draw(tmp_path / f"b.{kind}") == first


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_neither_version_nor_date_is_written(tmp_path, kind):
    content = draw(tmp_path / f"a.{kind}")
    assert matplotlib.__version__.encode() not in content
    assert not re.search(rb"dc:date|CreationDate", content)


@pytest.mark.parametrize("name", ["$x", r"$\frac{1}$", "<b>", "50 % & more", "a_b^c\\"])
def test_names_from_data_are_drawn_letter_by_letter(tmp_path, name):
    assert draw(tmp_path / "a.svg", name)
    with fixed_style():
        assert Figure().text(0, 0, name).get_parse_math() is False


def test_drawing_leaves_the_style_of_others_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    draw(tmp_path / "a.svg")
    assert dict(matplotlib.rcParams) == before


def test_thirty_layers_have_thirty_colors():
    assert len(set(layer_colors(30))) == 30
    assert len(layer_colors(1)) == 1


def test_long_names_are_cut():
    assert short("x" * 24) == "x" * 24
    assert short("x" * 25) == "x" * 23 + "…"


def test_of_many_classes_the_extremes_are_drawn(make_project):
    classes = pd.DataFrame({"label": range(100), "raw": np.arange(100.0)})
    shown = dimension._extreme_classes(classes.sample(frac=1, random_state=0))
    assert shown == [*range(15), *range(85, 100)]
    assert dimension._extreme_classes(classes[:30]) == list(range(30))


def test_thirty_layers_fit_into_every_figure(make_project):
    found = make_project(layers=("one",)).read()

    def many(stage):
        return thirty(found.metrics[stage])

    def thirty(by_layer):
        return {f"layer{n}": by_layer["one"] for n in range(30)}

    with fixed_style():
        for figure in (
            dimension.layer_figure(many("dimension")),
            dimension.class_figure(
                thirty(found.dimension_classes), thirty(found.any_class), ("cat", "dog")
            ),
            dimension.spectrum_figure(many("dimension"), thirty(found.spectra), 0.95),
            probes.accuracy_figure(many("probes")),
            probes.position_figure(many("probes"), thirty(found.probe_positions)),
            sae_figures.frontier_figure(many("sae"), thirty(found.pca)),
            sae_figures.seeds_figure(many("sae")),
            sae_figures.splice_figure(many("sae")),
            sae_figures.stability_figure(many("sae")),
            sae_meaning.meaning_figure(many("sae")),
            sae_meaning.sparse_figure(thirty(found.sparse_probing)),
        ):
            figure.draw_without_rendering()


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def points(axes):
    """(L0, FVU) of everything that is drawn as a point."""
    return [tuple(xy) for drawn in axes.collections for xy in drawn.get_offsets().tolist()]


def test_the_frontier_of_a_single_autoencoder(make_project):
    found = make_project(companions={}).read()
    layers = found.metrics["sae"]
    with fixed_style():
        figure = sae_figures.frontier_figure(layers, found.pca)
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
    found = make_project(companions=companions).read()
    with fixed_style():
        figure = sae_figures.frontier_figure(found.metrics["sae"], found.pca)
        figure.draw_without_rendering()
    assert len(points(figure.axes[0])) == len(companions) + 8
    assert legend_of(figure)[1:6] == list(variants)
    assert len(set(legend_of(figure))) == len(legend_of(figure))


def test_a_silent_autoencoder_has_no_place_on_the_frontier(make_project):
    project = make_project(companions={"silent": {"l0": {"value": 0.0, "interval": None}}})
    found = project.read()
    with fixed_style():
        figure = sae_figures.frontier_figure(found.metrics["sae"], found.pca)
        figure.draw_without_rendering()
    assert len(points(figure.axes[0])) == 8


def test_splicing_without_accuracy_shows_agreement(make_project):
    layers = make_project(spliced_accuracy=False).read().metrics["sae"]
    with fixed_style():
        kept, _ = sae_figures.splice_figure(layers).axes
    drawn = {collection.get_label(): collection for collection in kept.collections}
    x = drawn["sparse autoencoder"].get_offsets()[:, 0].tolist()
    assert x == [layer["saes"]["main"]["agreement"]["value"] for layer in layers.values()]
    assert kept.get_xlabel() == "share of images whose prediction stays"


def test_a_divergence_of_zero_has_a_place(make_project):
    layers = make_project().read().metrics["sae"]
    layers["late"]["saes"]["main"]["kl"] = {"value": 0.0, "interval": [0.0, 0.0], "n": 5}
    with fixed_style():
        figure = sae_figures.splice_figure(layers)
        figure.draw_without_rendering()
    low, _ = figure.axes[1].get_xlim()
    assert low == 0


def test_of_a_last_row_that_is_not_full_the_row_above_is_labelled():
    with fixed_style():
        figure, panels = plots.panels(4, 3, 2.0, sharex=True)
        figure.draw_without_rendering()
    labelled = [any(text.get_visible() for text in axes.get_xticklabels()) for axes in panels]
    assert labelled == [False, True, True, True]


@pytest.mark.parametrize("count", [1, 2, 6, 7, 30])
def test_layers_that_stand_for_all_include_first_and_last(count):
    shown = plots.evenly(count, 6)
    assert len(shown) == len(set(shown)) == min(count, 6)
    assert (shown[0], shown[-1]) == (0, count - 1)
