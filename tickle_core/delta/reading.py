"""Adversarial images and their controls in one layer, each beside its clean image."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.models.accuracy import batch_size
from tickle_core.models.splicing import Splice

MOST_TOKENS = 2**15  # of a batch: each takes a few numbers per latent


@dataclass(frozen=True)
class Batch:
    """A few images: their places, and tokens (b, positions, d) of each kind, `clean` among them."""

    places: np.ndarray
    ids: np.ndarray
    own: torch.Tensor
    became: torch.Tensor
    tokens: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Deltas:
    """Images of which there is an adversarial one.

    Attributes
    ----------
    ids
        (n,) of the clean images, in the image set.
    own, became
        (n,) what the network predicts for either.
    tokens
        By kind (`clean`, and those of `attacks.controls`), (n, positions, d), as wide as stored.
    """

    store: ActivationStore
    splice: Splice
    ids: np.ndarray
    own: np.ndarray
    became: np.ndarray
    tokens: dict[str, np.ndarray]

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.ids)

    def only(self, rows: np.ndarray) -> "Deltas":
        """Some of them."""
        return Deltas(
            self.store,
            self.splice,
            self.ids[rows],
            self.own[rows],
            self.became[rows],
            {kind: each[rows] for kind, each in self.tokens.items()},
        )

    def batches(self, *kinds: str) -> Iterator[Batch]:
        """Tokens of the kinds asked for as float32 on the network's device, a batch at a time."""
        size = max(1, min(batch_size(self.splice.images), MOST_TOKENS // self.positions))
        device = self.splice.classifier.device
        for start in range(0, len(self), size):
            places = np.arange(start, min(start + size, len(self)))
            tokens = {
                kind: torch.from_numpy(self.tokens[kind][places]).to(device).float()
                for kind in kinds
            }
            own, became = (
                torch.from_numpy(each[places]).to(device) for each in (self.own, self.became)
            )
            yield Batch(places, self.ids[places], own, became, tokens)

    @property
    def positions(self) -> int:
        """Tokens of an image."""
        return self.store.tokens.shape[1]


def read(
    store: ActivationStore,
    perturbed: ActivationStore,
    table: pd.DataFrame,
    splice: Splice,
    most: int,
    seed: int,
) -> Deltas:
    """Read at most so many images, drawn at random. Memory: their stored tokens, of each kind.

    Parameters
    ----------
    table
        kind, image_id, own, became: of the rows of `perturbed`, each kind in the same order.
    """
    first = table[table["kind"] == table["kind"].iloc[0]] if len(table) else table
    count = len(first)
    order = np.random.default_rng([seed, 0]).permutation(count)[:most]
    chosen = first.iloc[np.sort(order)]
    ids = chosen["image_id"].to_numpy(np.int64)
    tokens = {"clean": _tokens(store, np.searchsorted(store.image_ids, ids))}
    for kind, rows in table.groupby("kind", sort=False):
        tokens[str(kind)] = _tokens(perturbed, rows.index.to_numpy()[np.sort(order)])
    own, became = (chosen[name].to_numpy(np.int64) for name in ("own", "became"))
    return Deltas(store, splice, ids, own, became, tokens)


def _tokens(store: ActivationStore, rows: np.ndarray) -> np.ndarray:
    """Those of ascending rows, (n, positions, d)."""
    found = [tokens for _, tokens in store.token_blocks(rows)]
    return np.concatenate(found) if found else np.empty((0, *store.tokens.shape[1:]), np.float32)


@torch.no_grad()
def as_attacked(deltas: Deltas) -> np.ndarray:
    """Whether the tail makes of stored activations what the network made of images, (n,) bool.

    Half precision may lead back what is hardly beyond the boundary.
    """
    found = []
    for batch in deltas.batches("clean", "adversarial"):
        clean, adversarial = (
            deltas.splice.logits(batch.tokens[kind], batch.ids).argmax(1)
            for kind in ("clean", "adversarial")
        )
        found.append(((clean == batch.own) & (adversarial == batch.became)).cpu().numpy())
    return np.concatenate(found) if found else np.empty(0, bool)
