"""Make pictures of what one layer's units want, and hold them against natural images."""

import shutil
from pathlib import Path

import pandas as pd

from tickle_core import devices, stage
from tickle_core.activations.store import open_store
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries import sae
from tickle_core.models import classifier
from tickle_core.results import write_json
from tickle_core.visualization import analysis, scratch
from tickle_core.visualization.judging import Subject


def main(run: stage.Run) -> None:
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
    device = str(subject.classifier.device)
    kept = scratch.folder(
        subject.store,
        [run.code, str(seed), device, module, section.model_dump_json()],
        [
            model / classifier.WEIGHTS,
            model / classifier.CARD,
            dictionary / sae.WEIGHTS,
            dictionary / "latents.parquet",
            Path("data/dataset/table.parquet"),
        ],
    )
    found = analysis.visualize(subject, section, seed, kept)
    analysis.save(found, run.output_directory(f"data/features/{run.alias}"))
    write_json(run.output(f"reports/metrics/features/{run.alias}.json"), found.metrics)
    shutil.rmtree(kept)


if __name__ == "__main__":
    stage.enter("features", main, per_layer=True)
