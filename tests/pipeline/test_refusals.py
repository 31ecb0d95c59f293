"""What is refused costs nothing: no output is gone, and going back runs nothing."""

import shutil

import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.pipeline


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda values: values["sae"].update(k=3, kk=1),
            ["params.yaml: unknown key 'sae.kk'; did you mean 'k'?"],
        ),
        (
            lambda values: values["layers"].update(extra="layer9"),
            ["layers.extra: the model has no layer 'layer9'", "all of them: stem.0, stem.1"],
        ),
        (
            lambda values: values["dataset"].update(folder="empty"),
            ["empty needs at least two class folders"],
        ),
        (
            lambda values: values["extract"].update(test_images=3),
            ["dimension.blocks is 5", "3 images"],
        ),
        (
            lambda values: values["concepts"].update(sets="nope"),
            ["data/concepts/nope.yaml is missing; there are any_images, fashion_mnist"],
        ),
        (
            lambda values: values.update(
                model={
                    "source": "checkpoint",
                    "file": "nope.pt",
                    "architecture": "torchvision/resnet18",
                    "arguments": {},
                    "state": None,
                    "head": "own",
                    "class_names": None,
                    "threshold": None,
                    "prefix": None,
                    "mean": [0.5],
                    "std": [0.5],
                }
            ),
            ["data/checkpoints/nope.pt is missing"],
        ),
    ],
    ids=["unknown key", "unknown layer", "no classes", "sizes", "no concepts", "no checkpoint"],
)
def test_what_is_refused_loses_nothing(project, finished, change, told):
    (project.path / "empty").mkdir()
    before = project.outputs()
    project.edit_params(change)
    process = project.start("repro")
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "error in check: " in printed
    for part in told:
        assert part in printed
    assert "Traceback" not in printed
    assert project.lock == finished.lock
    assert project.outputs() == before
    shutil.copy(finished.path / "params.yaml", project.path)
    assert project.repro() == set()


def test_a_broken_yaml_loses_nothing(project, finished):
    before = project.outputs()
    text = (project.path / "params.yaml").read_text()
    (project.path / "params.yaml").write_text(text.replace("seed: 0", "seed: 0\nseed: 1"))
    process = project.start("repro")
    assert "seed" in process.communicate(timeout=PATIENCE)[0]
    assert process.returncode != 0
    assert project.outputs() == before
    assert project.lock == finished.lock
