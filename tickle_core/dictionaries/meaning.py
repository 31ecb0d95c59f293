"""What latents have to do with classes or other concepts, on held-out images."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.stats import rankdata

# So many that every sum of ranks, taken twice and around their mean, is an integer of at most
# n^2 / 4 = 2^24 and exact in float32.
MOST_IMAGES = 8192
# A concept that fewer images have, or lack, is not looked for: its AUC would be mostly luck.
LEAST_IMAGES = 5
CHANCE = 0.05
BLOCK_BYTES = 64 * 2**20


def match(
    strengths: np.ndarray, membership: np.ndarray, names: list[str], shuffles: int, seed: int
) -> pd.DataFrame:
    """Each latent's best concept: the one whose images it ranks highest.

    AUC is the share of (member, other) pairs of images that the latent puts in the right order, a
    tie being half right: the Mann-Whitney statistic (Hanley & McNeil 1982). Its null is the best
    AUC of the same latent once the rows of the membership are shuffled together: concepts keep
    their sizes and overlaps, and the best of many is held against the best of as many.

    Temporaries stay near `BLOCK_BYTES`, besides copies of the membership, 8 bytes per image and
    shuffle, and 4 per latent and shuffle. Time grows with images * latents * shuffles * (1 +
    concepts of an image, on average): 2,000 images, 1,024 latents, 10 classes and 100 shuffles
    take half a second; 8,192 images, 6,144 latents and 1,000 classes under a minute.

    Parameters
    ----------
    strengths
        (n, m) float32, each latent's maximum over an image's positions; n at most `MOST_IMAGES`
        (`logistic.draw_rows` draws them so that classes keep their share).
    membership
        (n, c) bool, which concepts each image has; any number of them.
    names
        The c concepts.
    shuffles
        At least 19: with fewer, the null's largest value is exceeded by chance too often.

    Returns
    -------
    One row per latent: latent, best (name; of several the first), auc, auc_null (exceeded by chance
    by at most `CHANCE` of the latents). Where a latent is the same on all images, best is "" and
    both are NaN; so it is for all latents where no concept has `LEAST_IMAGES` with and without it.

    Raises
    ------
    ValueError
        If there are too many images or too few shuffles.
    """
    n, m = strengths.shape
    if n > MOST_IMAGES:
        raise ValueError(f"{n} images are more than {MOST_IMAGES}")
    if shuffles < 1 / CHANCE - 1:
        raise ValueError(f"{shuffles} shuffles tell nothing at a level of {CHANCE}")
    sizes = membership.sum(axis=0)
    eligible = np.flatnonzero(np.minimum(sizes, n - sizes) >= LEAST_IMAGES)
    best, auc, auc_null = np.full(m, "", object), np.full(m, np.nan), np.full(m, np.nan)
    fires = np.flatnonzero(np.ptp(strengths, axis=0)) if len(eligible) else np.array([], int)
    members = csr_array(membership[:, eligible].T, dtype=np.float32)
    pairs = (sizes * (n - sizes))[eligible, None]
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(n) for _ in range(shuffles)]
    step = max(1, BLOCK_BYTES // (40 * n))
    for start in range(0, len(fires), step):
        latents = fires[start : start + step]
        ranks = rankdata(strengths[:, latents], axis=0)
        ranks = (2 * ranks - (n + 1)).astype(np.float32)
        aucs = _aucs(members, ranks, pairs)
        best[latents] = np.asarray(names, object)[eligible[aucs.argmax(axis=0)]]
        auc[latents] = aucs.max(axis=0)
        null = [_aucs(members, ranks[order], pairs).max(axis=0) for order in orders]
        # The next of the null's values, not one in between: together with the true value they are
        # equally likely to be the largest.
        auc_null[latents] = np.quantile(null, 1 - CHANCE, axis=0, method="higher")
    return pd.DataFrame(
        {"latent": np.arange(m), "best": best.astype(str), "auc": auc, "auc_null": auc_null}
    )


def purity(top_images: pd.DataFrame, class_of_image: np.ndarray) -> pd.DataFrame:
    """The most frequent class among each latent's top images, and its share of them.

    Parameters
    ----------
    top_images
        latent, rank, image_id.
    class_of_image
        Names of the images' classes, by image id.

    Returns
    -------
    latent, top_class (of equally frequent ones the alphabetically first), purity; one row per
    latent that has top images.
    """
    top_class = class_of_image[top_images["image_id"].to_numpy()]
    counts = (
        pd.DataFrame({"latent": top_images["latent"].to_numpy(), "top_class": top_class})
        .value_counts()
        .rename("purity")
        .reset_index()
        .sort_values(["latent", "purity", "top_class"], ascending=[True, False, True])
    )
    counts["purity"] /= counts.groupby("latent")["purity"].transform("sum")
    return counts.drop_duplicates("latent").reset_index(drop=True)


def _aucs(members: csr_array, ranks: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """AUC of each concept and latent, (c, b).

    Parameters
    ----------
    members
        (c, n), 1 where an image has the concept.
    ranks
        (n, b) float32, of the images by each latent: twice their distance from the mean rank.
    pairs
        (c, 1), number of (member, other) pairs.
    """
    return 0.5 + (members @ ranks) / (2 * pairs)
