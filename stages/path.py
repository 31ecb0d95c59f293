"""Look for the paths from images of one class to another that cost least."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tickle_core import devices, stage
from tickle_core.activations.store import open_store
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries import sae
from tickle_core.geometry import clouds
from tickle_core.models import classifier, splicing
from tickle_core.path import analysis
from tickle_core.path.spaces import Layer


def main(run: stage.Run) -> None:
    alias = run.params.report.headline_layer
    module = run.params.layers[alias]
    device = devices.prepare(run.params.device, double=True)
    model = classifier.load(Path("data/model"), device)
    images = ImageSet.open(Path("data/dataset"))
    store = open_store(Path(f"data/activations/{alias}.zarr"))
    cloud = clouds.read(store, Path("data/neighbours") / alias / "trained", "image")
    dictionary = sae.load(Path("data/sae") / alias).to(device)
    splice = splicing.splice(model, images, module)
    layer = Layer(alias, module, store, cloud, splice, dictionary)
    flips = pd.read_parquet("data/attack/flips.parquet")
    found = analysis.analyse(layer, flips, run.params.attack, run.params.path, run.params.seed)

    out = run.output_directory("data/path")
    for name, table in found.tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    for (way, pair), strip in found.strips.items():
        for place, image in enumerate(strip):
            picture = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)
            picture.save(out / f"{way}-{pair:03}-{place}.png")
    maps = [
        {"way": way, "pair": pair, "height": values.shape[0], "values": np.ravel(values).tolist()}
        for (way, pair), values in found.maps.items()
    ]
    columns = ["way", "pair", "height", "values"]
    pd.DataFrame(maps, columns=columns).to_parquet(out / "maps.parquet", index=False)
    run.write_metrics(found.metrics)


if __name__ == "__main__":
    stage.enter("path", main)
