"""Activation patching: what of a donor image moves the model from the target's class to its own.

Parts of the target's activations are replaced by the donor's, and the tail runs on from there.
With LD = logit of the donor's class - logit of the target's class,

    influence = (LD of the patched - LD of the target) / (LD of the donor - LD of the target)

is 0 where nothing changes and 1 where the network goes all the way. Which parts are replaced, the
gradient at the target says (attribution patching; Syed et al. 2023, arXiv:2310.10348); what they
do is then measured by running the tail.
"""

from typing import Any

import numpy as np
import torch

from tickle_core import params
from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import kinds as ways
from tickle_core.circuits import pairs as pairing
from tickle_core.circuits.kinds import Batch, Kind
from tickle_core.circuits.pairs import Pairs
from tickle_core.circuits.sites import find_sites
from tickle_core.circuits.units import Units
from tickle_core.models.judging import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress

BATCH_TOKENS = 2**15  # of targets at once: their latents take some 30 bytes each
VARIES = 1e-12  # of the mean square: less variance than this is rounding


def patch(
    families: dict[str, Units],
    store: ActivationStore,
    splice: Splice,
    section: params.Circuits,
    seed: int,
) -> dict[str, Any] | None:
    """Patch held-out images between the predicted classes in five ways.

    Shares of the way are ratios of sums over pairs. Memory: what `pairs.draw_pairs` and `run`
    take, and a direction of the layer per pair.

    Parameters
    ----------
    families
        `channels` and `latents`, on the device of the network.

    Returns
    -------
    dict or None
        JSON-ready: `classes`, `pairs`, `pairs_by_class` (what each cell of `matrix` is of) and, by
        kind, `patched`, `of`, `influence`, `flipped` (the
        share of predictions that become the donor's class), `effect_size` (Cohen's d of the
        pairs' influence against the null's), `null` and `matrix` (influence; rows are donor
        classes, columns target classes). None where the model predicts a single class.
    """
    pairs = pairing.draw_pairs(store, section.classes, section.pairs, seed)
    if pairs is None:
        return None
    kinds = kinds_of_patching(families, store, pairs, section, splice.classifier.device, seed)
    found = run(kinds, store, splice, pairs)
    names = splice.classifier.card["class_names"]
    return {
        "classes": [names[each] for each in pairs.classes],
        "pairs": len(pairs.target),
        "pairs_by_class": _pairs_by_class(pairs),
        "kinds": {
            name: {"patched": kind.patched, "of": kind.of, **_summary(name, found, pairs, seed)}
            for name, kind in kinds.items()
        },
    }


def kinds_of_patching(
    families: dict[str, Units],
    store: ActivationStore,
    pairs: Pairs,
    section: params.Circuits,
    device: torch.device,
    seed: int,
) -> dict[str, Kind]:
    """The kinds of patching: layer, positions, channels, direction, latents.

    Positions are joined to sites; of sites and units, those that the screen finds to move LD
    furthest towards the donor are replaced, units at all positions. The direction is that between
    the two classes' mean pooled activations.

    The nulls replace as many random sites; as many random units that are as active as the chosen
    ones (activity is the variance of the coefficient over the pairs' tokens); the component along
    the difference of two random tokens. There is none where nothing is left to choose.
    """
    positions = pairs.tokens.shape[1]
    share = section.patched_share
    sites = find_sites(positions, store.prefix, store.grid, section.sites)
    means = _class_means(store, pairs)
    along = torch.from_numpy(means[pairs.donor_class] - means[pairs.target_class])
    by_chance = torch.from_numpy(_random_differences(store, pairs, seed))

    def units(name: str) -> Kind:
        activity = _activity(families[name], store, pairs, device)
        return ways.strongest_units(families[name], activity, share, seed)

    return {
        "layer": ways.whole_layer(positions),
        "positions": ways.strongest_sites(sites.masks(device), share, seed),
        "channels": units("channels"),
        "direction": ways.one_direction(along.to(device), by_chance.to(device)),
        "latents": units("latents"),
    }


