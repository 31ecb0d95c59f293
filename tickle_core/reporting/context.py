"""What every section of the report needs: params, images, the model's card, and where files lie."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.params.schema import Params
from tickle_core.results import read_json


@dataclass(frozen=True)
class Context:
    """A finished run.

    Attributes
    ----------
    params
        Its `layers` alone say which layers there are: a dropped one leaves its files behind.
    data, metrics
        The folders `data` and `reports/metrics`.
    images
        The image set.
    held_out
        Ids of the images on which everything was judged.
    card
        Of the model.
    """

    params: Params
    data: Path
    metrics: Path
    images: ImageSet
    held_out: np.ndarray
    card: dict[str, Any]

    @property
    def layers(self) -> dict[str, str]:
        """Module paths by alias, from the first layer of the network to the last."""
        cards = self.card["layers"]
        # Their tails get ever shorter.
        return dict(
            sorted(
                self.params.layers.items(),
                key=lambda layer: (-cards[layer[1]]["tail_share"], layer),
            )
        )

    @property
    def headline_layer(self) -> str:
        """Alias of the layer whose numbers stand for the run."""
        return self.params.report.headline_layer

    @property
    def linear_tails(self) -> list[str]:
        """Aliases of the layers behind which the network is linear, by the model's card."""
        return [alias for alias in self.layers if self.layer_card(alias)["linear_tail"]]

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of label."""
        return self.images.class_names

    def layer_card(self, alias: str) -> dict[str, Any]:
        """What the model's card says of a layer."""
        return self.card["layers"][self.params.layers[alias]]

    def read_metrics(self, stage: str) -> dict[str, Any]:
        """By layer: the content of reports/metrics/<stage>/<layer>.json.

        Raises
        ------
        TickleError
            If a file is missing; it is named.
        """
        return {
            alias: _found(read_json, self.metrics / stage / f"{alias}.json")
            for alias in self.layers
        }

    def read_tables(self, stage: str, name: str) -> dict[str, pd.DataFrame]:
        """By layer: the table data/<stage>/<layer>/<name>.parquet; raises as `read_metrics`."""
        folder = self.data / stage
        return {
            alias: _found(pd.read_parquet, folder / alias / f"{name}.parquet")
            for alias in self.layers
        }

    def read_metrics_of(self, stage: str) -> Any:
        """The content of reports/metrics/<stage>.json; raises as `read_metrics`."""
        return _found(read_json, self.metrics / f"{stage}.json")

    def read_table(self, stage: str, name: str) -> pd.DataFrame:
        """The table data/<stage>/<name>.parquet; raises as `read_metrics`."""
        return _found(pd.read_parquet, self.data / stage / f"{name}.parquet")


def read(data: Path, metrics: Path, checked: Params) -> Context:
    """Look at what the stages `dataset` and `model` left.

    Raises
    ------
    TickleError
        If a file is missing; it is named.
    """
    images = ImageSet.open(data / "dataset")
    held_out = image_set.draw(images.table, "test", checked.extract.test_images, checked.seed)
    card = _found(read_json, data / "model" / "card.json")
    return Context(checked, data, metrics, images, held_out, card)


def _found(read_file: Any, path: Path) -> Any:
    try:
        return read_file(path)
    except FileNotFoundError:
        raise TickleError(f"{path} is missing: run `dvc repro`") from None
