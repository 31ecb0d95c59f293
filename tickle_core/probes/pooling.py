"""What a pooled probe reads of an image: the mean over its tokens of one kind."""

import numpy as np

from tickle_core.activations.store import ActivationStore


def kinds(store: ActivationStore) -> list[str]:
    """The kinds of token of a layer: "patch", and what its prefix names ("class", "register")."""
    return ["patch", *dict.fromkeys(store.prefix)]


def by_kind(store: ActivationStore, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Activations of the images in the given ascending rows (n,): (n, channels) for each kind.

    Tokens are streamed.
    """
    prefix = np.array(store.prefix)
    means: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds(store)[1:]}
    if means:
        for _, tokens in store.token_blocks(rows):
            for kind, parts in means.items():
                of_kind = tokens[:, : len(prefix)][:, prefix == kind]
                parts.append(of_kind.mean(axis=1, dtype=np.float32))
    pooled = {kind: np.concatenate(parts) for kind, parts in means.items()}
    return {"patch": store.pooled()[rows]} | pooled
