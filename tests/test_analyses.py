"""Every analysis of dvc.yaml is complete: the test names what is missing."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.reporting import conftest
from tickle_core.params.schema import Params
from tickle_core.reporting import headlines
from tickle_core.reporting.site import sections

ROOT = Path(__file__).parents[1]
STAGES = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
# What brings images, network and activations, or gathers results: no analyses.
OTHERS = {
    *("check", "fingerprint", "dataset", "model", "extract", "untrained", "neighbours"),
    *("perturbed", "metrics", "report"),
}
ANALYSES = sorted(set(STAGES) - OTHERS)
# Without a number that stands for the whole.
WITHOUT_HEADLINE = {
    "features": "pictures are looked at",
    "flow": "it follows the numbers of concepts through the layers",
    "projections": "maps are looked at",
    "fractures": "it names units",
}


def definition(stage):
    return STAGES[stage].get("do", STAGES[stage])


def plain(entries):
    return {entry for entry in entries if isinstance(entry, str)}


def test_there_are_analyses():
    assert set(STAGES) >= OTHERS
    assert ANALYSES


@pytest.mark.parametrize("name", ANALYSES)
@pytest.mark.parametrize(
    "file",
    [
        "stages/{}.py",
        "tickle_core/params/{}.py",
        "tickle_core/reporting/{}/section.py",
        "tickle_core/reporting/{}/section.html.jinja",
        "tests/reporting/{}/made_up.py",
    ],
)
def test_it_has_its_files(name, file):
    assert (ROOT / file.format(name)).is_file(), file.format(name)


@pytest.mark.parametrize("name", ANALYSES)
def test_it_has_its_block_of_params(name):
    assert name in Params.model_fields, "tickle_core/params/schema.py"
    assert name in YAML(typ="safe").load((ROOT / "params.yaml").read_text()), "params.yaml"
    assert name in plain(definition(name)["params"]), f"dvc.yaml: params of {name}"
    assert name in plain(definition("report")["params"]), "dvc.yaml: params of report"


@pytest.mark.parametrize("name", ANALYSES)
def test_its_results_are_read(name):
    outs = {out.replace("/${key}", "").removesuffix(".json") for out in definition(name)["outs"]}
    assert f"reports/metrics/{name}" in outs, f"dvc.yaml: outs of {name}"
    if f"data/{name}" in outs:
        assert f"data/{name}" in definition("report")["deps"], "dvc.yaml: deps of report"


@pytest.mark.parametrize("name", ANALYSES)
def test_it_is_in_the_two_lists(name):
    made = {section.__module__ for section in sections.SECTIONS}
    assert f"tickle_core.reporting.{name}.section" in made, "tickle_core/reporting/site/sections.py"
    if name not in WITHOUT_HEADLINE:
        assert name in headlines.HEADLINES, "tickle_core/reporting/headlines.py"
        gathered = {dep.removesuffix(".json") for dep in definition("metrics")["deps"]}
        assert f"reports/metrics/{name}" in gathered, "dvc.yaml: deps of metrics"


@pytest.mark.parametrize("name", ANALYSES)
def test_it_is_explained(name):
    readme = (ROOT / "README.md").read_text()
    assert f"| `{name}@` |" in readme or f"| `{name}` |" in readme, "README.md: table of stages"
    assert f"\n## {name}\n" in (ROOT / "docs/methods.md").read_text(), "docs/methods.md"


@pytest.mark.parametrize("name", ANALYSES)
def test_its_section_is_tested_on_made_up_results(name):
    assert name in conftest.MADE_UP, "tests/reporting/conftest.py"


def test_every_headline_number_has_its_entry_in_the_methods():
    methods = (ROOT / "docs/methods.md").read_text()
    for several in headlines.HEADLINES.values():
        for headline in several:
            assert f'<a id="{headline.key}"></a>' in methods, headline.key


def test_every_overlay_names_known_blocks():
    for path in (ROOT / "presets").glob("*.yaml"):
        assert set(YAML(typ="safe").load(path.read_text())) <= set(Params.model_fields), path.name
