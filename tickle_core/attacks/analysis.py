"""How far images are from other predictions: everything that the stage `attack` reports."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch

from tickle_core import statistics
from tickle_core.attacks import battery, controls, summary
from tickle_core.attacks.balls import Ball
from tickle_core.attacks.goals import Goal
from tickle_core.attacks.pgd import Network
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models import classes
from tickle_core.models.accuracy import batch_size
from tickle_core.models.classifier import Classifier
from tickle_core.models.pixels import of_pixels, pixels
from tickle_core.params.attack import Attack, Norm
from tickle_core.progress import progress

COLUMNS = ["norm", "eps", "image_id", "own", "fgsm", "before_rounding", "pgd", "noise", "became"]


@dataclass(frozen=True)
class Perturbed:
    """Adversarial images beside others that were changed as much.

    Attributes
    ----------
    image_ids
        (m,) of the clean images, ascending.
    own, became
        (m,) the model's class of each clean image, and of its adversarial one.
    images
        By kind (`controls.KINDS`), (m, H, W, C) uint8.
    """

    image_ids: np.ndarray
    own: np.ndarray
    became: np.ndarray
    images: dict[str, np.ndarray]


@dataclass(frozen=True)
class Analysed:
    """What attacks came to.

    Attributes
    ----------
    metrics
        JSON-ready. `images`: how many were `drawn`, of how many the class is `known` to the model,
        how many are `right` and `attacked`. `clean_accuracy`. By norm and radius, what
        `summary.of_ball` has. Of the attack that is studied, `success`, and the `size` of what it
        changes (`summary.size`).
    tables
        `attacks`: a row per ball and attacked image, with what came of each attack (after rounding
        to 8 bits, but for `before_rounding`), and the class that PGD's image is taken for, or -1.
        `classes` and `flips`: those of `summary`, of the attack that is studied.
    perturbed
        Images of that attack.
    """

    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    perturbed: Perturbed


@dataclass(frozen=True)
class Drawn:
    """Images (n,): the class that each should have among the model's, and what is predicted.

    Where the data set's class is none of the model's, the prediction stands for it, and `known`
    is false.
    """

    ids: np.ndarray
    own: np.ndarray
    known: np.ndarray
    predicted: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Whether the prediction is that class, (n,) bool."""
        return self.own == self.predicted


def analyse(
    classifier: Classifier, images: ImageSet, ids: np.ndarray, section: Attack, seed: int
) -> Analysed:
    """Attack those of some images that the model classifies correctly.

    Memory: a batch of images forth and back, three times the images that fall, and a row of
    numbers per image and ball.

    Parameters
    ----------
    ids
        (n,) of the image set, ascending.

    Raises
    ------
    TickleError
        If the target is no class of the model.
    """
    names = classifier.card["class_names"]
    wanted = section.target
    target = -1 if wanted is None else classes.place_of(wanted, names, "attack.target")
    drawn = _look(classifier, images, ids)
    attacked = np.flatnonzero(drawn.right & (drawn.own != target))
    studied = _studied(section)
    network, size = of_pixels(classifier, images), batch_size(images)
    tables, fallen = [_no_rows()], [images.read(ids[:0])]
    for start in progress(range(0, len(attacked), size), "attacking", "batch"):
        part = attacked[start : start + size]
        clean, own = images.read(ids[part]), drawn.own[part]
        for ball, rows, made in _attack(
            classifier, network, clean, own, target, section, [seed, start]
        ):
            tables.append(rows.assign(image_id=ids[part]))
            if ball == studied:
                fallen.append(made[rows["pgd"].to_numpy()])
    table = pd.concat(tables, ignore_index=True)[COLUMNS]
    own = _of(table, studied)
    adversarial = own[own["pgd"]]
    kept = adversarial["image_id"].to_numpy(np.int64)
    clean, made = images.read(kept), np.concatenate(fallen)
    perturbed = Perturbed(
        kept,
        adversarial["own"].to_numpy(np.int64),
        adversarial["became"].to_numpy(np.int64),
        {
            "adversarial": made,
            "noise": controls.of_noise(clean, made, seed),
            "stranger": controls.of_strangers(clean, made, seed),
        },
    )
    return Analysed(
        _metrics(drawn, table, section, len(attacked))
        | {"size": summary.size(clean, perturbed.images, seed)},
        {
            "attacks": table,
            "classes": summary.by_class(own),
            "flips": summary.flips(perturbed.own, perturbed.became),
        },
        perturbed,
    )


