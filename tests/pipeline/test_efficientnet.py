"""A preset on a handful of photographs, from its name to the report."""

import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from tickle_core.models.zoo.imagenet import imagenet_synsets

pytestmark = pytest.mark.pipeline


def bring_photographs(folder: Path) -> None:
    """The 20 ImageNet photographs of foolbox and their mirror images, in folders by synset."""
    synsets = imagenet_synsets(1000)
    for file in metadata.files("foolbox") or []:
        if file.match("foolbox/data/imagenet_*.jpg"):
            path = Path(file.locate())
            into = folder / synsets[int(path.stem.split("_")[-1])]
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, into)
            ImageOps.mirror(Image.open(path)).save(into / f"mirrored_{path.stem}.png")


def make_short(values) -> None:
    values["layers"] = {"late": values["layers"]["late"]}  # the others take longer
    values["sae"].update(layers={}, companions={}, seeds=2)
    values["sae"].update(latents=256, k=8, tokens=65536, batch_size=256)
    values["features"].update(steps=2, channels=1, neurons=1, latents=1, logits=1, noise=2)
    values["circuits"].update(images=8, units=2, directions=4, pairs=1, traces=2, sites=4)
    values["probes"].update(strengths=[0.1], control_clusters=8, control_draws=2, shuffles=1)
    values["concepts"].update(images=10, partners=10, random_sets=20)
    values["attribution"].update(images=2, most_steps=8, anchors=10, removals=2)
    values["attribution"].update(randomised_images=2, shown=1)
    values["dimension"].update(blocks=5, draws=3, gaussians=2)
    values["curvature"].update(sources=10, groups=4, draws=2)
    values["connectedness"].update(classes=4, points=4)
    values["atlas"].update(clusters=[2, 4], resamples=2, steps=2)
    values["fractures"].update(draws=5, latents=2)
    values["attack"].update(images=10, steps=3, noise_draws=2)
    values["delta"].update(steps=2, draws=2, latents=1, picture_steps=2)
    values["path"].update(pairs=2, steps=1)
    values["report"].update(latents=3)


def test_efficientnet_lite0_on_photographs(new_project):
    project = new_project
    project.dvc("imagenet_efficientnet_lite0", module="tickle_core.params.presets")
    bring_photographs(project.path / "data/raw/photographs")
    (project.path / "data/raw/photographs/n01440764").mkdir(exist_ok=True)
    (project.path / "data/raw/photographs/n01440764/broken.jpg").write_bytes(b"no image")
    project.edit_params(make_short)
    project.run_all()
    card = json.loads((project.path / "data/model/card.json").read_text())
    assert len(card["classes_of_dataset"]) == 19
    assert None not in card["classes_of_dataset"].values()
    # Of the photographs themselves it recognises 17.
    assert card["accuracy"]["n"] >= 19  # one of each class at least
    assert card["accuracy"]["value"] >= 0.7
    assert card["top5"]["value"] >= 0.9
    assert card["notes"] == []
    page = (project.path / "reports/index.html").read_text()
    assert "Skipped in the folder (2): n01440764 (a class folder without" in page
    summary = json.loads((project.path / "reports/metrics/summary.json").read_text())
    assert summary["model_accuracy"] == card["accuracy"]["value"]
    assert 0 < summary["sae_fvu"] < 1
    assert summary["patching_effect"] is None  # no class has images to choose by and to judge on
    circuits = json.loads((project.path / "reports/metrics/circuits/late.json").read_text())
    assert "fewer than two classes" in circuits["patching"]["why"]
    picture = Image.open(next((project.path / "data/features/late/pictures").glob("latent-*.png")))
    assert picture.size == (224, 224) and picture.mode == "RGB"
