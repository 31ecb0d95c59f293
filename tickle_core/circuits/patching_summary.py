"""What patching comes to: shares of the way beside those of rivals, and a table of classes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.circuits import shares
from tickle_core.circuits.pairing import ImagesByClass, Pairs
from tickle_core.circuits.plans import PatchPlan

Key = tuple[str, str, int]  # kind, rule, draw

# Whose influence stands as the null of a kind's: the same rule where there is nothing to find.
NULL = {
    "layer": (),
    "positions": ("stranger", "matched"),
    "channels": ("random",),
    "latents": ("random",),
    "direction": ("stranger",),
}
RULES = ("best_case", "stranger", "matched", "random", "basis")
# Of what matched parts change, by what the chosen ones change: outside, they are no null.
COMPARABLE = (0.8, 1.25)
WHOLE = "all of the layer is the donor's: 1 by construction"
CELLS = ["kind", "donor", "target", "pairs", "influence", "flipped", "replaced"]


@dataclass(frozen=True)
class Patching:
    """What patching a layer does.

    Attributes
    ----------
    metrics
        JSON-ready, see `summarize`; where nothing can be patched only `why`.
    cells
        kind, donor, target (names of classes), pairs, and the influence, flipped and replaced
        share of the chosen parts.
    """

    metrics: dict[str, Any]
    cells: pd.DataFrame


@dataclass(frozen=True)
class Patched:
    """What patching did to some pairs.

    Attributes
    ----------
    way
        (pairs,) LD of the donor - LD of the target.
    difference
        (pairs,) squared distance of their tokens.
    outcomes
        By kind, rule and draw: (pairs, 3), by how much LD rose, whether the prediction became the
        donor's class, and the squared norm of what was replaced.
    """

    way: np.ndarray
    difference: np.ndarray
    outcomes: dict[Key, np.ndarray]

    def draws(self, kind: str, rule: str) -> list[np.ndarray]:
        """The outcomes of one rule, as often as it was drawn."""
        return [each for key, each in self.outcomes.items() if key[:2] == (kind, rule)]

    def mean(self, kind: str, rule: str) -> np.ndarray:
        """The same on average, of a rule that was tried."""
        return np.mean(self.draws(kind, rule), axis=0)


def nothing(why: str) -> Patching:
    """Where there are no pairs."""
    return Patching({"why": why}, pd.DataFrame(columns=CELLS))


def summarize(
    plans: list[PatchPlan],
    judged: Patched,
    images: ImagesByClass,
    choice: Pairs,
    pairs: Pairs,
    names: list[str],
    seed: int,
) -> Patching:
    """Influence, flipped predictions and replaced share of each kind, and of its rivals.

    Returns
    -------
    Patching
        Its metrics: `choosing` and `judging`, how many images chose the parts and were patched
        between; `pairs` of the latter; and by kind, `patched` of the `of` parts; `influence` with
        its null, `flipped` (the share of predictions that become the donor's class) and `replaced`
        (of the squared difference of donor and target, how much); and `rivals`: by rule, their
        `influence` (a range where they were drawn several times) and `replaced` share, and by how
        much the kind's influence is `beyond` it, paired. Matched parts that change more or less
        than COMPARABLE are no rival, and `why` says so.
    """
    chosen = {plan.kind: plan for plan in plans if "chosen" in plan.sets}
    metrics = {
        "choosing": len(np.unique(choice.donor)),
        "judging": len(np.unique(pairs.donor)),
        "pairs": len(pairs.donor),
        "kinds": {
            kind: {
                "patched": int(plan.sets["chosen"][0].sum()),
                "of": len(plan.parts) if kind != "direction" else images.tokens.shape[2],
                **_of_kind(kind, judged, images, pairs, seed),
            }
            for kind, plan in chosen.items()
        },
    }
    cells = [_cells(kind, judged, images, pairs, names) for kind in chosen]
    return Patching(metrics, pd.concat(cells, ignore_index=True))


def _of_kind(
    kind: str, judged: Patched, images: ImagesByClass, pairs: Pairs, seed: int
) -> dict[str, Any]:
    def share(above: np.ndarray, below: np.ndarray) -> dict[str, Any]:
        return shares.estimate(images, pairs, above, below, seed)

    def reached(rule: str, column: int, below: np.ndarray) -> dict[str, Any]:
        draws = [each[:, column] for each in judged.draws(kind, rule)]
        if len(draws) == 1:
            return share(draws[0], below)
        return statistics.drawn([each.sum() / below.sum() for each in draws])

    each_pair = np.ones(len(judged.way))
    chosen = judged.mean(kind, "chosen")
    rivals = {}
    for rule in RULES:
        if not judged.draws(kind, rule):
            continue
        outcome = judged.mean(kind, rule)
        found = {"influence": reached(rule, 0, judged.way)}
        if rule != "best_case":
            found["beyond"] = share(chosen[:, 0] - outcome[:, 0], judged.way)
        ratio = outcome[:, 2].sum() / max(chosen[:, 2].sum(), np.finfo(float).tiny)
        if rule == "matched" and not COMPARABLE[0] <= ratio <= COMPARABLE[1]:
            why = f"on the judging images they change {ratio:.2f} times as much"
            found = {key: _none(each["n"], why) for key, each in found.items()}
        rivals[rule] = found | {"replaced": share(outcome[:, 2], judged.difference)}
    told = [rule for rule in NULL[kind] if rule in rivals and _value(rivals[rule]) is not None]
    influence, flipped = share(chosen[:, 0], judged.way), share(chosen[:, 1], each_pair)
    if told:
        influence["null"] = rivals[told[0]]["influence"]
        flipped["null"] = reached(told[0], 1, each_pair)
    else:
        why = WHOLE if kind == "layer" else "no other parts to choose that change as much"
        for each in (influence, flipped):
            each |= {"null": None, "why": each.get("why", why)}
    return {
        "influence": influence,
        "flipped": flipped,
        "replaced": share(chosen[:, 2], judged.difference),
        "rivals": rivals,
    }


def _value(rival: dict[str, Any]) -> float | None:
    return rival["influence"]["value"]


def _none(n: int, why: str) -> dict[str, Any]:
    return {"value": None, "interval": None, "n": n, "why": why}


def _cells(
    kind: str, judged: Patched, images: ImagesByClass, pairs: Pairs, names: list[str]
) -> pd.DataFrame:
    """A row per ordered pair of classes; influence is no number where there is no way to go."""
    moved, flipped, replaced = judged.mean(kind, "chosen").T
    columns = {
        "cell": pairs.cell,
        "pairs": 1,
        "moved": moved,
        "way": judged.way,
        "flipped": flipped,
        "replaced": replaced,
        "difference": judged.difference,
    }
    sums = pd.DataFrame(columns).groupby("cell").sum()
    donor, target = images.cells[sums.index].T
    found = {
        "kind": kind,
        "donor": np.take(names, donor),
        "target": np.take(names, target),
        "pairs": sums["pairs"],
        "influence": sums["moved"] / sums["way"].where(sums["way"] > 0),
        "flipped": sums["flipped"] / sums["pairs"],
        "replaced": sums["replaced"] / sums["difference"].where(sums["difference"] > 0),
    }
    return pd.DataFrame(found, columns=CELLS).reset_index(drop=True)
