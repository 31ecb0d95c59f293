"""A stage runs again if and only if something that it depends on changed in meaning."""

import json
import time

import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.pipeline

LAYERS = {"middle", "late"}
CHECK = {"check"}
BEFORE_ALL = {"check", "fingerprint"}
ANALYSES = (
    *("sae", "features", "circuits", "concepts", "probes", "neighbours", "dimension"),
    *("curvature", "connectedness", "projections", "atlas", "fractures", "delta"),
)
WHOLE = {"untrained", "flow", "attribution", "attack", "perturbed", "path"}
GATHERED = {"metrics", "report"}


def per_layer(*stages, layers=LAYERS):
    return {f"{stage}@{layer}" for stage in stages for layer in layers}


def test_the_first_run_runs_everything_and_a_second_one_nothing(project):
    assert project.repro() == set()
    assert json.loads(project.dvc("status", "--json")) == {}
    recorded = {line.strip(" :") for line in project.lock.splitlines() if line.startswith("  ")}
    everything = (
        {"check", "fingerprint", "dataset", "model"}
        | WHOLE
        | GATHERED
        | per_layer("extract", *ANALYSES)
    )
    assert everything <= recorded


def test_comments_docstrings_and_blank_lines_run_no_analysis(project):
    for path in (project.path / "tickle_core").rglob("*.py"):
        path.write_text("# A remark.\n\n" + path.read_text() + "\n\n# The end.\n")
    assert project.repro() == BEFORE_ALL


def test_a_param_of_the_sae_runs_what_reads_it_and_going_back_runs_nothing(project, finished):
    """What was made before is taken from DVC's cache, to the byte."""
    project.edit_params(lambda values: values["sae"].update(k=3))
    trained = per_layer("sae")
    assert project.repro(*sorted(trained)) == CHECK | trained
    # Stages that read these; others follow once they have run.
    changed = json.loads(project.dvc("status", "--json"))
    readers = per_layer("features", "circuits", "concepts", "fractures", "delta")
    assert set(changed) == readers | GATHERED | {"path"}
    metrics = json.loads((project.path / "reports/metrics/sae/late.json").read_text())
    assert metrics["saes"]["main"]["l0"]["value"] <= 3
    assert project.lock != finished.lock

    project.edit_params(lambda values: values["sae"].update(k=4))
    assert project.repro() == set()
    assert project.lock == finished.lock
    assert project.outputs() == finished.outputs()
    assert json.loads(project.dvc("status", "--json")) == {}


def test_the_order_of_keys_means_nothing(project):
    """Neither to DVC, nor to what stages make: DVC does not see it."""
    before = project.outputs()

    def turn_round(values):
        places = (values, values["layers"], values["sae"], values["sae"]["companions"])
        for mapping in places:
            for key in list(reversed(mapping)):
                mapping.move_to_end(key)

    project.edit_params(turn_round)
    assert project.repro() == CHECK
    project.repro("-f", "--single-item", "sae@late", "metrics", "report")
    assert project.outputs() == before


def test_the_body_of_a_function_runs_the_stages_that_import_it(project):
    project.edit_text("tickle_core/geometry/dimension.py", "if len(part) >= 2", "if len(part) >= 3")
    assert project.repro() == BEFORE_ALL | per_layer("dimension") | GATHERED


def test_params_edited_while_a_stage_runs_fail_that_stage(project):
    """DVC itself would record the old result under the new value."""
    project.edit_params(lambda values: values["sae"].update(tokens=400_000))
    process = project.start("repro", "sae@late")
    lock = project.path / ".cache/locks/sae@late.lock"
    lock.unlink()
    while not lock.exists():
        time.sleep(0.05)
    project.edit_params(lambda values: values["sae"].update(k=2, tokens=4096))
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "sae changed in params.yaml while sae@late ran" in printed
    assert "Traceback" not in printed
    assert "sae@late" in project.repro("sae@late")
    card = json.loads((project.path / "data/sae/late/card.json").read_text())
    assert card["k"] == 2


def test_running_every_stage_again_leaves_every_byte_as_it_is(project):
    before, lock = project.outputs(), project.lock
    project.run_all()
    assert project.outputs() == before
    assert project.repro() == set()
    assert project.lock == lock
