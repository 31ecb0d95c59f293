"""Make pictures of what one layer's units want, and hold them against natural images."""

from pathlib import Path

import pandas as pd

from tickle_core import devices, hashing, stage
from tickle_core.activations.store import open_store
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries import sae
from tickle_core.models import classifier
from tickle_core.visualization import analysis
from tickle_core.visualization.measuring import Subject


def main(run: stage.LayerRun) -> None:
    section, seed = run.params.features, run.params.seed
    model, dictionary = Path("data/model"), Path(f"data/sae/{run.alias}")
    module = run.params.layers[run.alias]
    subject = Subject(
        classifier=classifier.load(model, devices.prepare(run.params.device)),
        images=ImageSet.open(Path("data/dataset")),
        store=open_store(Path(f"data/activations/{run.alias}.zarr")),
        module=module,
        sae=sae.load(dictionary),
        latents=pd.read_parquet(dictionary / "latents.parquet"),
    )
    scratch = run.scratch(
        str(subject.classifier.device),
        {
            f"data/activations/{run.alias}.zarr": subject.store.content(),
            "data/dataset": [hashing.of_file(Path("data/dataset/table.parquet"))],
            "data/model": hashing.of_folder(model),
            str(dictionary): hashing.of_folder(dictionary),
        },
    )
    found = analysis.visualize(subject, section, seed, scratch)
    analysis.save(found, run.output_directory(f"data/features/{run.alias}"))
    run.write_metrics(found.metrics)


if __name__ == "__main__":
    stage.enter_layer("features", main)
