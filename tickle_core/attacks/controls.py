"""Images that are changed as much as adversarial ones, by nothing that the network asked for."""

import numpy as np

KINDS = ("adversarial", "noise", "stranger")
WHITE = 255


def of_noise(clean: np.ndarray, adversarial: np.ndarray, seed: int) -> np.ndarray:
    """Clean images (m, H, W, C) with the changes of the adversarial ones at any other pixels.

    Signs are random; where a pixel would leave the valid range, it changes the other way, so that
    noise is no smaller in any norm, but for what leaves the range either way.
    """
    rng = np.random.default_rng([seed, 0])
    changes = np.abs(adversarial.astype(np.int16) - clean)
    changes = changes.reshape(len(clean), int(np.prod(clean.shape[1:])))
    changes = rng.permuted(changes, axis=1).reshape(clean.shape)
    changes *= rng.choice(np.array([-1, 1], np.int16), clean.shape)
    moved = clean + changes
    moved = np.where((moved < 0) | (moved > WHITE), clean - changes, moved)
    return moved.clip(0, WHITE).astype(np.uint8)


def of_strangers(clean: np.ndarray, adversarial: np.ndarray, seed: int) -> np.ndarray:
    """Clean images with the changes of another one's adversarial image."""
    order = np.random.default_rng([seed, 1]).permutation(len(clean))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)
    changes = adversarial.astype(np.int16) - clean
    return (clean + changes[other]).clip(0, WHITE).astype(np.uint8)
