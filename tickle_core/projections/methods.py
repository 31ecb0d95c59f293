"""Maps of points onto a plane, to be looked at; nothing is ever measured or clustered on them.

pca          the two directions of largest variance
ica          of ten independent components of the ten directions of largest variance, the two
             farthest from Gaussian: two alone would be the same plane, turned
kernel_pca   principal components behind a Gaussian kernel as wide as the median distance, by
             landmarks (Nystroem): the full kernel would grow with the square of the points
tsne         t-SNE (Barnes-Hut)
umap         UMAP, on neighbours that are exact

Each is seeded, begins at principal components, and runs in one thread: the same bytes every time
on the same machine. Others differ in last bits, which t-SNE and UMAP turn into other pictures of
the same kind.
"""

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.manifold import TSNE

from tickle_core.geometry.coordinates import principal
from tickle_core.geometry.neighbours import nearest

COMPONENTS = 10  # that ICA looks at
LANDMARKS = 300
PERPLEXITY = 30.0
UMAP_NEIGHBOURS = 15
WARM_UP = 1e-4  # scale of a start, as t-SNE and UMAP want it


def pca(points: np.ndarray, seed: int) -> np.ndarray:
    """The first two principal components of centred points (n, d), (n, 2)."""
    return principal(points, 2)


def ica(points: np.ndarray, seed: int) -> np.ndarray:
    """The two of `COMPONENTS` independent components that are farthest from Gaussian."""
    count = min(COMPONENTS, np.linalg.matrix_rank(points))
    with warnings.catch_warnings():
        # It is shown how well the map preserves neighbours, converged or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        engine = FastICA(count, whiten="unit-variance", random_state=seed, max_iter=500)
        found = engine.fit_transform(principal(points, count))
    kurtosis = (found**4).mean(0) / (found**2).mean(0) ** 2 - 3
    chosen = np.argsort(-np.abs(kurtosis), kind="stable")[:2]
    return np.pad(found[:, chosen], ((0, 0), (0, 2 - len(chosen))))


def kernel_pca(points: np.ndarray, seed: int) -> np.ndarray:
    """Two principal components of features whose products are a Gaussian kernel's."""
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, len(points), (2, 2000))
    apart = np.median(np.square(points[one[one != other]] - points[other[one != other]]).sum(1))
    landmarks = min(LANDMARKS, len(points))
    engine = Nystroem(gamma=1 / apart, n_components=landmarks, random_state=seed)
    features = engine.fit_transform(points)
    return principal(features - features.mean(0), 2)


def tsne(points: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE of points, its start the first two principal components."""
    start = _start(points)
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    engine = TSNE(init=start.astype(np.float32), perplexity=perplexity, random_state=seed)
    return engine.fit_transform(points)


def umap(points: np.ndarray, seed: int) -> np.ndarray:
    """UMAP of points, its start the first two principal components."""
    import umap  # compiles for seconds as it is loaded, and serves this alone

    count = min(UMAP_NEIGHBOURS, len(points) - 1)
    near = nearest(points, count - 1)
    # It counts a point among its own neighbours.
    itself = np.arange(len(points))[:, None]
    known = (
        np.hstack([itself, near.indices]),
        np.hstack([np.zeros((len(points), 1)), near.distances]).astype(np.float32),
    )
    engine = umap.UMAP(
        n_neighbors=count,
        init=_start(points) / WARM_UP,
        precomputed_knn=known,
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "precomputed_knn")  # nothing new is to be mapped
        return engine.fit_transform(points)


def _start(points: np.ndarray) -> np.ndarray:
    found = pca(points, 0)
    return WARM_UP * found / found.std()


METHODS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "pca": pca,
    "ica": ica,
    "kernel_pca": kernel_pca,
    "tsne": tsne,
    "umap": umap,
}
