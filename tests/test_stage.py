"""The stage door: what it refuses, what it publishes, what it leaves behind."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tickle_core import hashing, results
from tickle_core.params import reading

ROOT = Path(__file__).parents[1]

PARAMS = (ROOT / "params.yaml").read_text()
PIPELINE = """
stages:
  try:
    cmd: python -m stages.try
    params:
      - seed
      - sae
    deps:
      - data/model
"""
STAGE = """
from pathlib import Path
from tickle_core import stage

def main(run):
    out = run.output("data/out.txt")
    out.write_text(f"seed {{run.params.seed}}")
    {body}

stage.{enter}("try", main)
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "stages").mkdir()
    (tmp_path / "tickle_core").symlink_to(ROOT / "tickle_core")
    return tmp_path


def run(project, body="pass", *arguments, per_layer=False, **environment):
    enter = "enter_layer" if per_layer else "enter"
    text = textwrap.dedent(STAGE).format(body=body, enter=enter)
    (project / "stages" / "try.py").write_text(text)
    # No byte code: what is rewritten within a second at the same length would run as it was.
    return subprocess.run(
        [sys.executable, "-B", "-m", "stages.try", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"} | environment,
        timeout=PATIENCE,
    )


def edit(project, old, new):
    text = (project / "params.yaml").read_text()
    assert old in text
    (project / "params.yaml").write_text(text.replace(old, new, 1))


def assert_refused(finished, *parts):
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert finished.stderr.count("\n") == 1
    for part in parts:
        assert part in finished.stderr


def test_outputs_appear_at_the_end_and_replace_older_ones(project):
    (project / "data").mkdir()
    (project / "data/out.txt").write_text("old")
    finished = run(project, 'assert Path("data/out.txt").read_text() == "old"')
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == finished.stderr == ""
    assert (project / "data/out.txt").read_text() == "seed 0"
    assert [path.name for path in (project / "data").iterdir()] == ["out.txt"]


def test_a_failing_stage_leaves_the_old_output(project):
    run(project)
    finished = run(project, "raise ValueError('a bug')", seed="1")
    assert finished.returncode == 1
    assert "ValueError: a bug" in finished.stderr  # a bug keeps its traceback
    assert [path.name for path in (project / "data").iterdir()] == ["out.txt"]


def test_params_are_checked_before_any_work(project):
    edit(project, "  k: 8", "  kk: 8")
    assert_refused(run(project, 'Path("worked").touch()'), "error in try", "sae.kk", "'k'")
    assert not (project / "worked").exists()


def test_missing_params(project):
    (project / "params.yaml").unlink()
    assert_refused(run(project), "params.yaml is missing")


def test_tracked_params_that_change_on_the_way_are_noticed(project):
    body = """
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("  k: 8", "  k: 9"))"""
    finished = run(project, body)
    assert_refused(finished, "sae changed in params.yaml while try ran", "dvc repro")
    assert list((project / "data").iterdir()) == []


def test_params_that_are_not_tracked_may_change_on_the_way(project):
    body = """
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("epochs: 3", "epochs: 4"))"""
    assert run(project, body).returncode == 0


def test_params_that_become_unreadable_on_the_way(project):
    finished = run(project, 'Path("params.yaml").write_text("seed: [")')
    assert_refused(finished, "cannot tell whether", "params.yaml")
    assert list((project / "data").iterdir()) == []


def test_code_that_changes_on_the_way_is_noticed(project):
    body = """
    code = Path("stages/try.py")
    code.write_text(code.read_text() + "x = 1")"""
    assert_refused(run(project, body), "the code of try changed while it ran")
    assert list((project / "data").iterdir()) == []


def test_code_newer_than_its_fingerprint_is_refused_under_dvc(project):
    (project / "data").mkdir()
    (project / "data/code.json").write_text(json.dumps({"try": "0123456789abcdef"}))
    assert_refused(run(project, DVC_STAGE="try"), "the code changed after the stage `fingerprint`")
    assert run(project).returncode == 0  # by hand, without DVC, nothing is recorded


def test_two_copies_do_not_run_at_once(project):
    body = """
    import subprocess, sys
    from tickle_core import stage as door
    second = "from tickle_core import stage; stage.LOCK_SECONDS = 0.1; stage.enter('try', print)"
    inner = subprocess.run([sys.executable, "-c", second], capture_output=True, text=True)
    Path("second.txt").write_text(f"{inner.returncode} {inner.stderr}")"""
    assert run(project, body).returncode == 0
    second = (project / "second.txt").read_text()
    assert second == "1 error in try: try is already running in another process\n"


def test_aliases_are_checked(project):
    assert run(project, "pass", "late", per_layer=True).returncode == 0
    finished = run(project, "pass", "nope", per_layer=True)
    assert_refused(finished, "no layer 'nope'", "early, late, middle")
    missing = run(project, per_layer=True)
    assert missing.returncode == 2
    assert "one of: early, late, middle" in run(project, "pass", "-h", per_layer=True).stdout


def test_warnings_of_libraries_are_not_for_users(project):
    body = "import warnings; warnings.warn('a class has few members')"
    assert run(project, body).stderr == ""


def test_out_of_memory_is_told_in_one_line(project):
    finished = run(project, "raise MemoryError('Unable to allocate 8.00 EiB')")
    assert_refused(finished, "out of memory (Unable to allocate 8.00 EiB)", "lower the batch sizes")


def test_inputs_are_held_against_their_checksums(project):
    """Before any work; what no stage made is nobody's business."""
    model = project / "data/model"
    model.mkdir(parents=True)
    (model / "weights").write_text("w")
    assert run(project, "print('worked')").stdout == "worked\n"
    (project / "dvc.yaml").write_text(PIPELINE + "  model:\n    cmd: x\n    outs: [data/model]\n")
    finished = run(project, "print('worked')")
    assert_refused(finished, "data/model/SHA256SUMS is missing")
    assert finished.stdout == ""
    (model / "SHA256SUMS").write_text(f"{hashing.of_file(model / 'weights')}  weights\n")
    assert run(project, "print('worked')").stdout == "worked\n"
    (model / "weights").write_text("v")
    assert_refused(run(project), "data/model/weights is damaged", "dvc repro")


def test_metrics_say_what_params_they_come_from(project):
    finished = run(project, "run.write_metrics(dict(found=1))")
    assert finished.returncode == 0, finished.stderr
    metrics = json.loads((project / "reports/metrics/try.json").read_text())
    tracked = reading.read(project / "params.yaml")
    assert len(metrics.pop("sha256")) == 32
    assert metrics == {"found": 1, "params": {"seed": 0, "sae": tracked["sae"]}}


def test_metrics_of_a_layer_lie_in_a_folder(project):
    assert run(project, "run.write_metrics(dict())", "late", per_layer=True).returncode == 0
    assert (project / "reports/metrics/try/late.json").is_file()


UNFINISHED = """
    folder = run.scratch("cpu", {"data/model": ["CONTENT"]})
    print(len(list(folder.iterdir())))
    (folder / "part").touch()
    raise TickleError("killed")"""


def found_again(project, content="a"):
    """How many parts an unfinished run finds of those before it."""
    body = "from tickle_core.errors import TickleError" + UNFINISHED.replace("CONTENT", content)
    finished = run(project, body)
    assert "error in try: killed" in finished.stderr, finished.stderr
    return int(finished.stdout)


def test_unfinished_work_is_found_again_by_what_decides_it(project):
    assert found_again(project) == 0
    assert found_again(project) == 1
    assert found_again(project, content="b") == 0  # the dependency holds something else
    edit(project, "  k: 8 ", "  k: 6 ")  # a tracked param
    assert found_again(project) == 0
    edit(project, "  k: 6 ", "  k: 8 ")
    edit(project, "epochs: 2", "epochs: 3")  # one that is not tracked
    assert found_again(project) == 1


def test_scratch_goes_when_the_outputs_are_published(project):
    body = """
    folder = run.scratch("cpu", {"data/model": []})
    (folder / "part").touch()"""
    assert run(project, body).returncode == 0
    assert list((project / ".cache/unfinished/try").iterdir()) == []


def test_a_forgotten_dependency_cannot_be_taken_up(project):
    finished = run(project, 'run.scratch("cpu", dict())')
    assert "ValueError: try depends on ['data/model'], not on []" in finished.stderr


def test_a_full_disk_is_told_in_words(project):
    finished = run(project, "import errno; raise OSError(errno.ENOSPC, 'No space', 'data/x')")
    assert_refused(finished, "the disk is full (data/x)", "run again")


def test_json_is_sorted_rounded_and_finite(tmp_path):
    path = tmp_path / "x.json"
    results.write_json(path, {"b": 1 / 3, "a": [1, (0.1 + 0.2, None)], "c": {"y": 2, "x": True}})
    text = '{"a": [1, [0.3, null]], "b": 0.333333, "c": {"x": true, "y": 2}}'
    assert json.dumps(json.loads(path.read_text())) == text
    assert path.read_text().endswith("}\n")
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write_json(path, {"a": float("nan")})
