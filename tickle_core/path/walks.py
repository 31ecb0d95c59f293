"""What is found along the ways through one space."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch

from tickle_core.path import string
from tickle_core.path.along import Along, look
from tickle_core.path.landscape import score
from tickle_core.path.likeness import structural_similarity
from tickle_core.path.pairs import Pairs
from tickle_core.path.spaces import Sight, Space, as_images
from tickle_core.path.switches import switches
from tickle_core.path.ways import Lines
from tickle_core.progress import progress

POINTS = 25  # of a way that are looked at closely, both ends included
STRIP = 9  # of these, in the report


@dataclass
class Walked:
    """Rows of tables, and images, of all ways through a space.

    Attributes
    ----------
    paths, profiles, switches
        As `analysis.Analysed` has them.
    strips
        By way and pair, images (STRIP, H, W, C) uint8; of pixels.
    """

    paths: list[dict[str, Any]] = field(default_factory=list)
    profiles: list[pd.DataFrame] = field(default_factory=list)
    switches: list[pd.DataFrame] = field(default_factory=list)
    strips: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)


def walk(
    space: Space,
    nodes: dict[str, Lines],
    chosen: Pairs,
    ids: np.ndarray,
    parts: int,
) -> Walked:
    """Score every way, and look at points of it.

    Parameters
    ----------
    nodes
        By way, for each pair its nodes.
    ids
        (p, 2) images of the set, of the pairs.
    """
    found = Walked()
    ways = [
        (way, pair, each) for way, several in nodes.items() for pair, each in enumerate(several)
    ]
    for way, pair, line in progress(ways, f"ways through {space.name}", "way", total=len(ways)):
        if line is None:
            continue
        head = {"space": space.name, "way": way, "pair": pair}
        points = string.spread(line[None], POINTS - 1)[0]
        at = np.linspace(0, 1, POINTS)
        sight = space.look(points, pair)
        seen = look(sight.logits, at, chosen.classes[pair])
        scored = score(space.landscape, line, pair, parts)
        first, last = chosen.classes[pair].tolist()
        row = head | {"first": first, "last": last}
        row |= {"first_id": ids[pair, 0], "last_id": ids[pair, 1] if way != "attack" else -1}
        row |= {name: getattr(scored, name) for name in ("cost", "rise", "excess", "length")}
        row |= {name: getattr(seen, name) for name in ("barrier", "flip", "overshoot")}
        if space.name == "pixels":
            row |= _at_flip(points, seen)
            images = as_images(points)
            found.strips[way, pair] = images[:: (POINTS - 1) // (STRIP - 1)]
            found.switches.append(switches(sight.peaks, at).assign(way=way, pair=pair))
        found.paths.append(row)
        found.profiles.append(_profile(head, at, seen, sight))
    return found


def _at_flip(points: torch.Tensor, seen: Along) -> dict[str, float]:
    """How much an image has changed where the prediction first changes, or at the end."""
    left = np.flatnonzero(seen.predicted != seen.predicted[0])
    place = int(left[0]) if len(left) else len(points) - 1
    start, there = points[:1], points[place : place + 1]
    alike = structural_similarity(start, there)
    return {"largest": float((there - start).abs().max()), "unlike": float(1 - alike)}


def _profile(head: dict[str, Any], at: np.ndarray, seen: Along, sight: Sight) -> pd.DataFrame:
    columns = {
        "step": np.arange(len(at)),
        "at": at,
        "difference": seen.difference,
        "others": seen.others,
        "predicted": seen.predicted,
        "pooled": list(sight.pooled),
    }
    return pd.DataFrame(head | columns)
