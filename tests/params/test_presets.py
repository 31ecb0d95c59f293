"""Presets are overlays of the default that fit their models, and lose nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest
from torchvision.datasets import Imagenette

from tickle_core.datasets.announced import announced
from tickle_core.errors import TickleError
from tickle_core.models import classes, classifier
from tickle_core.models.layers import survey
from tickle_core.models.stand_in import stand_in
from tickle_core.models.zoo import registry
from tickle_core.params import presets, reading

ROOT = Path(__file__).parents[2]
NAMES = presets.names(ROOT / "presets")
OVERLAYS = [name for name in NAMES if name != presets.DEFAULT]


def load(name, folder):
    path = folder / "params.yaml"
    path.write_text(presets.text(name, ROOT / "presets"))
    return reading.load(path)


def test_there_are_presets():
    assert NAMES == [
        "clip_photographs",
        "dinov2_photographs",
        "fashion_mnist",
        "googlenet_imagenette",
        "imagenet_efficientnet_lite0",
        "resnet50_imagenette",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_valid(name, tmp_path):
    checked = load(name, tmp_path)
    assert (ROOT / checked.dataset.folder).is_dir()  # DVC wants it to exist


def test_the_default_is_a_preset():
    assert (ROOT / "params.yaml").read_text() == (ROOT / "presets/fashion_mnist.yaml").read_text()


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_holds_what_differs_and_nothing_else(name, tmp_path):
    default = reading.read(ROOT / "params.yaml")
    overlay = reading.read(ROOT / f"presets/{name}.yaml")
    load(name, tmp_path)
    merged = reading.read(tmp_path / "params.yaml")
    for section, values in overlay.items():
        if section in presets.REPLACED:
            assert values != default[section]
            default[section] = values
            continue
        for key, value in values.items():
            assert value != default[section][key], f"{section}.{key}"
            default[section][key] = value
    assert merged == default


@pytest.mark.parametrize("name", OVERLAYS)
def test_all_comments_are_kept(name):
    """But those within what is replaced as a whole, and those that an overlay has its own for."""
    default = (ROOT / "params.yaml").read_text().splitlines()
    banners = [line for line in default if line.startswith("#")]
    merged = presets.text(name, ROOT / "presets").splitlines()
    assert [line for line in merged if line.startswith("#")] == banners
    assert "  k: 16                  # active latents per token: topk exactly, the others on " in (
        "\n".join(merged)
    )
    own = (ROOT / f"presets/{name}.yaml").read_text().splitlines()[2:]
    assert {line for line in own if line.lstrip().startswith("#")} <= set(merged)


@pytest.fixture
def project(tmp_path):
    """A folder with the presets and the default, committed."""
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "Start"]):
        identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
    return tmp_path


def test_one_can_go_to_a_preset_and_back(project):
    for name in [*NAMES, presets.DEFAULT]:
        presets.apply(name, project)
        assert (project / "params.yaml").read_text() == presets.text(name, ROOT / "presets")


def change(project):
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("  k: 8 ", "  k: 6 "))
    return path.read_text()


def test_unsaved_changes_are_not_overwritten(project):
    changed = change(project)
    with pytest.raises(TickleError, match="saved nowhere: commit them"):
        presets.apply(OVERLAYS[0], project)
    assert (project / "params.yaml").read_text() == changed


def test_saved_changes_may_be_overwritten(project):
    change(project)
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", *identity, "commit", "-qam", "Six"], cwd=project, check=True)
    presets.apply(OVERLAYS[0], project)


def test_without_git_what_no_preset_gives_is_kept(project):
    shutil.rmtree(project / ".git")
    presets.apply(OVERLAYS[0], project)
    presets.apply(presets.DEFAULT, project)
    change(project)
    with pytest.raises(TickleError, match="saved nowhere"):
        presets.apply(OVERLAYS[0], project)


def test_an_unknown_preset_is_answered_with_the_nearest(project):
    with pytest.raises(TickleError, match="did you mean 'resnet50_imagenette'"):
        presets.apply("resnet_imagenette", project)


def test_outside_of_the_project_it_says_where_to_run(tmp_path):
    with pytest.raises(TickleError, match="holds no presets: run from the project's top folder"):
        presets.apply(presets.DEFAULT, tmp_path)


def test_what_is_no_text_is_not_overwritten_either(project):
    (project / "params.yaml").write_bytes(b"seed: 0  # caf\xe9\n")
    with pytest.raises(TickleError, match="saved nowhere"):
        presets.apply(presets.DEFAULT, project)


def test_a_key_that_the_default_lacks_is_refused(project):
    (project / "presets/odd.yaml").write_text("sae:\n  kk: 3\n")
    with pytest.raises(TickleError, match=r"presets/odd\.yaml has sae\.kk"):
        presets.text("odd", project / "presets")


@pytest.mark.slow
@pytest.mark.parametrize("name", OVERLAYS)
def test_a_preset_names_clean_cuts_and_the_geometry_that_the_weights_expect(name, tmp_path):
    checked = load(name, tmp_path)
    layers = survey(*stand_in(checked))
    classifier.require_layers(checked.layers, list(layers))
    assert all(layers[module]["clean_cut"] for module in checked.layers.values())
    geometry = registry.describe(checked.model, announced(checked.dataset)).geometry
    assert geometry.interpolation == checked.dataset.interpolation
    if name != "dinov2_photographs":  # of which fewer patches are taken
        assert geometry.resize == checked.dataset.resize
        assert geometry.image_size == checked.dataset.image_size


@pytest.mark.parametrize("name", ["googlenet_imagenette", "resnet50_imagenette"])
def test_the_classes_of_imagenette_are_classes_of_the_model(name, tmp_path):
    checked = load(name, tmp_path)
    entry = registry.describe(checked.model, announced(checked.dataset))
    names = [names[0] for names in Imagenette._WNID_TO_CLASS.values()]
    matches = classes.match(names, entry.class_names, entry.synsets)
    assert [entry.synsets[index] for index in matches.values()] == list(Imagenette._WNID_TO_CLASS)
