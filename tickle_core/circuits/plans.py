"""What patching tries: parts of each kind by several rules, and their rivals by the same rule."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import choosing, pairing, rivals
from tickle_core.circuits.choosing import Candidates
from tickle_core.circuits.pairing import ImagesByClass, Pairs
from tickle_core.circuits.sites import find_sites
from tickle_core.dictionaries import directions
from tickle_core.dictionaries.stream import Sample
from tickle_core.interventions.parts import (
    CodedUnits,
    Lines,
    Parts,
    Positions,
    ReadUnits,
    ScreenedParts,
)
from tickle_core.interventions.units import Directions, Latents
from tickle_core.models.splicing import Splice
from tickle_core.params.circuits import Circuits

DRAWS = 3  # of random bases and of random directions
RIVALS_SEED = 2_000_003  # added to the seed


@dataclass(frozen=True)
class PatchPlan:
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


@dataclass(frozen=True)
class Layer:
    """A layer's units, and the images between which it is patched."""

    channels: Directions
    latents: Latents
    sample: Sample
    store: ActivationStore
    splice: Splice
    images: ImagesByClass

    @property
    def device(self) -> torch.device:
        """Of the network."""
        return self.splice.classifier.device

    def tokens(self, images: np.ndarray) -> torch.Tensor:
        """Of some of the images, (n, positions, d) float32."""
        return pairing.as_tokens(self.store, self.images.tokens[images], self.device)

    def every_image(self) -> Iterator[torch.Tensor]:
        """The tokens (positions, d) of one image after the other."""
        for stored in self.images.tokens:
            yield pairing.as_tokens(self.store, stored, self.device)


def make_plans(layer: Layer, choice: Pairs, section: Circuits, seed: int) -> list[PatchPlan]:
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
    rng = np.random.default_rng([seed, 0])
    own = _own(layer, section)
    bases = _bases(layer, section, seed)
    latents = own["latents"].parts
    assert isinstance(latents, CodedUnits)
    drawn = _random_directions(layer, latents.per_token(), section, seed)
    kinds = own | bases | drawn
    surveys = choosing.survey(kinds, layer.store, layer.splice, layer.images, choice, rng)
    cells = layer.images.cells
    strange = choosing.strangers(cells, rng)

    def with_stranger(chosen: np.ndarray) -> dict[str, np.ndarray]:
        return {"chosen": chosen} | ({} if strange is None else {"stranger": chosen[strange]})

    whole = torch.ones(1, layer.images.tokens.shape[1], dtype=torch.bool, device=layer.device)
    plans = [PatchPlan("layer", Positions(whole), {"chosen": np.ones((len(cells), 1), bool)})]
    for kind, candidates in own.items():
        found = surveys[kind]
        if candidates.match:
            sets = with_stranger(found.chosen) | {"matched": found.matched}
            plans.append(PatchPlan(kind, candidates.parts, sets, own=candidates.count))
        else:
            plans.append(PatchPlan(kind, candidates.parts, {"chosen": found.chosen}))
    for kind, rival in (("channels", bases), ("latents", drawn)):
        for draw, (name, candidates) in enumerate(rival.items()):
            plans.append(
                PatchPlan(kind, candidates.parts, {"random": surveys[name].chosen}, draw=draw)
            )
    for draw, (name, candidates) in enumerate(bases.items()):
        sets = {"basis": choosing.as_much(surveys[name], surveys["latents"].carried)}
        plans.append(PatchPlan("latents", candidates.parts, sets, draw=draw))
    one = with_stranger(np.eye(len(cells), dtype=bool))
    return [*plans, PatchPlan("direction", _lines(layer, choice), one)]


@torch.no_grad()
def _own(layer: Layer, section: Circuits) -> dict[str, Candidates]:
    """The positions, channels and latents of the layer."""
    positions = layer.images.tokens.shape[1]
    sites = find_sites(positions, layer.store.prefix, layer.store.grid, section.sites)
    codes = [layer.latents.sae.encode(tokens).to_sparse() for tokens in layer.every_image()]
    parts: dict[str, ScreenedParts] = {
        "positions": Positions(sites.masks(layer.device)),
        "channels": ReadUnits(layer.channels.directions),
        "latents": CodedUnits(layer.latents.directions, codes),
    }
    found = {}
    for name, each in parts.items():
        of = len(each)
        count = _share_of(of, section)
        found[name] = Candidates(each, count, weigh=True, match=count < of)
    return found


def _bases(layer: Layer, section: Circuits, seed: int) -> dict[str, Candidates]:
    """Random orthonormal bases of the layer."""
    d = layer.images.tokens.shape[2]
    drawn = (directions.random_basis(d, seed + RIVALS_SEED + draw) for draw in range(DRAWS))
    return {
        f"basis {draw}": Candidates(
            ReadUnits(basis.to(layer.device)), _share_of(d, section), weigh=True
        )
        for draw, basis in enumerate(drawn)
    }


@torch.no_grad()
def _random_directions(
    layer: Layer, active: float, section: Circuits, seed: int
) -> dict[str, Candidates]:
    """As many random directions as there are latents, of which so many are active per token."""
    count, k = len(layer.latents.directions), max(1, round(active))
    found = {}
    for draw in range(DRAWS):
        units = directions.like_tokens(layer.sample, count, seed + RIVALS_SEED + draw)
        codes = [
            rivals.matching_pursuit(tokens - layer.sample.mean, units, k).to_sparse()
            for tokens in layer.every_image()
        ]
        found[f"directions {draw}"] = Candidates(
            CodedUnits(units, codes), _share_of(count, section)
        )
    return found


def _share_of(count: int, section: Circuits) -> int:
    return max(1, round(section.patched_share * count))


def _lines(layer: Layer, pairs: Pairs) -> Lines:
    """The direction between the mean tokens of either class of each cell, by kind of token."""
    names, kind_of = layer.store.token_kinds
    used = np.unique(pairs.donor)
    means = []
    for member in range(len(layer.images.classes)):
        mean = layer.tokens(used[layer.images.members[used] == member]).double().mean(0)
        for kind in range(len(names)):
            mean[kind_of == kind] = mean[kind_of == kind].mean(0)
        means.append(mean)
    between = [means[donor] - means[target] for donor, target in layer.images.cells]
    return Lines(F.normalize(torch.stack(between).float(), dim=2))