def run(
    kinds: dict[str, Kind], store: ActivationStore, splice: Splice, pairs: Pairs
) -> dict[str, np.ndarray]:
    """Patch all pairs in all ways, batch by batch.

    Memory: a few times the activations of a batch, and three numbers per pair and kind.

    Returns
    -------
    dict
        By kind, by "null <kind>", and for the unpatched "target" and "donor": (pairs, 2) float64,
        LD and whether the prediction is the donor's class. By "activity <kind>": (pairs,).
    """
    device = splice.classifier.device
    parts: dict[str, list[np.ndarray]] = {}
    step = max(1, min(batch_size(splice.images), BATCH_TOKENS // pairs.tokens.shape[1]))
    for start in progress(range(0, len(pairs.target), step), "patching", "batch"):
        numbers = np.arange(start, min(start + step, len(pairs.target)))
        images = pairs.donor[numbers], pairs.target[numbers]
        donor_ids, target_ids = (store.image_ids[pairs.rows[each]] for each in images)
        donor, target = (pairing.as_tokens(store, pairs.tokens[each], device) for each in images)
        classes = pairs.donor_class[numbers], pairs.target_class[numbers]
        up, down = (torch.from_numpy(pairs.classes[each]).to(device) for each in classes)
        slopes = pairing.gradient(splice, target, target_ids, up, down)
        batch = Batch(numbers, donor, target, slopes)

        def take(name: str, tokens: torch.Tensor, ids: np.ndarray, up=up, down=down) -> None:
            logits = splice.logits(tokens, ids)
            won = (logits.argmax(1) == up).to(logits.dtype)
            found = torch.stack([pairing.difference(logits, up, down), won], dim=1)
            parts.setdefault(name, []).append(found.cpu().double().numpy())

        with torch.no_grad():
            take("target", target, target_ids)
            take("donor", donor, donor_ids)
            for name, kind in kinds.items():
                made = kind.patch(batch)
                take(name, made.tokens, target_ids)
                if made.null is not None:
                    take(f"null {name}", made.null, target_ids)
                if made.activity_ratio is not None:
                    parts.setdefault(f"activity {name}", []).append(made.activity_ratio)
    return {name: np.concatenate(found) for name, found in parts.items()}


def _activity(
    units: Units, store: ActivationStore, pairs: Pairs, device: torch.device
) -> np.ndarray:
    """Variance of each unit's coefficient over the tokens of all images of the pairs, (units,)."""
    images, positions, _ = pairs.tokens.shape
    step = max(1, BATCH_TOKENS // positions)
    total = squares = torch.zeros((), dtype=torch.float64)
    for start in range(0, images, step):
        tokens = pairing.as_tokens(store, pairs.tokens[start : start + step], device)
        moments = units.moments(tokens.flatten(0, 1))
        total, squares = total + moments[0].cpu(), squares + moments[1].cpu()
    count = images * positions
    return (squares / count - (total / count).square()).clamp_min(0).numpy()


def _class_means(store: ActivationStore, pairs: Pairs) -> np.ndarray:
    """Mean over patches of the train images predicted as each class of the pairs, (c, d) float32.

    If one of the classes is never predicted there, all means are those of the pairs' images.
    """
    rows = store.train_rows
    predicted = store.predictions(rows)
    sums = np.zeros((len(pairs.classes), pairs.tokens.shape[2]))
    counts = np.zeros((len(sums), 1))
    for some, pooled in store.column_blocks("pooled", rows):
        member = predicted[np.searchsorted(rows, some)] == pairs.classes[:, None]
        sums += member.astype(np.float64) @ pooled
        counts += member.sum(1, keepdims=True)
    if counts.all():
        return (sums / counts).astype(np.float32)
    patches = pairs.tokens[:, len(store.prefix) :]
    of_class = (store.decode(patches[pairs.members == each]) for each in range(len(sums)))
    return np.stack([each.mean((0, 1), np.float64) for each in of_class]).astype(np.float32)


def _random_differences(store: ActivationStore, pairs: Pairs, seed: int) -> np.ndarray:
    """For each pair, the difference of two random tokens: random, but spread as the layer is."""
    rng = np.random.default_rng([seed, 2])
    images, positions, _ = pairs.tokens.shape
    shape = (2, len(pairs.target))
    drawn = pairs.tokens[rng.integers(images, size=shape), rng.integers(positions, size=shape)]
    return np.subtract(*store.decode(drawn).astype(np.float32))


def _summary(name: str, found: dict[str, np.ndarray], pairs: Pairs, seed: int) -> dict[str, Any]:
    """What is reported of one kind: ratios of sums over pairs."""
    n = len(pairs.target)
    start = found["target"][:, 0]
    way, moved = found["donor"][:, 0] - start, found[name][:, 0] - start
    columns = {"one": np.ones(n), "way": way, "moved": moved, "flipped": found[name][:, 1]}
    null = found.get(f"null {name}")
    if null is not None:
        by_chance = null[:, 0] - start
        # Images that stored precision tells apart no more have no way to go.
        gain = np.divide(moved - by_chance, way, where=way > 0, out=np.zeros(n))
        columns |= {"null moved": by_chance, "null flipped": null[:, 1]}
        columns |= {"gain": gain, "squared gain": gain**2}
    values = np.stack(list(columns.values()), axis=1)
    total = dict(zip(columns, values.sum(0), strict=True))
    drawn = dict(zip(columns, pairing.resampled_sums(pairs, values, seed).T, strict=True))

    def ratio(above: str, below: str) -> dict[str, Any] | None:
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = drawn[above] / drawn[below]
        return pairing.estimate(total[above] / total[below], draws, n)

    summary = {
        "influence": ratio("moved", "way"),
        "flipped": ratio("flipped", "one"),
        "effect_size": None,
        "null": None,
        "matrix": _matrix(pairs, moved, way),
    }
    if null is not None:
        summary["effect_size"] = pairing.estimate(_effect_size(total), _effect_size(drawn), n)
        ratios = found.get(f"activity {name}", np.empty(0))
        ratios = ratios[np.isfinite(ratios)]
        summary["null"] = {
            "influence": ratio("null moved", "way"),
            "flipped": ratio("null flipped", "one"),
            "activity_ratio": float(np.median(ratios)) if len(ratios) else None,
        }
    return summary


def _effect_size(sums: dict[str, Any]) -> Any:
    """Mean over standard deviation of the gain; not a number where that does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, square = sums["gain"] / sums["one"], sums["squared gain"] / sums["one"]
        variance = square - mean**2
        return mean / np.sqrt(np.where(variance > VARIES * square, variance, np.nan))


def _pairs_by_class(pairs: Pairs) -> list[list[int]]:
    """How many pairs there are, by donor class and target class."""
    counts = np.zeros((len(pairs.classes),) * 2, np.int64)
    np.add.at(counts, (pairs.donor_class, pairs.target_class), 1)
    return counts.tolist()


def _matrix(pairs: Pairs, moved: np.ndarray, way: np.ndarray) -> list[list[float | None]]:
    """Influence by donor class and target class."""
    shape = (len(pairs.classes),) * 2
    sums = np.zeros((2, *shape))
    for each, values in zip(sums, (moved, way), strict=True):
        np.add.at(each, (pairs.donor_class, pairs.target_class), values)
    cells = np.divide(*sums, where=sums[1] > 0, out=np.full(shape, np.nan))
    return [[None if np.isnan(cell) else cell for cell in row] for row in cells.tolist()]
