"""What attacks come to, in shares of images."""

from typing import Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.attacks.balls import LEVELS, Ball

NONE_RIGHT = "no image is classified correctly: there is nothing to attack"
NONE_FELL = "no image fell"
NOT_ITS_CLASSES = "no image's class is one of the model's: predictions are attacked"
ATTACKS = ("fgsm", "before_rounding", "pgd")


def of_ball(rows: pd.DataFrame, right: int, drawn: int) -> dict[str, Any]:
    """Success of each attack on the images that are attacked, and what robustness it leaves.

    Parameters
    ----------
    rows
        One per attacked image, with the columns ATTACKS and `noise`.
    right
        Images whose prediction is right, among them some that are not attacked: those that are of
        the target already.
    drawn
        All images.
    """
    found = {name: success(rows, name) for name in ATTACKS}
    robust, under_noise = (
        statistics.proportion(right - int(rows[name].sum()), drawn) for name in ("pgd", "noise")
    )
    return found | {"robust_accuracy": robust | {"null": under_noise}}


def success(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    """The share of attacked images whose goal is reached, beside that of noise."""
    if not len(rows):
        return {"value": None, "interval": None, "n": 0, "why": NONE_RIGHT, "null": None}
    found, null = (
        statistics.proportion(int(rows[each].sum()), len(rows)) for each in (name, "noise")
    )
    return found | {"null": null}


def size(clean: np.ndarray, images: dict[str, np.ndarray], seed: int) -> dict[str, Any]:
    """Sum of ||change|| over images in parts of that of ||image||, of each kind of perturbation.

    Parameters
    ----------
    clean, images
        (m, H, W, C) uint8, and by kind the same images perturbed.
    """
    if not len(clean):
        return {"value": None, "interval": None, "n": 0, "why": NONE_FELL, "null": None}
    whole = _norms(clean)
    found = {
        kind: statistics.ratio_estimate(_norms(each.astype(np.int16) - clean), whole, seed)
        for kind, each in images.items()
    }
    # A single image has no stranger.
    stranger = {"stranger": found["stranger"]} if len(clean) > 1 else {}
    return found["adversarial"] | {"null": found["noise"]} | stranger


def _norms(images: np.ndarray) -> np.ndarray:
    return np.linalg.norm(images.reshape(len(images), -1).astype(np.float64), axis=1)


def by_class(rows: pd.DataFrame) -> pd.DataFrame:
    """own, n, and the success of PGD on images of that class with its interval."""
    found = []
    for own, some in rows.groupby("own", sort=True):
        value, noise = (
            statistics.proportion(int(some[name].sum()), len(some)) for name in ("pgd", "noise")
        )
        low, high = value["interval"]
        found.append(
            {"own": own, "n": len(some), "value": value["value"], "low": low, "high": high}
            | {"noise": noise["value"]}
        )
    return pd.DataFrame(found, columns=["own", "n", "value", "low", "high", "noise"])


def flips(own: np.ndarray, became: np.ndarray) -> pd.DataFrame:
    """own, became, count: which class adversarial images are taken for."""
    table = pd.DataFrame({"own": own, "became": became})
    return table.value_counts().rename("count").reset_index().sort_values(["own", "became"])


def name_of(ball: Ball) -> str:
    """The radius as people write it."""
    return f"{round(ball.eps * LEVELS)}/{LEVELS}" if ball.norm == "linf" else f"{ball.eps:g}"
