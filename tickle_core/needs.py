"""What params.yaml asks for, held against what there is: before any work, in lower bounds.

Memory that a stage takes, if there are images enough to fill it, is worked out from the shapes of
layers, and images that a stage cannot do without are counted. What passes may still be too much for
a machine.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import psutil

from tickle_core.datasets import image_set
from tickle_core.datasets.concept_sets import definition, members
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.params.schema import Params

FLOAT = 4  # bytes
ENTRY = 8 + FLOAT  # an image id and a value
LEAST_TRAIN = members.LEAST_TRAIN
LEAST_TEST = 4  # one half chooses units, the other half judges them
GIB = 2**30


def require_memory(
    params: Params, image: Sequence[int], layers: Mapping[str, Sequence[int]]
) -> None:
    """Refuse values for which the machine has too little memory.

    Parameters
    ----------
    image
        Shape (1, C, H, W) of one image.
    layers
        Shape of each layer's output for one image, by alias.

    Raises
    ------
    TickleError
        Naming all of them, and what each would take at least.
    """
    there = psutil.virtual_memory().total
    problems = [
        f"{key} is {value:,}, which takes {need / GIB:,.1f} GiB of memory or more"
        for key, value, need in _memory(params, image, layers)
        if need > there
    ]
    if problems:
        raise TickleError(
            f"{'; '.join(problems)}; this machine has {there / GIB:.1f} GiB: lower what is named"
        )


def _memory(
    params: Params, image: Sequence[int], layers: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, int, int]]:
    """Values by key, and the bytes that each takes."""
    per_image = FLOAT * (_size(image) + sum(_size(shape) for shape in layers.values()))
    if params.model.source == "train":
        yield "model.batch_size", params.model.batch_size, params.model.batch_size * per_image
    yield "extract.batch_size", params.extract.batch_size, params.extract.batch_size * per_image
    yield "features.batch_size", params.features.batch_size, params.features.batch_size * per_image
    yield "extract.shard_mib", params.extract.shard_mib, params.extract.shard_mib * 2**20
    sae = params.sae
    yield "sae.buffer_mib", sae.buffer_mib, sae.buffer_mib * 2**20
    for alias, shape in layers.items():
        # Of (N, T, C) and of (N, H, W, C), whose sides are equal, channels come last.
        d = shape[-1] if len(shape) == 3 or (len(shape) == 4 and shape[1] == shape[2]) else shape[1]
        own = sae.layers.get(alias)
        latents = (own.latents if own else None) or sae.latents
        seeds = (own.seeds if own else None) or sae.seeds
        # Encoder and decoder, each with its gradient and Adam's two moments.
        weights = FLOAT * 4 * 2 * d * latents
        yield f"sae.latents ({alias})", latents, weights
        yield f"sae.seeds ({alias})", seeds, seeds * weights
        yield f"sae.batch_size ({alias})", sae.batch_size, FLOAT * sae.batch_size * d
        yield f"sae.top_images ({alias})", sae.top_images, ENTRY * sae.top_images * latents


def _size(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def require_images(params: Params, images: ImageSet) -> None:
    """Refuse an image set that is too small for what params.yaml asks for.

    Raises
    ------
    TickleError
        Saying how many distinct images there are, and how many are needed for what.
    """
    extract, seed = params.extract, params.seed
    train = image_set.draw(images.table, "train", extract.train_images, seed)
    test = image_set.draw(images.table, "test", extract.test_images, seed)
    for ids, kind, least, what in (
        (train, "to learn from", LEAST_TRAIN, "the analyses"),
        (test, "held out", LEAST_TEST, "ablation, where one half chooses and one half judges,"),
        (test, "held out", params.dimension.blocks, "the groups of dimension.blocks"),
    ):
        if len(ids) < least:
            raise TickleError(
                f"of the distinct images {len(ids)} are {kind}, and {what} need {least}: add "
                "images, change dataset.test_share or the numbers under extract, or lower what is "
                "named"
            )
    path = definition.file_of(params.concepts.sets)
    lacking = members.lacking(definition.read(path), images, np.concatenate([train, test]))
    if lacking:
        raise TickleError(
            f"concepts.sets is {params.concepts.sets!r}: {'; '.join(lacking)}: add images, or "
            "choose a set of other concepts (data/concepts)"
        )
