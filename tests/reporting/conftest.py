"""A small project on disk, and what the report makes of it."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.reporting.atlas import made_up as atlas
from tests.reporting.attack import made_up as attack
from tests.reporting.attribution import made_up as attribution
from tests.reporting.circuits import made_up as circuits
from tests.reporting.concepts import made_up as concepts
from tests.reporting.connectedness import made_up as connectedness
from tests.reporting.curvature import made_up as curvature
from tests.reporting.delta import made_up as delta
from tests.reporting.dimension import made_up as dimension
from tests.reporting.features import made_up as features
from tests.reporting.flow import made_up as flow
from tests.reporting.fractures import made_up as fractures
from tests.reporting.made_up import Made, layer_entry, share, write_images
from tests.reporting.path import made_up as path
from tests.reporting.probes import made_up as probes
from tests.reporting.projections import made_up as projections
from tests.reporting.sae import made_up as sae
from tickle_core.params import reading
from tickle_core.params.schema import Params
from tickle_core.reporting import context, headlines
from tickle_core.reporting.site import page
from tickle_core.results import write_json

ROOT = Path(__file__).parents[2]
MADE_UP = {
    "probes": probes.write,
    "sae": sae.write,
    "features": features.write,
    "circuits": circuits.write,
    "concepts": concepts.write,
    "flow": flow.write,
    "attribution": attribution.write,
    "dimension": dimension.write,
    "curvature": curvature.write,
    "connectedness": connectedness.write,
    "projections": projections.write,
    "atlas": atlas.write,
    "fractures": fractures.write,
    "attack": attack.write,
    "delta": delta.write,
    "path": path.write,
}


def save_empty(figures, folder):
    for name in figures:
        for kind in ("svg", "pdf"):
            (folder / f"{name}.{kind}").touch()


@dataclass(frozen=True)
class Project:
    data: Path
    metrics: Path
    params: Params

    def of_layers(self, layers):
        """The same project, of which params.yaml names other layers."""
        paths = {alias: f"module.{alias}" for alias in layers}
        return replace(self, params=self.params.model_copy(update={"layers": paths}))

    def read(self):
        """What a section is given."""
        return context.read(self.data, self.metrics, self.params)

    def headlines(self):
        """The headline numbers by key."""
        found = headlines.read(self.metrics, self.params.report.headline_layer)
        return {headline.key: number for headline, number in found.items()}

    def write(self, out, drawn=False):
        """Write the report and return its files by relative name.

        Figures are made, but saved as they are only if `drawn`, which takes ten times as long.
        """
        folders = [out / name for name in ("figures", "tables", "plots")]
        for folder in folders:
            folder.mkdir(parents=True)
        with pytest.MonkeyPatch.context() as patch:
            if not drawn:
                patch.setattr(page, "save_figures", save_empty)
            page.write(self.read(), out / "index.html", *folders)
        return {
            str(path.relative_to(out)): path.read_bytes()
            for path in sorted(out.rglob("*"))
            if path.is_file()
        }


@pytest.fixture(scope="session")
def make_project(tmp_path_factory):
    """Make a project: what it is of, and by stage what its made-up numbers are of."""

    def make(**options):
        return build(tmp_path_factory.mktemp("project"), **options)

    return make


def build(
    root,
    layers=("early", "late"),
    class_names=("cat", "dog"),
    grid=(2, 2),
    prefix=(),
    shape=(8, 8, 1),
    **stages,
):
    data, metrics = root / "data", root / "metrics"
    metrics.mkdir()
    write_images(data / "dataset", class_names, shape)
    (data / "model").mkdir()
    accuracy = share(0.9) | {"null": 0.3}
    card = {
        "architecture": {"name": "small_resnet"},
        "source": "trained on the data set's train split",
        "class_names": list(class_names),
        "accuracy": accuracy,
        "top5": None,
        "notes": [],
        "parameters": 1234,
        "layers": {
            f"module.{alias}": layer_entry(grid, prefix) | {"tail_share": 1 / (2 + place)}
            for place, alias in enumerate(layers)
        },
    }
    write_json(data / "model" / "card.json", card)
    write_json(metrics / "model.json", {"accuracy": accuracy})
    for alias in layers:
        made = Made(root, alias, tuple(class_names), grid, tuple(prefix), shape, tuple(layers))
        for stage, write in MADE_UP.items():
            write(made, **stages.get(stage, {}))
    return Project(data, metrics, make_params(layers))


def make_params(layers):
    """The default ones, but for what the made-up project is of."""
    values = reading.read(ROOT / "params.yaml")
    values["layers"] = {alias: f"module.{alias}" for alias in layers}
    values["dataset"] = {
        "source": "folder",
        "folder": "/some/where",
        "resize": 8,
        "image_size": 8,
        "interpolation": "bicubic",
        "color": "grey",
        "test_share": 0.5,
        "damaged": "refuse",
        "split": "content",
        "near_copies": "note",
        "range_16bit": [0, 65535],
    }
    values["extract"] |= {"train_images": None, "test_images": None}
    values["sae"] |= {"layers": {}, "companions": sae.COMPANIONS, "top_images": 4}
    values["report"] = {"headline_layer": layers[-1], "latents": 3, "images_per_latent": 4}
    return reading.parse(values)
