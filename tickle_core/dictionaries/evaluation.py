"""Everything that is reported of the SAEs of a layer."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from tickle_core import logistic, streams
from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries import baselines, meaning, probing, training
from tickle_core.dictionaries.components import principal_components
from tickle_core.dictionaries.judging import Watched, judge
from tickle_core.dictionaries.latents import LatentStatistics, strongest
from tickle_core.dictionaries.recipe import MAIN
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stability import stability
from tickle_core.dictionaries.stream import Sample
from tickle_core.dictionaries.training import Trained
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress

SHUFFLES = 100  # of the labels, behind each latent's null
PROBE_IMAGES = 4000  # train images that the probe of latents is fitted on


@dataclass(frozen=True)
class Evaluation:
    """What held-out images say of the SAEs of a layer.

    Attributes
    ----------
    metrics
        JSON-ready: what `judging.judge` finds of the SAEs (`saes`, with their recipes and dead
        shares) and of the `baselines`; `stability`, `probe`, `classes`.
    latents
        Of the main SAE, one row per latent: density, mean, mean_square, max; top_class and
        purity of its top images; best_class, auc and auc_null.
    top_images
        Of the main SAE, one row per latent and rank: image_id, position (of the strongest
        token), value.
    """

    metrics: dict[str, Any]
    latents: pd.DataFrame
    top_images: pd.DataFrame


def evaluate(
    trained: dict[str, Trained],
    sample: Sample,
    store: ActivationStore,
    splice: Splice,
    top: int,
    seed: int,
) -> Evaluation:
    """Judge all SAEs of a layer and their baselines, and look closely at the main one.

    Parameters
    ----------
    trained
        By name; `recipe.MAIN` is among them.
    sample
        Train tokens, for the baselines.
    top
        How many of its strongest images are kept per latent.
    """
    main = trained[MAIN]
    others = baselines.fit(sample, main.recipe.k, main.recipe.latents, seed)
    watched = {name: Watched(each.sae, each.recipe.permuted) for name, each in trained.items()}
    statistics = LatentStatistics(main.recipe.latents, top, sample.mean.device)
    strengths = _Strengths(store, seed)

    def watch(image_ids: np.ndarray) -> None:
        strengths.add(image_ids, statistics.add(watched[MAIN].codes, image_ids))

    judged = judge(
        watched | {name: each.reconstruct for name, each in others.items()},
        store,
        splice,
        principal_components(sample),
        watch,
        seed,
    )
    found = judged.pop("dictionaries")
    tokens = judged["tokens"]
    table, classes = _meaning(statistics, strengths, splice, seed)
    metrics = judged | {
        "saes": {
            name: {
                **asdict(each.recipe),
                "steps": each.steps,
                **found[name],
                "dead_share": {
                    "value": float((~watched[name].fired).double().mean()),
                    "n": tokens,
                },
            }
            for name, each in trained.items()
        },
        "baselines": {
            name: {"components": each.components, **found[name]} for name, each in others.items()
        },
        "stability": _stability(trained, sample, seed),
        "probe": _probe(main.sae, store, strengths, seed),
        "classes": classes,
    }
    return Evaluation(metrics, table, statistics.top_images())


class _Strengths:
    """Each latent's maximum over the positions of held-out images: at most MOST_IMAGES of them."""

    def __init__(self, store: ActivationStore, seed: int):
        drawn = logistic.draw_rows(store.labels[store.test_rows], meaning.MOST_IMAGES, seed)
        self.rows = store.test_rows[drawn]
        self.ids = store.image_ids[self.rows]
        self._parts: list[np.ndarray] = []

    def add(self, image_ids: np.ndarray, strengths: torch.Tensor) -> None:
        """Take the strengths (b, latents) of b images, in ascending order of id."""
        self._parts.append(strengths.cpu().numpy()[np.isin(image_ids, self.ids)])

    def matrix(self) -> np.ndarray:
        """(n, latents), in the order of `rows`."""
        return np.concatenate(self._parts)


def _meaning(
    statistics: LatentStatistics, strengths: _Strengths, splice: Splice, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table of latents, with what they have to do with classes, and a summary of that."""
    images = splice.images
    names = np.asarray(images.class_names, dtype=object)
    labels = images.table["label"].to_numpy()
    membership = labels[strengths.ids][:, None] == np.arange(len(names))
    matched = meaning.match(strengths.matrix(), membership, list(names), SHUFFLES, seed)
    table = statistics.table().merge(
        meaning.purity(statistics.top_images(), names[labels]), on="latent", how="left"
    )
    table["top_class"] = table["top_class"].fillna("")
    table = table.merge(matched.rename(columns={"best": "best_class"}), on="latent")
    return table, meaning.summary(matched)


def _stability(trained: dict[str, Trained], sample: Sample, seed: int) -> dict[str, Any] | None:
    """How much of the main dictionary the first companion finds that began elsewhere."""
    main = trained[MAIN]
    for name, each in trained.items():
        if name != MAIN and each.recipe == replace(main.recipe, seed=each.recipe.seed):
            begun = [training.initial(sample, twin.recipe).w_dec for twin in (main, each)]
            return {
                **stability(main.sae.w_dec, each.sae.w_dec, seed),
                "before": stability(*begun, seed)["value"],
                "companion": name,
            }
    return None


def _probe(
    sae: SparseAutoencoder, store: ActivationStore, held_out: _Strengths, seed: int
) -> dict[str, Any] | None:
    train_rows = store.train_rows
    drawn = logistic.draw_rows(store.labels[train_rows], PROBE_IMAGES, seed)
    train_rows = train_rows[drawn]
    rows, parts = [], []
    chunks = streams.random_chunks(store.tokens, train_rows, np.random.default_rng(seed))
    for chunk_rows, content in progress(chunks, "latents of train images", "chunk"):
        tokens = torch.from_numpy(store.decode(content)).float().to(sae.b_enc.device)
        found, _ = strongest(sae.codes(tokens.flatten(0, 1)), len(tokens))
        rows.append(chunk_rows)
        parts.append(found.cpu().numpy())
    order = np.argsort(np.concatenate(rows))
    pooled = store.pooled()
    return probing.probe(
        np.concatenate(parts)[order],
        store.labels[train_rows],
        held_out.matrix(),
        store.labels[held_out.rows],
        pooled[train_rows],
        pooled[held_out.rows],
        seed,
    )
