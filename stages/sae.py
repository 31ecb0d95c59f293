"""Train a sparse autoencoder on one layer and judge it on held-out images."""

from pathlib import Path

from tickle_core import devices, stage
from tickle_core.activations.store import open_store
from tickle_core.dictionaries import evaluation, sae, training
from tickle_core.results import write_json


def main(run: stage.Run) -> None:
    section, seed = run.params.sae, run.params.seed
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    device = devices.prepare(run.params.device)
    dictionary = training.train(store, section, seed, device)
    judged = evaluation.evaluate(dictionary, store, section.top_images, seed, device)
    out = run.output_directory(f"data/sae/{run.alias}")
    sae.save(dictionary, out)
    judged.latents.to_parquet(out / "latents.parquet", index=False)
    judged.top_images.to_parquet(out / "top_images.parquet", index=False)
    write_json(run.output(f"reports/metrics/sae/{run.alias}.json"), judged.metrics)


if __name__ == "__main__":
    stage.enter("sae", main, per_layer=True)
