"""SAEs that differ in where they began: what they have in common, and how far they differ."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries import stability, training
from tickle_core.dictionaries.judging import Watched
from tickle_core.dictionaries.stream import Sample
from tickle_core.dictionaries.training import Trained

# Tokens whose latents are compared: those of whole images, as many as have so many.
COMPARED_TOKENS = 2**16
SPREAD = ("fvu", "accuracy_drop", "agreement", "kl")


class Seeds:
    """Watches a few SAEs on some of the held-out images, drawn at random.

    Memory: the active latents of COMPARED_TOKENS tokens, 12 bytes each, per SAE.

    Parameters
    ----------
    trained
        By name; all SAEs with the same recipe but for the seed.
    watched
        By name, these among others. They have just reconstructed each block that is added.
    """

    def __init__(
        self,
        trained: dict[str, Trained],
        watched: dict[str, Watched],
        store: ActivationStore,
        seed: int,
    ):
        self._trained, self._positions = trained, store.tokens.shape[1]
        self._watched = {name: watched[name] for name in trained}
        self._rng = np.random.default_rng(seed)
        ids = store.image_ids[store.test_rows]
        count = min(len(ids), max(1, COMPARED_TOKENS // self._positions))
        self._ids = self._rng.choice(ids, count, replace=False)
        self._codes: dict[str, list[csr_array]] = {name: [] for name in trained}

    def add(self, image_ids: np.ndarray) -> None:
        """Take a block of images."""
        tokens = np.repeat(np.isin(image_ids, self._ids), self._positions)
        for name, watched in self._watched.items():
            pattern = watched.codes.pattern
            entries = (watched.codes.values, pattern.columns.int(), pattern.offsets)
            size = (pattern.height, pattern.width)
            codes = csr_array(tuple(each.cpu().numpy() for each in entries), shape=size)
            self._codes[name].append(codes[tokens])

    def stability(self, sample: Sample) -> dict[str, Any] | None:
        """`stability.of_directions`, and `of_codes` as its `codes`; None where there is one SAE."""
        if len(self._trained) < 2:
            return None
        begun = [training.initial(sample, each.recipe).w_dec for each in self._trained.values()]
        directions = [each.sae.w_dec for each in self._trained.values()]
        found = stability.of_directions(directions, begun, sample.covariance, self._rng)
        codes = [vstack(parts, format="csr") for parts in self._codes.values()]
        enough = len(self._ids) > 1
        found["codes"] = stability.of_codes(codes, self._positions, self._rng) if enough else None
        return found

    def spread(self, judged: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """How far what `judging.judge` found of them differs, which no interval of one says."""
        found = [judged[name] for name in self._trained]
        return {
            key: stability.over_seeds([each[key]["value"] for each in found], len(found))
            for key in SPREAD
            if all(each[key] for each in found)
        }
