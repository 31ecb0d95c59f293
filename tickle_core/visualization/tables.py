"""The tables that the stage `features` writes; `analysis.Visualization` says what is in them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tickle_core.maximization.objectives import Objective
from tickle_core.visualization import roads
from tickle_core.visualization.measuring import Measured, Noise
from tickle_core.visualization.natural import Extremes, Natural
from tickle_core.visualization.roads import Roads


def pictures(
    objectives: Sequence[Objective],
    class_names: Sequence[str],
    found: Natural,
    measured: Measured,
    noise: Noise,
    compared: Sequence[Roads],
) -> pd.DataFrame:
    """One row per picture, those of a unit one after the other."""
    copies = measured.scores.shape[1]
    every = [(each, copy) for each in objectives for copy in range(copies)]
    other = [
        None if each.other is None else bool(each.other[copy])
        for each in compared
        for copy in range(copies)
    ]
    per_unit = {
        "natural_best": found.most.scores[0].astype(np.float64),
        "natural_high": found.high,
        "natural_median": found.median,
        "natural_maximum": found.maximum,
        "natural_mean": found.mean,
        "noise_mean": noise.scores.mean(0),
        "noise_max": noise.scores.max(0),
        "noise_fires": noise.fires,
    }
    return pd.DataFrame(
        {
            "family": [each.family for each, _ in every],
            "unit": [each.unit for each, _ in every],
            "name": [class_names[o.unit] if o.family == "logit" else "" for o, _ in every],
            "copy": [copy for _, copy in every],
            "file": [f"{each.family}-{each.unit}-{copy}.png" for each, copy in every],
            "position": measured.positions.ravel(),
            "score": measured.scores.ravel().astype(np.float64),
            "maximum": measured.maxima.ravel().astype(np.float64),
            "mean": measured.means.ravel().astype(np.float64),
            **{name: values.repeat(copies) for name, values in per_unit.items()},
            "fires": measured.fires.ravel(),
            "similarity": measured.similarity.ravel().astype(np.float64),
            "to_others": measured.to_others.ravel().astype(np.float64),
            "angle": np.concatenate([each.angle for each in compared]),
            "angle_natural": np.repeat([each.angle_natural for each in compared], copies),
            "other_road": pd.Series(other, dtype=object),
        }
    )


def roads_before(objectives: Sequence[Objective], compared: Sequence[Roads]) -> pd.DataFrame:
    """One row per picture and layer before."""
    natural = ["natural_low", "natural_mean", "natural_high", "natural_images"]
    columns = ["layer", "angle", *natural, "best_mean"]
    rows = [
        {"family": unit.family, "unit": unit.unit, "copy": copy, **row}
        for unit, each in zip(objectives, compared, strict=True)
        for copy in range(len(each.angle))
        for row in roads.rows(each, copy)
    ]
    return pd.DataFrame(rows, columns=["family", "unit", "copy", *columns])


def natural_images(objectives: Sequence[Objective], found: Natural) -> pd.DataFrame:
    """One row per unit, side (most, least) and rank."""
    sides = [("most", found.most), ("least", found.least)]
    return pd.concat(
        [
            _side(unit, side, i, extremes)
            for i, unit in enumerate(objectives)
            for side, extremes in sides
        ],
        ignore_index=True,
    )


def _side(unit: Objective, side: str, i: int, extremes: Extremes) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "family": unit.family,
            "unit": unit.unit,
            "side": side,
            "rank": np.arange(len(extremes.scores)),
            "image_id": extremes.image_ids[:, i],
            "position": extremes.positions[:, i],
            "score": extremes.scores[:, i].astype(np.float64),
        }
    )