def _studied(section: Attack) -> Ball:
    """The ball that other stages look into, out of those that are listed."""
    norm, eps = section.studied.norm, section.studied.eps
    return Ball(norm, min(getattr(section, norm), key=lambda listed: abs(listed - eps)))


def _balls(section: Attack, norm: Norm) -> list[Ball]:
    return [Ball(norm, eps) for eps in sorted(getattr(section, norm))]


def _of(table: pd.DataFrame, ball: Ball) -> pd.DataFrame:
    return table[(table["norm"] == ball.norm) & (table["eps"] == ball.eps)]


def _no_rows() -> pd.DataFrame:
    kinds = {"norm": str, "eps": float, "image_id": np.int64, "own": np.int64, "became": np.int64}
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, bool)) for name in COLUMNS})


def _look(classifier: Classifier, images: ImageSet, ids: np.ndarray) -> Drawn:
    """What the model makes of the clean images."""
    size = batch_size(images)
    parts = [images.read(ids[start : start + size]) for start in range(0, len(ids), size)]
    predicted = np.concatenate([_classes(classifier, part) for part in parts])
    matches = classifier.card["classes_of_dataset"]
    of_label = np.array(
        [-1 if matches[name] is None else matches[name] for name in images.class_names]
    )
    own = of_label[images.table["label"].to_numpy()[ids]]
    return Drawn(ids, np.where(own < 0, predicted, own), own >= 0, predicted)


def _attack(
    classifier: Classifier,
    network: Network,
    clean: np.ndarray,
    own: np.ndarray,
    target: int,
    section: Attack,
    seeds: list[int],
) -> Iterator[tuple[Ball, pd.DataFrame, np.ndarray]]:
    """Every ball with what came of it on a batch: a row per image, and PGD's images."""
    device = classifier.device
    wanted = own if target < 0 else np.full_like(own, target)
    goal = Goal(torch.from_numpy(wanted).to(device), targeted=target >= 0)
    for norm in get_args(Norm):
        balls = _balls(section, norm)
        drawn = np.random.default_rng([*seeds, norm == "l2"]).integers(2**32, size=len(balls))
        for found in battery.attack(
            network, pixels(clean, device), goal, balls, section, drawn.tolist()
        ):
            made = found.pgd.images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
            # The network itself has the last word: folding batch norm changes its last bits.
            became = _classes(classifier, made)
            reached = became == target if target >= 0 else became != own
            rows = {
                "norm": norm,
                "eps": found.ball.eps,
                "own": own,
                "fgsm": found.fgsm.cpu().numpy(),
                "before_rounding": found.pgd.before_rounding.cpu().numpy() | reached,
                "pgd": reached,
                "noise": found.noise.cpu().numpy(),
                "became": np.where(reached, became, -1),
            }
            yield found.ball, pd.DataFrame(rows), made


def _classes(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """What the model predicts for a batch of images (n, H, W, C) uint8, (n,) int64."""
    with torch.inference_mode():
        return classifier.network(classifier.preprocess(images)).argmax(1).cpu().numpy()


def _metrics(drawn: Drawn, table: pd.DataFrame, section: Attack, attacked: int) -> dict[str, Any]:
    known, right = drawn.known, int(drawn.right.sum())
    clean: dict[str, Any] = {"value": None, "interval": None, "n": 0}
    clean |= {"why": summary.NOT_ITS_CLASSES}
    if known.any():
        clean = statistics.proportion(int((drawn.right & known).sum()), int(known.sum()))
    norms = {
        norm: {
            summary.name_of(ball): summary.of_ball(_of(table, ball), right, len(drawn.ids))
            for ball in _balls(section, norm)
        }
        for norm in get_args(Norm)
    }
    studied = _studied(section)
    return {
        "images": {
            "drawn": len(drawn.ids),
            "known": int(known.sum()),
            "right": right,
            "attacked": attacked,
        },
        "clean_accuracy": clean,
        "norms": norms,
        "success": norms[studied.norm][summary.name_of(studied)]["pgd"],
    }
