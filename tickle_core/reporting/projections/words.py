"""Names and colours of the section on projections."""

import colorsys

METHODS = {
    "pca": "PCA",
    "ica": "ICA",
    "kernel_pca": "kernel PCA",
    "tsne": "t-SNE",
    "umap": "UMAP",
}
GOLDEN = 0.618033988749895  # hues that far apart stay apart, however many there are


def class_colors(count: int) -> list[str]:
    """A colour for each class; neighbours in number differ in hue and lightness."""
    found = []
    for place in range(count):
        lightness = (0.42, 0.58)[place % 2]
        parts = colorsys.hls_to_rgb(place * GOLDEN % 1, lightness, 0.65)
        found.append("#" + "".join(f"{round(255 * part):02x}" for part in parts))
    return found
