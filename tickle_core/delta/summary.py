"""What recovery comes to: shares of predictions that are back, beside rivals'."""

from typing import Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.delta.reading import Deltas
from tickle_core.delta.recovery import Key, Recovered

# Of what random latents change, by what the chosen ones change: outside, they are no null. Nor are
# they where on more than some images all others together fall short of it.
COMPARABLE = (0.8, 1.25)
MOST_SHORT = 0.1
COLUMNS = ["family", "rule", "units", "given_back", "value", "low", "high", "draws", "n"]
OUTCOMES = ["own", "became", "predicted", "count"]


def headline(
    judged: Deltas, found: Recovered, restored: int, units: int, seed: int
) -> dict[str, Any]:
    """Recovery by `restored` latents that other images chose.

    Returns
    -------
    dict
        `recovered`, its null random latents that change as much; `given_back`, the squared norm of
        what they change in parts of the perturbation's; and `rivals`: what the image itself (`own`,
        a best case) or two other classes (`stranger`) choose, and so many units of each other
        family as change as much. Of each, `recovered`, `given_back`, and by how much more the
        chosen latents recover (`beyond`), paired by image.
    """
    restored = min(restored, units)
    chosen = Key("latents", "chosen", restored)
    back = {key: each == judged.own for key, each in found.predicted.items()}
    draws = [key for key in back if (key.rule, key.units) == ("random", restored)]

    def reached(key: Key) -> dict[str, Any]:
        return {
            "recovered": statistics.proportion(int(back[key].sum()), len(judged)),
            "given_back": statistics.ratio_estimate(found.given_back[key], found.whole, seed),
        }

    result = reached(chosen)
    result["recovered"] |= _null(found, back, chosen, draws)
    rivals = {rule: Key("latents", rule, restored) for rule in ("own", "stranger")}
    rivals |= {key.family: key for key in back if key.rule == "as_much"}
    result["rivals"] = {
        name: reached(key)
        | {"beyond": statistics.mean_estimate(1.0 * back[chosen] - back[key], seed)}
        for name, key in rivals.items()
    }
    if result["recovered"]["null"] is not None:
        mean = np.mean([back[key] for key in draws], axis=0)
        result["beyond"] = statistics.mean_estimate(back[chosen] - mean, seed)
    return result


def _null(
    found: Recovered, back: dict[Key, np.ndarray], chosen: Key, draws: list[Key]
) -> dict[str, Any]:
    """What random latents bring back, if they change as much, also image by image."""
    if not draws:
        return {"null": None, "why": "all latents are given back: there are no others"}
    amount = np.mean([found.given_back[key] for key in draws], axis=0)
    own = np.maximum(found.given_back[chosen], np.finfo(float).tiny)
    ratio = amount.sum() / own.sum()
    if not COMPARABLE[0] <= ratio <= COMPARABLE[1]:
        return {"null": None, "why": f"random latents change {ratio:.2f} times as much"}
    short = (amount < COMPARABLE[0] * own).mean()
    if short > MOST_SHORT:
        return {"null": None, "why": f"random latents change less on {short:.0%} of the images"}
    return {"null": statistics.drawn([back[key].mean() for key in draws])}


def curve_rows(judged: Deltas, found: Recovered, seed: int) -> pd.DataFrame:
    """One row per family, rule and number of units: COLUMNS.

    `given_back` is the squared norm of what is changed in parts of the perturbation's, `value` the
    share of predictions that are back, with its interval; of several draws, their mean and range.
    """
    keys = sorted(found.predicted)
    rows = []
    for group in dict.fromkeys((key.family, key.rule, key.units) for key in keys):
        own = [key for key in keys if (key.family, key.rule, key.units) == group]
        shares = [float((found.predicted[key] == judged.own).mean()) for key in own]
        amounts = [found.given_back[key].sum() / found.whole.sum() for key in own]
        if len(own) > 1:
            ends = min(shares), max(shares)
        else:
            ends = statistics.proportion_interval(round(shares[0] * len(judged)), len(judged))
        rows.append((*group, np.mean(amounts), np.mean(shares), *ends, len(own), len(judged)))
    return pd.DataFrame(rows, columns=COLUMNS)


def outcome_rows(judged: Deltas, predicted: np.ndarray) -> pd.DataFrame:
    """own, became, predicted, count: what images are taken for after recovery."""
    table = pd.DataFrame({"own": judged.own, "became": judged.became, "predicted": predicted})
    counts = table.value_counts().rename("count").reset_index()
    return counts.sort_values(["own", "became", "predicted"], ignore_index=True)
