"""What is noticed about the images of a folder while they are read, in sentences."""

from collections.abc import Sequence

import numpy as np

from tickle_core.datasets.image_set import RANGE_16BIT, Geometry, Split
from tickle_core.datasets.layout import GROUPS
from tickle_core.datasets.skipping import printable

NAMED = 3


def on_depth(highest: Sequence[int | None], geometry: Geometry) -> list[str]:
    """Whether 16-bit images leave their upper bits unused, so that few of 256 levels are left."""
    values = [value for value in highest if value is not None]
    if not values or geometry.range_16bit != RANGE_16BIT or max(values) >= 2**15:
        return []
    most = max(values)
    return [
        f"16-bit images ({len(values)}) have no value above {most:,}, which leaves "
        f"{(most >> 8) + 1} of 256 levels: for grey ones set dataset.range_16bit to "
        f"[0, {2 ** most.bit_length() - 1}]"
    ]


def on_near_copies(pairs: np.ndarray, splits: Sequence[Split], sources: Sequence[str]) -> list[str]:
    """How many images are nearly the same as others, and how many pairs the split parts."""
    if len(pairs) == 0:
        return []
    sides = np.asarray(splits)
    parted = int((sides[pairs[:, 0]] != sides[pairs[:, 1]]).sum())
    named = "; ".join(
        f"{printable(sources[one])} ~ {printable(sources[other])}" for one, other in pairs[:NAMED]
    )
    more = f"; and {len(pairs) - NAMED} more" if len(pairs) > NAMED else ""
    remedy = " (dataset.near_copies: together keeps them on one side)" if parted else ""
    return [
        f"pairs of images that are nearly the same ({len(pairs)}, of which {parted} on both sides "
        f"of the split{remedy}): {named}{more}"
    ]


def on_groups(
    sources: Sequence[str], splits: Sequence[Split], group_of: dict[str, str]
) -> list[str]:
    """How many images no group is known of, and how many groups a given split parts."""
    if not group_of:
        return []
    sides: dict[str, set[Split]] = {}
    for source, split in zip(sources, splits, strict=True):
        if source in group_of:
            sides.setdefault(group_of[source], set()).add(split)
    alone = sum(source not in group_of for source in sources)
    parted = sum(len(found) > 1 for found in sides.values())
    found = []
    if alone:
        found.append(f"images without a group in {GROUPS}: {alone}")
    if parted:
        found.append(f"groups on both sides of the split: {parted}")
    return found


def on_sides(
    class_names: Sequence[str], labels: Sequence[int], splits: Sequence[Split]
) -> list[str]:
    """Which classes one side of the split lacks."""
    found = []
    for side in ("train", "test"):
        there = {label for label, split in zip(labels, splits, strict=True) if split == side}
        lacking = [name for label, name in enumerate(class_names) if label not in there]
        if lacking:
            named = ", ".join(map(printable, lacking[:NAMED]))
            more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
            found.append(f"classes without a {side} image ({len(lacking)}): {named}{more}")
    return found
