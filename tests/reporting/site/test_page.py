"""The page as a whole: escaped, self-contained, reproducible, about the layers of params.yaml."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from tickle_core.errors import TickleError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
METHODS = "../docs/methods.md"
HOSTILE = ("<script>alert(1)</script>", r"$\frac{1}$ & 50%_#{~^", '"><img src=x onerror=y>', "dog")


@pytest.fixture(scope="module")
def project(make_project):
    project = make_project(layers=("early", "dropped", "late"), class_names=HOSTILE)
    return project.of_layers(["early", "late"])


@pytest.fixture(scope="module")
def report(project, tmp_path_factory):
    return project.write(tmp_path_factory.mktemp("report"), drawn=True)


@pytest.fixture(scope="module")
def html(report):
    return report["index.html"].decode()


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_names_from_data_are_text_and_never_markup(html):
    elements = Elements(html).found
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    scripts = [attributes for tag, attributes in elements if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "map-points"}, {}]
    assert not [attributes for _, attributes in elements if "onerror" in attributes]


def test_the_page_loads_nothing(html):
    for tag, attributes in Elements(html).found:
        for name in ("src", "srcset", "href", "xlink:href", "data", "poster"):
            link = attributes.get(name)
            if link is None:
                continue
            # A link to a neighbouring file may be followed; only embedded data is loaded.
            allowed = ("#", "figures/", "tables/", METHODS) if tag in ("a", "use") else ("data:",)
            assert link.startswith(allowed), (tag, link[:80])
    assert not re.search(r"url\(|@import|https?://|fetch\(|import\(", html)


def test_every_link_leads_somewhere(html, report):
    elements = Elements(html).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in elements:
        link = attributes.get("href", "#top")
        if link.startswith("#"):
            assert link[1:] in ids
        elif link.startswith(METHODS):
            text = (ROOT / "docs/methods.md").read_text()
            assert "#" not in link or f'<a id="{link.split("#")[1]}"></a>' in text
        elif not link.startswith("data:"):
            assert link in report


def test_every_image_has_an_alternative_text(html):
    for tag, attributes in Elements(html).found:
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


def test_a_second_run_at_another_time_gives_the_same_bytes(project, report, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert project.write(tmp_path, drawn=True) == report


def test_layers_come_from_params_and_not_from_folders(report):
    assert not [name for name, content in report.items() if b"dropped" in content]
    assert b"early" in report["index.html"]


def test_layers_stand_in_the_order_of_depth(project, report, tmp_path):
    other = project.of_layers(["late", "early"])
    assert list(other.read().layers) == ["early", "late"]
    assert other.write(tmp_path / "report", drawn=True) == report


def test_heat_maps_lie_over_the_images(html):
    assert 'id="heat"' in html
    assert '<image class="heat"' in html


def test_every_image_is_embedded_once_and_shown(html):
    elements = Elements(html).found
    stored = [
        attributes["id"]
        for tag, attributes in elements
        if tag == "image" and attributes.get("id", "").startswith(("image-", "picture-"))
    ]
    uses = {attributes["href"][1:] for tag, attributes in elements if tag == "use"}
    assert len(stored) == len(set(stored))
    assert set(stored) == uses
    # Pairs that causal tracing shows, pictures of what units want.
    assert {"image-0", "image-2", "picture-late-latent-5-0", "picture-early-layer-0-1"} <= uses


def test_no_path_of_the_machine_is_shown(html):
    assert "/some/where" not in html


@pytest.mark.parametrize(
    "options",
    [
        {"layers": ("only",), "grid": (1, 1), "class_names": [f"c{n}" for n in range(40)]},
        {"layers": ("only",), "grid": None, "shape": (70, 50, 3), "sae": {"density": [0] * 8}},
    ],
    ids=["one layer, one position, 40 classes", "no grid, RGB, every latent dead"],
)
def test_edge_cases_have_a_page(make_project, tmp_path, options):
    report = make_project(**options).write(tmp_path)
    html = report["index.html"].decode()
    drawn = len(options.get("class_names", "ab")) <= 30
    assert ("figures/probes_confusion.svg" in report) == drawn
    assert "probes_confused" in html
    # One patch, or none, is no map.
    assert 'id="heat"' not in html
    # (Attributions, those along paths too, are maps of pixels.)
    of_patches = re.sub(r'<section id="(attribution|path)".*?</section>', "", html, flags=re.DOTALL)
    assert 'class="heat"' not in of_patches
    if "sae" in options:
        assert "No other latent fires" in html


def test_a_missing_input_is_named(make_project, tmp_path):
    project = make_project()
    (project.metrics / "sae" / "early.json").unlink()
    with pytest.raises(TickleError, match=r"sae.early\.json is missing: run `dvc repro`"):
        project.write(tmp_path)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("stages.metrics", {"torch", "sklearn", "scipy", "matplotlib", "PIL"}),
        ("stages.report", {"torch", "sklearn", "scipy", "matplotlib.pyplot"}),
    ],
)
def test_nothing_heavy_is_imported_without_need(module, heavy):
    code = f"import sys, {module}; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_model_without_accuracy_a_transformer_and_small_classes_are_shown(make_project, tmp_path):
    project = make_project(prefix=("class",), dimension={"large_classes": False})

    def as_transformer(card):
        card.update(accuracy=None, top5=None, notes=["no class <b>is</b> one of the model's"])
        layer = card["layers"]["module.late"]
        layer.update(layout="NTC", shape=[5, 6], obstacle="a skip", clean_cut=False)

    edit_json(project.data / "model/card.json", as_transformer)
    edit_json(project.metrics / "model.json", lambda model: model.update(accuracy=None))
    html = project.write(tmp_path)["index.html"].decode()
    assert "The model assigns" not in html
    assert "No class &lt;b&gt;is&lt;/b&gt; one of the model&#39;s." in html
    assert "class + 2 × 2" in html
    assert "no: a skip" in html
    assert "class token</span>" in html
    assert "No class has 10 held-out images" in html


@pytest.mark.parametrize("count", [5, 40])
def test_few_held_out_images_get_no_sentence_with_a_share(count, make_project, tmp_path):
    project = make_project(layers=("only",))
    extract = project.params.extract.model_copy(update={"test_images": count})
    params = project.params.model_copy(update={"extract": extract})
    html = replace(project, params=params).write(tmp_path)["index.html"].decode()
    header = html[html.index("<header>") : html.index("</header>")]
    assert f"{count} held-out images" in " ".join(header.split())
    assert ("%" in header) == (count == 40)
    assert ("So few images carry no sentence" in header) == (count == 5)


NO_PROBE = {
    "latents": {"value": None, "interval": None, "n": 0, "null": None, "why": "no class"},
    "rivals": {},
}


def test_where_no_class_has_images_enough_latents_are_held_against_none(make_project, tmp_path):
    project = make_project(layers=("only",))
    nothing = NO_PROBE["latents"]
    classes = dict.fromkeys(("telling_share", "median_auc", "purity"), nothing) | {"rivals": {}}
    sparse = {"why": "no class has 5 images on either side of the split"}
    edit_json(
        project.metrics / "sae/only.json",
        lambda found: found.update(probe=NO_PROBE, classes=classes, sparse_probing=sparse),
    )
    path = project.data / "sae/only/sparse_probing.parquet"
    pd.read_parquet(path)[:0].to_parquet(path)
    report = project.write(tmp_path)
    html = report["index.html"].decode()
    assert not {name for name in report if "sae_meaning" in name or "sparse_probing" in name}
    assert "Single latents could not be held against classes: no class has 5 images" in html


def test_an_autoencoder_alone_on_a_model_of_other_classes_is_shown(make_project, tmp_path):
    project = make_project(sae={"spliced_accuracy": False, "companions": {}})
    for alias in ("early", "late"):
        edit_json(
            project.metrics / f"sae/{alias}.json",
            lambda found: found.update(stability=None, probe=NO_PROBE),
        )
    report = project.write(tmp_path)
    html = report["index.html"].decode()
    assert "the model predicts the same for 90.0\u202f% of the images" in html
    header = report["tables/sae_splice.csv"].decode().splitlines()[0]
    assert "agreement,agreement_low" in header
    assert "accuracy" not in header
    assert project.headlines()["sae_spliced_accuracy_drop"]["value"] is None
    for absent in ("Does another seed", "Probe: how well"):
        assert absent not in html


def test_what_splicing_costs_stands_beside_mean_ablation(project, html):
    assert (
        "goes from 90.0\u202f% to 81.0\u202f%, with the mean of its tokens to 18.0\u202f%;" in html
    )
    drop = project.headlines()["sae_spliced_accuracy_drop"]
    assert drop["value"] == pytest.approx(0.09)
    assert drop["null"]["value"] == pytest.approx(0.72)


def test_companions_are_listed_with_what_they_change(html):
    assert "<dt>companions.k4</dt><dd>k 4</dd>" in html
    assert "<dt>companions.plain</dt><dd>variant relu, l1 0.1</dd>" in html
