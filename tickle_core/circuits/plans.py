"""What patching tries: parts of each kind by several rules, and their rivals by the same rule."""

from dataclasses import dataclass

import numpy as np
import torch

from tickle_core import params
from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import choosing, rivals
from tickle_core.circuits import pairs as pairing
from tickle_core.circuits.choosing import Candidates
from tickle_core.circuits.kinds import Coded, Lines, Parts, Read, Sites
from tickle_core.circuits.pairs import Images, Pairs
from tickle_core.circuits.sites import find_sites
from tickle_core.circuits.units import Directions, Latents
from tickle_core.dictionaries.stream import Sample
from tickle_core.models.splicing import Splice

DRAWS = 3  # of random bases and of random directions
RIVALS_SEED = 2_000_003  # added to the seed


@dataclass(frozen=True)
class Plan:
    """Which parts are patched.

    Attributes
    ----------
    kind
        What it says something of: rivals of latents belong to latents.
    sets
        By rule, which parts are patched in each cell: (cells, parts) bool.
    own
        How many parts are besides chosen for each pair by its own gradient; 0 for none.
    draw
        Which one, of rivals that are drawn several times.
    """

    kind: str
    parts: Parts
    sets: dict[str, np.ndarray]
    own: int = 0
    draw: int = 0


def make_plans(
    channels: Directions,
    latents: Latents,
    sample: Sample,
    store: ActivationStore,
    splice: Splice,
    images: Images,
    choice: Pairs,
    section: params.Circuits,
    seed: int,
) -> list[Plan]:
    """Choose parts for each cell on the pairs `choice`: the first ones by their mean screen.

    Positions are joined to sites; the direction is that between the two classes' means, by kind of
    token. The rules:

    chosen      the parts that the screen finds for the cell
    stranger    those that it finds for a cell of two other classes
    matched     random other parts that carry as much of the layer
    random      of the rivals, chosen as the parts are and as many: beside channels, directions of a
                random orthonormal basis; beside latents, of as many random directions with the
                covariance of the layer, coded by matching pursuit as densely as the latents are
    basis       beside latents, so many directions of a random basis, chosen as they are, as carry
                as much

    There is no stranger of fewer than four classes, and nothing but `chosen` where all parts are.
    """
    device, d = splice.classifier.device, images.tokens.shape[2]
    rng = np.random.default_rng([seed, 0])
    own, bases, directions = _kinds(channels, latents, sample, store, images, section, device, seed)
    every = own | bases | directions
    surveys = choosing.survey(every, store, splice, images, choice, rng)
    strange = choosing.strangers(len(images.classes), rng)
    cells = len(images.cells)

    layer = Sites(torch.ones(1, images.tokens.shape[1], dtype=torch.bool, device=device))
    plans = [Plan("layer", layer, {"chosen": np.ones((cells, 1), bool)})]
    for kind, candidates in own.items():
        found = surveys[kind]
        sets = {"chosen": found.chosen}
        if candidates.match:
            sets |= {"matched": found.matched}
            sets |= {} if strange is None else {"stranger": found.chosen[strange]}
        chosen = candidates.count if candidates.match else 0
        plans.append(Plan(kind, candidates.parts, sets, chosen))
    for kind, drawn in (("channels", bases), ("latents", directions)):
        for draw, name in enumerate(drawn):
            sets = {"random": surveys[name].chosen}
            plans.append(Plan(kind, drawn[name].parts, sets, draw=draw))
    for draw, name in enumerate(bases):
        sets = {"basis": choosing.as_much(surveys[name], surveys["latents"].carried)}
        plans.append(Plan("latents", bases[name].parts, sets, draw=draw))
    one = np.eye(cells, dtype=bool)
    sets = {"chosen": one} | ({} if strange is None else {"stranger": one[strange]})
    return [*plans, Plan("direction", _lines(store, images, choice, device), sets)]


def _kinds(
    channels: Directions,
    latents: Latents,
    sample: Sample,
    store: ActivationStore,
    images: Images,
    section: params.Circuits,
    device: torch.device,
    seed: int,
) -> tuple[dict[str, Candidates], ...]:
    """What is chosen from: positions, channels and latents; random bases; random directions."""
    positions, d = images.tokens.shape[1:]
    masks = find_sites(positions, store.prefix, store.grid, section.sites).masks(device)
    coded, k = _code(latents, images, store, device)

    def candidates(parts: Parts, of: int, weigh: bool = True, match: bool = False) -> Candidates:
        count = max(1, round(section.patched_share * of))
        return Candidates(parts, count, weigh, match and count < of)

    many = len(latents.directions)
    bases, directions = {}, {}
    for draw in range(DRAWS):
        own = seed + RIVALS_SEED + draw
        bases[f"basis {draw}"] = candidates(Read(rivals.random_basis(d, own).to(device)), d)
        drawn = rivals.random_directions(sample, many, own)
        pursued = _pursue(drawn, sample.mean, k, images, store, device)
        directions[f"directions {draw}"] = candidates(pursued, many, weigh=False)
    return (
        {
            "positions": candidates(Sites(masks), len(masks), match=True),
            "channels": candidates(Read(channels.directions), d, match=True),
            "latents": candidates(coded, many, match=True),
        },
        bases,
        directions,
    )


def _code(
    latents: Latents, images: Images, store: ActivationStore, device: torch.device
) -> tuple[Coded, int]:
    """The latents of all images, and how many are active per token."""
    codes = []
    for stored in images.tokens:
        codes.append(latents.sae.encode(pairing.as_tokens(store, stored, device)).to_sparse())
    active = sum(each.values().numel() for each in codes) / images.tokens[..., 0].size
    return Coded(latents.directions, codes), max(1, round(active))


def _pursue(
    directions: torch.Tensor,
    mean: torch.Tensor,
    k: int,
    images: Images,
    store: ActivationStore,
    device: torch.device,
) -> Coded:
    """Random directions, with the coefficients that matching pursuit gives them."""
    codes = []
    for stored in images.tokens:
        around = pairing.as_tokens(store, stored, device) - mean
        codes.append(rivals.matching_pursuit(around, directions, k).to_sparse())
    return Coded(directions, codes)


def _lines(store: ActivationStore, images: Images, pairs: Pairs, device: torch.device) -> Lines:
    """The direction between the mean tokens of either class of each cell, by kind of token.

    Positions of the prefix are kinds of their own; patches share one.
    """
    prefix = len(store.prefix)
    members = [np.unique(pairs.donor[images.members[pairs.donor] == m]) for m in range(len(images.classes))]
    means = []
    for rows in members:
        mean = pairing.as_tokens(store, images.tokens[rows], device).double().mean(0)
        mean[prefix:] = mean[prefix:].mean(0)
        means.append(mean)
    between = torch.stack([means[donor] - means[target] for donor, target in images.cells])
    return Lines(torch.nn.functional.normalize(between.float(), dim=2))
