"""Everything that the report shows, read once."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import params
from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.reporting import summary
from tickle_core.results import read_json


@dataclass(frozen=True)
class Settings:
    """The parts of params.yaml that the report reads or shows."""

    seed: int
    dataset: params.Dataset
    model: params.Model
    layers: dict[str, str]
    extract: params.Extract
    sae: params.Sae
    features: params.Features
    circuits: params.Circuits
    probes: params.Probes
    dimension: params.Dimension
    report: params.Report


@dataclass(frozen=True)
class Findings:
    """What the stages before the report found.

    Attributes
    ----------
    settings
        Its `layers` alone say which layers there are: a dropped one leaves its files behind.
    images
        The image set.
    held_out
        Ids of the images on which everything was judged.
    card
        Of the model.
    headline
        `summary.headline` of the headline layer.
    metrics
        By stage, then by layer: the content of reports/metrics/<stage>/<layer>.json.
    latents, top_images, pca, sparse_probing
        By layer: the tables that the stage `sae` writes.
    pictures, natural, roads
        By layer: the tables that the stage `features` writes.
    picture_folders
        By layer: where the pictures lie that the column `file` of `pictures` names.
    ablation, class_effects, curves, patched_classes, traced_sites, traces
        By layer: the tables that the stage `circuits` writes.
    probe_positions, probe_classes, confusion
        By layer: the tables that the stage `probes` writes.
    spectra, dimension_classes, any_class
        By layer: the tables that the stage `dimension` writes.
    """

    settings: Settings
    images: ImageSet
    held_out: np.ndarray
    card: dict[str, Any]
    headline: dict[str, Any]
    metrics: dict[str, dict[str, Any]]
    latents: dict[str, pd.DataFrame]
    top_images: dict[str, pd.DataFrame]
    pca: dict[str, pd.DataFrame]
    sparse_probing: dict[str, pd.DataFrame]
    pictures: dict[str, pd.DataFrame]
    natural: dict[str, pd.DataFrame]
    roads: dict[str, pd.DataFrame]
    picture_folders: dict[str, Path]
    ablation: dict[str, pd.DataFrame]
    class_effects: dict[str, pd.DataFrame]
    curves: dict[str, pd.DataFrame]
    patched_classes: dict[str, pd.DataFrame]
    traced_sites: dict[str, pd.DataFrame]
    traces: dict[str, pd.DataFrame]
    probe_positions: dict[str, pd.DataFrame]
    probe_classes: dict[str, pd.DataFrame]
    confusion: dict[str, pd.DataFrame]
    spectra: dict[str, pd.DataFrame]
    dimension_classes: dict[str, pd.DataFrame]
    any_class: dict[str, pd.DataFrame]

    @property
    def layers(self) -> list[str]:
        """Aliases, from the first layer of the network to the last."""
        return list(self.settings.layers)

    @property
    def headline_layer(self) -> str:
        """Alias of the layer whose numbers stand for the run."""
        return self.settings.report.headline_layer

    @property
    def linear_tails(self) -> list[str]:
        """Aliases of the layers behind which the network is linear, by the model's card."""
        return [
            alias
            for alias, module in self.settings.layers.items()
            if self.card["layers"][module]["linear_tail"]
        ]

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of label."""
        return self.images.class_names


STAGES = ("probes", "sae", "features", "circuits", "dimension")


def read(data: Path, metrics: Path, settings: Settings) -> Findings:
    """Read what the report shows from the folders `data` and `reports/metrics`.

    Raises
    ------
    TickleError
        If a file is missing; it is named.
    """
    images = ImageSet.open(data / "dataset")
    try:
        card = read_json(data / "model" / "card.json")
        settings = replace(settings, layers=_by_depth(settings.layers, card))
        return Findings(
            settings=settings,
            images=images,
            held_out=image_set.draw(
                images.table, "test", settings.extract.test_images, settings.seed
            ),
            card=card,
            headline=summary.headline(metrics, settings.report.headline_layer),
            metrics={
                stage: {
                    alias: read_json(metrics / stage / f"{alias}.json") for alias in settings.layers
                }
                for stage in STAGES
            },
            latents=_tables(data / "sae", settings, "latents"),
            top_images=_tables(data / "sae", settings, "top_images"),
            pca=_tables(data / "sae", settings, "pca"),
            sparse_probing=_tables(data / "sae", settings, "sparse_probing"),
            pictures=_tables(data / "features", settings, "pictures"),
            natural=_tables(data / "features", settings, "natural"),
            roads=_tables(data / "features", settings, "roads"),
            picture_folders={
                alias: data / "features" / alias / "pictures" for alias in settings.layers
            },
            ablation=_tables(data / "circuits", settings, "ablation"),
            class_effects=_tables(data / "circuits", settings, "class_effects"),
            curves=_tables(data / "circuits", settings, "curves"),
            patched_classes=_tables(data / "circuits", settings, "patching"),
            traced_sites=_tables(data / "circuits", settings, "sites"),
            traces=_tables(data / "circuits", settings, "traces"),
            probe_positions=_tables(data / "probes", settings, "positions"),
            probe_classes=_tables(data / "probes", settings, "classes"),
            confusion=_tables(data / "probes", settings, "confusion"),
            spectra=_tables(data / "dimension", settings, "spectrum"),
            dimension_classes=_tables(data / "dimension", settings, "classes"),
            any_class=_tables(data / "dimension", settings, "any_class"),
        )
    except FileNotFoundError as error:
        raise TickleError(f"{error.filename} is missing: run `dvc repro`") from None


def _by_depth(layers: dict[str, str], card: dict[str, Any]) -> dict[str, str]:
    """Layers in the order in which the network comes to them: their tails get ever shorter."""
    return dict(
        sorted(layers.items(), key=lambda layer: (-card["layers"][layer[1]]["tail_share"], layer))
    )


def _tables(folder: Path, settings: Settings, name: str) -> dict[str, pd.DataFrame]:
    return {alias: pd.read_parquet(folder / alias / f"{name}.parquet") for alias in settings.layers}
