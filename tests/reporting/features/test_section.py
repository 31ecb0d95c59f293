"""The section on feature visualization: pictures beside natural images, scores and roads."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tickle_core.errors import TickleError
from tickle_core.reporting.features import figures, gallery
from tickle_core.reporting.features.found import read
from tickle_core.reporting.features.section import section
from tickle_core.reporting.kit.style import fixed_style
from tickle_core.results import read_json, write_json

pytestmark = pytest.mark.slow


def edit_table(project, alias, name, change):
    path = project.data / "features" / alias / f"{name}.parquet"
    change(pd.read_parquet(path)).to_parquet(path)


def edit_metrics(project, alias, change):
    path = project.metrics / "features" / f"{alias}.json"
    content = read_json(path)
    change(content)
    write_json(path, content)


def gallery_of(project):
    context = project.read()
    return gallery.gallery(context, read(context))


@pytest.fixture(scope="module")
def html(make_project, tmp_path_factory):
    report = make_project(layers=("only",)).write(tmp_path_factory.mktemp("report"))
    return report["index.html"].decode()


def decode(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_noise_is_zero_and_the_best_natural_image_one():
    assert gallery.relative(2.0, 2.0, 6.0) == 0
    assert gallery.relative(6.0, 2.0, 6.0) == 1
    assert gallery.relative(14.0, 2.0, 6.0) == 3
    assert gallery.relative(1.0, 6.0, 6.0) is None


def test_a_unit_stands_beside_the_images_that_excite_it_most_and_least(make_project):
    project = make_project()
    shown = gallery_of(project)
    assert list(shown.layers) == ["early", "late"]
    late = shown.layers["late"]
    assert list(late) == ["latent", "channel", "direction", "neuron", "layer"]
    assert [unit.title for unit in late["latent"]] == ["Latent 5", "Latent 4"]
    unit = late["channel"][1]
    natural = read(project.read()).natural["late"]
    natural = natural[(natural["family"] == "channel") & (natural["unit"] == 1)]
    for thumbs, side, count in ((unit.most, "most", 4), (unit.least, "least", 2)):
        expected = natural[natural["side"] == side].sort_values("rank").head(count)
        assert [each.image_id for each in thumbs] == expected["image_id"].tolist()
        assert [each.value for each in thumbs] == expected["score"].tolist()
    assert [picture.relative for picture in unit.pictures] == [2.0, 2.5]
    assert [picture.other_road for picture in unit.pictures] == [False, True]


def test_some_random_directions_are_shown_and_no_other_random_units(make_project):
    shown = gallery_of(make_project(layers=("only",)))
    assert [unit.title for unit in shown.layers["only"]["direction"]] == [
        f"Random direction {i}" for i in range(4)
    ]
    assert not [key for key in shown.pictures if "point" in key or "mixture" in key]


def test_classes_are_the_models_and_shown_once(make_project):
    project = make_project(class_names=("cat", "dog"))
    shown = gallery_of(project)
    assert [unit.title for unit in shown.classes] == ["dog"]
    assert {key for key in shown.pictures if "logit" in key} == {"late-logit-1-0", "late-logit-1-1"}
    rows = section(project.read()).tables["features"].rows
    for family in ("classes", "random mixtures of classes"):
        assert [row["layer"] for row in rows if row["family"] == family] == ["late"]


@pytest.mark.parametrize("channels", [1, 3])
def test_small_pictures_are_embedded_to_the_pixel(make_project, channels):
    project = make_project(layers=("only",), shape=(8, 6, channels))
    shown = gallery_of(project)
    assert len(shown.pictures) == 2 * (7 + 4)
    for key, uri in shown.pictures.items():
        file = key.removeprefix("only-") + ".png"
        saved = Image.open(project.data / "features" / "only" / "pictures" / file)
        assert np.array_equal(decode(uri), np.asarray(saved))


def test_large_pictures_are_made_smaller(make_project):
    shown = gallery_of(make_project(shape=(224, 112, 3)))
    assert {uri.split(";")[0] for uri in shown.pictures.values()} == {"data:image/jpeg"}
    assert {decode(uri).shape for uri in shown.pictures.values()} == {(112, 56, 3)}


def test_a_missing_picture_is_named(make_project):
    project = make_project()
    (project.data / "features" / "late" / "pictures" / "latent-5-1.png").unlink()
    with pytest.raises(TickleError, match=r"latent-5-1\.png is missing: run `dvc repro`"):
        gallery_of(project)


def test_marks_are_the_patches_that_respond(make_project):
    project = make_project(layers=("only",), grid=(2, 2), prefix=["class"], shape=(8, 8, 1))
    shown = gallery_of(project)
    only = shown.layers["only"]
    # Position 3 of the tokens is patch 2, row 1 and column 0, after the class token.
    assert only["latent"][0].pictures[0].mark == (0, 4, 4, 4)
    assert only["neuron"][0].title == "Channel 3 at row 1, column 0"
    assert only["latent"][0].most[0].mark == (0, 0, 4, 4)
    # What has no position is neither a patch nor the last of the prefix tokens.
    for unit in (only["layer"][0], *shown.classes):
        assert unit.pictures[0].mark is None
        assert {(each.mark, each.token) for each in unit.most} == {(None, "")}


def test_the_page_marks_other_roads_and_silent_latents(html):
    # One copy of each of seven units and four random ones, and the word where it is explained.
    assert html.count('class="warning">another road<') == 7 + 4 + 1
    assert html.count("does not fire") == 2
    assert "5.00 (2.5)" in html


def test_the_gallery_of_latents_begins_with_the_picture(html):
    gallery = html[html.index('<section id="latents"') :]
    rows = {
        number: gallery[gallery.index(f"<h4>Latent {number}<") :].split("</li>")[0]
        for number in (5, 4, 3)
    }
    assert '<use href="#picture-only-latent-5-0"/>' in rows[5]
    assert '<use href="#picture-only-latent-4-0"/>' in rows[4]
    assert "#picture" not in rows[3]


def test_without_a_layer_before_nothing_is_said_of_roads(make_project, tmp_path):
    project = make_project(layers=("only",))
    edit_table(project, "only", "roads", lambda table: table.head(0))
    edit_table(
        project,
        "only",
        "pictures",
        lambda table: table.assign(angle=np.nan, angle_natural=np.nan, other_road=None),
    )

    def forget(metrics):
        metrics["layers_before"] = []
        for family in metrics["families"].values():
            family["other_road"].update(value=None, interval=None, why="no layer before")

    edit_metrics(project, "only", forget)
    report = project.write(tmp_path)
    html = report["index.html"].decode()
    assert "figures/features_roads.svg" not in report
    assert "No layer before could be looked at" in html
    assert "by layers that natural" not in html
    assert "another road" not in html[html.index('id="features-only"') :]


def test_what_is_undefined_is_left_out(make_project, tmp_path):
    """Single pictures of units whose best natural image is no better than noise; no grid."""
    project = make_project(layers=("only",), grid=None)

    def alone(table):
        return table[(table["copy"] == 0) & (table["family"] == "layer")]

    edit_table(project, "only", "pictures", lambda t: alone(t).assign(natural_best=0.0))
    edit_table(project, "only", "roads", lambda table: alone(table).assign(best_mean=None))

    def reduce(metrics):
        metrics["families"] = {"layer": metrics["families"]["layer"]}
        nothing = {"value": None, "interval": None, "n": 0, "null": None, "why": "none"}
        metrics["families"]["layer"].update(ratio=nothing, similarity=nothing)

    edit_metrics(project, "only", reduce)
    html = project.write(tmp_path)["index.html"].decode()
    assert "made to excite the layer as a whole, 75" in html
    assert "4.00</span>" in html
    assert "<h3>Classes</h3>" not in html
    assert "framed picture on the left" not in html


@pytest.mark.parametrize(
    ("null", "said"),
    [
        (0.2, ", and 20.% of those made for random units;"),
        (0.7, ", and 70.% of those made for random units, which 10 units do not tell apart;"),
        (0.75, ", but so do 75.% of those made for random units: that says nothing of the units;"),
        (None, "natural images;"),
    ],
)
def test_the_first_paragraph_compares_with_random_units(make_project, null, said):
    project = make_project(layers=("only",))
    above = {"value": 0.75, "interval": [0.45, 0.92], "n": 10, "null": null}
    edit_metrics(
        project, "only", lambda found: found["families"]["latent"].update(above_natural=above)
    )
    summary = section(project.read()).summary
    assert re.search(f"single latents, 75.% do so more than the best of .*{said}", summary)


@pytest.mark.parametrize(("null", "beyond"), [(0.2, 4), (0.9, 0)])
def test_the_page_counts_what_is_beyond_random_units(make_project, tmp_path, null, beyond):
    project = make_project(layers=("only",))

    def change(found):
        for family in found["families"].values():
            for name in ("above_natural", "ratio"):
                if family[name]["null"] is not None:
                    family[name].update(value=0.75, interval=[0.45, 0.92], null=null)

    edit_metrics(project, "only", change)
    html = " ".join(project.write(tmp_path)["index.html"].decode().split())
    assert f"In {beyond} of 4 pairs of layer and kind of unit, pictures of units beat all" in html
    assert ("neither says anything of the units" in html) == (beyond == 0)


def scores(axes):
    return axes.collections[0].get_offsets()[:, 0].tolist()


@pytest.mark.parametrize(("best", "scale"), [(2.0, "linear"), (0.1, "symlog")])
def test_scores_far_beyond_natural_images_have_a_place(make_project, best, scale):
    project = make_project(layers=("only",))
    edit_table(project, "only", "pictures", lambda table: table.assign(natural_best=best))
    found = read(project.read())
    with fixed_style():
        figure = figures.scores_figure({"only": found.metrics["only"]["families"]}, found.pictures)
        figure.draw_without_rendering()
    assert [axes.get_xscale() for axes in figure.axes] == [scale] * 5
    assert scores(figure.axes[0]) == pytest.approx([4 / best] * 2 + [5 / best] * 2)


def test_pictures_lie_beside_the_range_of_natural_images(make_project):
    roads = read(make_project(layers=("only",)).read()).roads["only"]
    roads = roads.assign(angle=np.linspace(0, 100, len(roads)))
    with fixed_style():
        figure = figures.roads_figure({"only": roads}, {"only": ["stem"]})
        figure.draw_without_rendering()
    found = {each.get_label(): each.get_offsets()[0, 0] for each in figure.axes[0].collections}
    assert list(found.values()) == pytest.approx([50, 60, 20])
    ends = [line.get_xdata() for line in figure.axes[0].lines]
    np.testing.assert_allclose(ends, [[0, 100], [40, 75]])


def test_thirty_layers_fit_into_every_figure(make_project):
    found = read(make_project(layers=("only",)).read())
    aliases = [f"layer{n}" for n in range(30)]
    families = found.metrics["only"]["families"]
    with fixed_style():
        for figure in (
            figures.scores_figure(
                dict.fromkeys(aliases, families),
                dict.fromkeys(aliases, found.pictures["only"]),
            ),
            figures.roads_figure(
                dict.fromkeys(aliases, found.roads["only"]), dict.fromkeys(aliases, ["stem"])
            ),
        ):
            figure.draw_without_rendering()
            assert figure.get_size_inches()[1] < 30
