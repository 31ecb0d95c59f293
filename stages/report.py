"""Write the report: a page to explore, with its figures, tables and curves."""

from pathlib import Path

import numpy as np

from tickle_core import stage
from tickle_core.activations.store import open_store
from tickle_core.dictionaries import heatmaps, sae
from tickle_core.reporting import findings, page


def main(run: stage.Run) -> None:
    settings = findings.Settings(
        seed=run.params.seed,
        dataset=run.params.dataset,
        model=run.params.model,
        layers=run.params.layers,
        extract=run.params.extract,
        sae=run.params.sae,
        features=run.params.features,
        circuits=run.params.circuits,
        probes=run.params.probes,
        dimension=run.params.dimension,
        report=run.params.report,
    )
    page.write(
        findings.read(Path("data"), Path("reports/metrics"), settings),
        heat_maps,
        run.output("reports/index.html"),
        run.output_directory("reports/figures"),
        run.output_directory("reports/tables"),
        run.output_directory("reports/plots"),
    )


def heat_maps(alias: str, image_ids: np.ndarray, latents: np.ndarray) -> np.ndarray:
    dictionary = sae.load(Path("data/sae") / alias)
    store = open_store(Path(f"data/activations/{alias}.zarr"))
    return heatmaps.heat_maps(dictionary, store, image_ids, latents)


if __name__ == "__main__":
    stage.enter("report", main)
