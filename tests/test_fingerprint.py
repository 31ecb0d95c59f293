"""The fingerprint changes with the meaning of a stage's import closure, and with nothing else."""

import ast
import shutil
from functools import partial
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tickle_core import fingerprint

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path):
    for package in fingerprint.PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / fingerprint.LOCK_FILE, tmp_path)
    return tmp_path


def all_fingerprints(root):
    return fingerprint.fingerprints(root)


def changed_by(project, edit):
    before = all_fingerprints(project)
    edit()
    after = all_fingerprints(project)
    return {name for name in before if before[name] != after[name]}


def edit_text(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.slow
def test_comments_docstrings_and_formatting_do_not_count(project):
    def edit():
        for path in project.rglob("*.py"):
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
                    node.body[0].value.value = "Something else."
            # Unparsing drops every comment and lays the code out anew.
            path.write_text("# a new comment\n\n\n" + ast.unparse(tree) + "\n\n# the end\n")

    assert changed_by(project, edit) == set()


def test_a_function_body_changes_exactly_the_stages_that_import_it(project):
    path = project / "tickle_core/geometry/dimension.py"
    edit = partial(edit_text, path, "len(part) >= 2", "len(part) >= 3")
    assert changed_by(project, edit) == {"dimension"}


def test_what_every_stage_imports_changes_every_stage(project):
    path = project / "tickle_core/stage.py"
    edit = partial(edit_text, path, "random.seed(seed)", "random.seed(seed + 1)")
    assert changed_by(project, edit) == set(fingerprint.fingerprints(project))


def test_a_pinned_version_changes_the_stages_that_import_the_library(project):
    lock = project / fingerprint.LOCK_FILE
    edit = partial(edit_text, lock, "scikit-learn==", "scikit-learn==99.")
    assert changed_by(project, edit) == {
        *("atlas", "attribution", "connectedness", "curvature", "dimension", "fractures"),
        *("neighbours", "path", "probes"),
        *("projections", "sae"),
    }


@pytest.mark.parametrize("name", ["circuits/section.html.jinja", "site/page.css", "site/page.js"])
def test_a_template_changes_the_report_alone(project, name):
    path = project / "tickle_core/reporting" / name
    assert changed_by(project, lambda: path.write_text(path.read_text() + " ")) == {"report"}


def test_a_figure_changes_the_report_alone(project):
    path = project / "tickle_core/reporting/circuits/figures.py"
    edit = partial(edit_text, path, "MAPS_PER_ROW = 3", "MAPS_PER_ROW = 2")
    assert changed_by(project, edit) == {"report"}


def test_every_template_belongs_to_a_module():
    """Else its edits would change nothing."""
    for path in (ROOT / "tickle_core").rglob("*"):
        if path.suffix in fingerprint.TEMPLATES:
            assert path.with_name(f"{path.name.split('.')[0]}.py").is_file(), path


def test_the_report_tracks_the_params_that_its_sections_read():
    """They see all of params.yaml; what they read has to be what dvc.yaml says."""
    read = {
        node.attr
        for path in (ROOT / "tickle_core/reporting").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("context.params")
    }
    assert read <= {entry for entry in definitions()["report"]["params"] if isinstance(entry, str)}


def test_a_new_block_of_the_schema_changes_nothing(project):
    path = project / "tickle_core/params/report.py"
    edit = partial(
        edit_text, path, "class Report", "class New(Block):\n    x: int\n\n\nclass Report"
    )
    assert changed_by(project, edit) == set()


def test_every_library_that_is_imported_is_pinned():
    pins = fingerprint._pins(ROOT / fingerprint.LOCK_FILE)
    for path in [*ROOT.glob("stages/*.py"), *ROOT.glob("tickle_core/**/*.py")]:
        libraries = fingerprint._libraries(path.read_bytes())
        assert libraries <= set(pins), f"{path.relative_to(ROOT)}: {libraries - set(pins)}"


def test_the_closure_follows_imports_in_all_forms(tmp_path):
    (tmp_path / "stages").mkdir()
    package = tmp_path / "tickle_core" / "sub"
    package.mkdir(parents=True)
    for folder in (tmp_path / "stages", tmp_path / "tickle_core", package):
        (folder / "__init__.py").touch()
    (tmp_path / "stages/s.py").write_text("from tickle_core import a\nimport tickle_core.b\n")
    (tmp_path / "tickle_core/a.py").write_text("def f():\n    from tickle_core.sub.c import name\n")
    (tmp_path / "tickle_core/b.py").write_text("import os\n")
    (package / "c.py").write_text("name = 1\n")
    (package / "unused.py").write_text("name = 1\n")
    assert fingerprint.closure("stages.s", tmp_path) == [
        "stages",
        "stages.s",
        "tickle_core",
        "tickle_core.a",
        "tickle_core.b",
        "tickle_core.sub",
        "tickle_core.sub.c",
    ]


def test_nothing_is_imported_by_a_computed_name():
    """Such an import would escape the fingerprint, as the user's own factories of models do."""
    paths = {*ROOT.glob("stages/*.py"), *ROOT.glob("tickle_core/**/*.py")}
    for path in paths - {ROOT / "tickle_core/models/architectures.py"}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("__import__", "importlib.import_module"), path


def definitions():
    pipeline = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())
    return {name: entry.get("do", entry) for name, entry in pipeline["stages"].items()}


def test_every_stage_has_a_module_and_tracks_its_own_fingerprint():
    assert set(definitions()) == set(fingerprint.stage_names(ROOT))
    for name, stage in definitions().items():
        assert stage["cmd"].split()[:3] == ["python", "-m", f"stages.{name}"]
        assert stage["desc"]
        tracked = [entry for entry in stage.get("params", []) if isinstance(entry, dict)]
        assert tracked == ([] if name in fingerprint.BEFORE else [{"data/code.json": [name]}])


# Params that a stage may look at without tracking them, because its output does not depend on
# them: `model` refuses unknown layers before it trains, `extract` fills other layers on the way.
LOOKED_AT = {"model": {"layers"}, "extract": {"layers"}}


def test_every_stage_tracks_the_params_that_it_reads_and_no_others():
    for name, stage in definitions().items():
        source = (ROOT / "stages" / f"{name}.py").read_text()
        read = {
            node.attr
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "run.params"
        }
        tracked = {
            entry.split(".")[0] for entry in stage.get("params", []) if isinstance(entry, str)
        }
        if name == "check":  # all of them
            assert "params.yaml" in stage["deps"]
        elif name in ("metrics", "report"):
            assert read <= tracked
        else:
            assert read - LOOKED_AT.get(name, set()) == tracked - LOOKED_AT.get(name, set()), name
