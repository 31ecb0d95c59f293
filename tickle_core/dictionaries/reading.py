"""What the classes of images have to do with latents, and with directions that nobody learnt."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from tickle_core import logistic, statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries import image_features, meaning, probing, sparse_probing
from tickle_core.dictionaries.image_features import LATENTS, ImageFeatures, random_names
from tickle_core.dictionaries.latents import LatentStatistics
from tickle_core.dictionaries.sparse_probing import Labels

SHUFFLES = 100  # of the labels, behind each latent's null
TRAIN_IMAGES = 4000  # that probes are fitted on, at most
TEST_IMAGES = 4096  # that features are held against classes on, at most
CHANNELS = "channels"
NO_AUC = f"no latent fires, or no class has {meaning.LEAST_IMAGES} images"


@dataclass(frozen=True)
class Read:
    """What was found.

    Attributes
    ----------
    metrics
        JSON-ready: `probe` (`probing.probe`), `classes` (`_classes`) and `sparse_probing`.
    latents
        One row per latent: the columns of `LatentStatistics.table`; top_class and purity of its
        top images; best_class, auc and auc_null.
    curve
        As `sparse_probing.probe` has it.
    """

    metrics: dict[str, Any]
    latents: pd.DataFrame
    curve: pd.DataFrame


class HeldOut:
    """Features of held-out images while blocks pass by: at most TEST_IMAGES of them.

    Memory: four bytes per image and feature, of which there are a few times the latents.
    """

    def __init__(self, features: ImageFeatures, store: ActivationStore, seed: int):
        drawn = logistic.draw_rows(store.labels[store.test_rows], TEST_IMAGES, seed)
        self.rows = store.test_rows[drawn]
        self.ids = store.image_ids[self.rows]
        self._features = features
        self._parts: dict[str, list[np.ndarray]] = {}

    def add(self, image_ids: np.ndarray, tokens: torch.Tensor, latents: torch.Tensor) -> None:
        """Take images in ascending order of id: their tokens, and the latents' maxima over them."""
        wanted = np.isin(image_ids, self.ids)
        there = torch.from_numpy(wanted).to(tokens.device)
        found = self._features.of_directions(tokens[there])
        for name, values in {LATENTS: latents[there].cpu().numpy(), **found}.items():
            self._parts.setdefault(name, []).append(values)

    def matrices(self) -> dict[str, np.ndarray]:
        """By name, (n, units), in the order of `rows`."""
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}


def read(
    held_out: HeldOut,
    features: ImageFeatures,
    seen: LatentStatistics,
    store: ActivationStore,
    labels: np.ndarray,
    class_names: list[str],
    seed: int,
) -> Read:
    """Hold latents and their rivals against the classes.

    Parameters
    ----------
    labels
        Of all images of the image set.
    """
    test = held_out.matrices()
    table = seen.table().merge(
        meaning.purity(seen.top_images(), np.asarray(class_names, object)[labels]),
        on="latent",
        how="left",
    )
    table["top_class"] = table["top_class"].fillna("")
    matched = {}
    membership = labels[held_out.ids][:, None] == np.arange(len(class_names))
    for name in (LATENTS, *random_names(), CHANNELS):
        matched[name] = meaning.match(test[name], membership, class_names, SHUFFLES, seed)
    table = table.merge(matched[LATENTS].rename(columns={"best": "best_class"}), on="latent")

    train_rows = store.train_rows
    train_rows = train_rows[logistic.draw_rows(store.labels[train_rows], TRAIN_IMAGES, seed)]
    train = image_features.read(features, store, train_rows, seed)
    of_train, of_test = store.labels[train_rows], store.labels[held_out.rows]
    chosen = sparse_probing.choose_classes(of_train, of_test)
    sparse, curve = sparse_probing.probe(train, test, Labels(of_train, of_test, chosen), seed)
    pooled = store.pooled()
    means = pooled[train_rows], pooled[held_out.rows]
    metrics = {
        "probe": probing.probe(train[LATENTS], of_train, test[LATENTS], of_test, *means, seed),
        "classes": _classes(matched, table, seen.top_images(), held_out, test, labels, seed),
        "sparse_probing": sparse,
    }
    return Read(metrics, table, curve)


def _classes(
    matched: dict[str, pd.DataFrame],
    table: pd.DataFrame,
    top_images: pd.DataFrame,
    held_out: HeldOut,
    test: dict[str, np.ndarray],
    labels: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """Do latents tell classes, and do random directions?

    Returns
    -------
    dict
        JSON-ready, each number with its n of latents that fire and with that of random directions
        as null: `telling_share` (of the latents, whose AUC exceeds what 95 % of shuffled labels
        allow for), `median_auc` of the latents' best classes, and `purity`, the mean share of the
        most frequent class among a latent's top images, over the latents that fire on enough to
        have all of these. `rivals`: the channels' median AUC, and what shuffled labels reach.
    """
    firing = {name: each.dropna(subset="auc") for name, each in matched.items()}
    random = [firing[name] for name in random_names()]
    ranks = int(top_images.groupby("latent").size().max()) if len(top_images) else 0
    full = top_images.groupby("latent").filter(lambda images: len(images) == ranks)["latent"]
    pure = table.loc[table["latent"].isin(full), "purity"].to_numpy(float)
    names = labels.astype(str)
    by_chance = [
        meaning.purity(_top_images(test[name], held_out.ids, ranks), names)["purity"].mean()
        for name in random_names()
    ]
    median = _median(firing[LATENTS]["auc"])
    if median["value"] is None:
        none = median | {"null": None}
        return {"telling_share": none, "median_auc": none, "purity": none, "rivals": {}}
    return {
        "telling_share": _telling(firing[LATENTS])
        | {"null": statistics.drawn([_telling(each)["value"] for each in random])},
        "median_auc": median
        | {"null": statistics.drawn([each["auc"].median() for each in random])},
        "purity": statistics.mean_estimate(pure, seed) | {"null": statistics.drawn(by_chance)},
        "rivals": {
            "channels": {"median_auc": _median(_better_sign(matched[CHANNELS]["auc"]))},
            "shuffled": {"median_auc": _median(firing[LATENTS]["auc_null"])},
        },
    }


def _telling(table: pd.DataFrame) -> dict[str, Any]:
    return statistics.proportion(int((table["auc"] > table["auc_null"]).sum()), len(table))


def _median(values: pd.Series) -> dict[str, Any]:
    if len(values) == 0:
        return {"value": None, "interval": None, "n": 0, "why": NO_AUC}
    return statistics.median_estimate(values.to_numpy())


def _better_sign(aucs: pd.Series) -> pd.Series:
    """Of features that come with both signs, one after the other, what the better one reaches."""
    return pd.Series(np.fmax(*aucs.to_numpy().reshape(2, -1))).dropna()


def _top_images(values: np.ndarray, ids: np.ndarray, count: int) -> pd.DataFrame:
    """The images (n,) on which each feature (n, units) is largest: latent, image_id."""
    order = np.argsort(-values, axis=0, kind="stable")[:count]
    units = np.broadcast_to(np.arange(values.shape[1]), order.shape)
    return pd.DataFrame({"latent": units.ravel(), "image_id": ids[order].ravel()})
