"""What a picture is to make large, and how it is read off a layer's tokens or the logits.

family      read at a token a                   score
channel     a_unit                              softened maximum over patches
latent      w_enc[unit] . a + b_enc[unit]       softened maximum over patches
direction   a . w_unit                          softened maximum over patches
neuron      a_unit, at one position             the value
point       a . w_unit, at one position         the value
layer       ||a||^2                             mean over patches
logit       -                                   the logit
mixture     -                                   logits . m_unit

The score is what is ascended, and what natural images are ranked by. The softened maximum of the
values v over P patches is

    T log((1/P) sum_p exp(v_p / T)),    T = SOFTNESS times the standard deviation of v

over natural patches. It lies between the mean and the maximum and has a gradient at every patch,
which the maximum has at a single one. A latent is read before its activation, because one that is
not active has no gradient. Prefix tokens (class, register) are no patches.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.errors import TickleError
from tickle_core.maximization.families import AT_A_POSITION, SOFTNESS, Family


@dataclass(frozen=True)
class Objective:
    """One unit.

    Attributes
    ----------
    unit
        Index of the channel (also of a neuron), row of the directions (also of a point) or
        mixtures, latent or class; 0 for the layer.
    position
        Of a neuron or a point: its place among the layer's tokens, prefix included.
    """

    family: Family
    unit: int
    position: int | None = None


@dataclass(frozen=True)
class Sources:
    """What units are read with, besides the layer itself.

    Attributes
    ----------
    patches
        (n, d) of natural images: by how much the units vary.
    sae
        Of the layer, on raw tokens; needed for latents.
    directions, mixtures
        (k, d) of tokens and (k, classes) of logits; needed for the families that they define.
    """

    patches: torch.Tensor
    sae: SparseAutoencoder | None = None
    directions: torch.Tensor | None = None
    mixtures: torch.Tensor | None = None


class Responses(NamedTuple):
    """How images respond to objectives, all of them (images, objectives).

    `positions` are int64, among the tokens, prefix included: of the patch that responds most (the
    first of several), or of the neuron; -1 where there is none. `maxima` and `means` are over
    patches, and equal `scores` for families that are not read at all patches.
    """

    scores: torch.Tensor
    positions: torch.Tensor
    maxima: torch.Tensor
    means: torch.Tensor


def softened_maximum(values: torch.Tensor, temperatures: torch.Tensor) -> torch.Tensor:
    """T log mean exp(values / T) over dimension 1, values (n, patches, ...) -> (n, ...).

    Temperatures are positive and broadcast to the result, which approaches the mean as they grow
    and the maximum as they vanish.
    """
    total = torch.logsumexp(values / temperatures.unsqueeze(1), 1)
    return (total - math.log(values.shape[1])) * temperatures


class Readout:
    """Reads several objectives off one layer.

    Parameters
    ----------
    layer
        The layer's entry in the model's card.

    Raises
    ------
    TickleError
        If an objective names something that does not exist.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        layer: dict[str, Any],
        sources: Sources,
        device: torch.device,
    ):
        self.objectives = tuple(objectives)
        self.device = device
        self._prefix = len(layer["prefix"])
        width = layer["shape"][0 if layer["layout"] == "NCHW" else -1]
        positions = math.prod(layer["shape"]) // width
        sae, directions, mixtures = sources.sae, sources.directions, sources.mixtures
        # Everything that is linear in a token, as rows of one matrix.
        weights, biases = torch.zeros(len(objectives), width), torch.zeros(len(objectives))
        for i, objective in enumerate(objectives):
            unit = objective.unit
            match objective.family:
                case "channel" | "neuron":
                    _require(objective, width)
                    weights[i, unit] = 1
                case "direction" | "point":
                    weights[i] = _row(objective, directions)
                case "latent":
                    weights[i] = _row(objective, sae.w_enc.detach() if sae else None)
                    biases[i] = _row(objective, sae.b_enc.detach() if sae else None)
                case "mixture":
                    _row(objective, mixtures)
            if objective.family in AT_A_POSITION and objective.position not in range(positions):
                raise TickleError(
                    f"there is no {objective.family} at position {objective.position} to "
                    f"visualize: the layer has {positions}"
                )
        # In 64 bits, so that the order of summation does not show in 32.
        varied = F.linear(sources.patches.double(), weights.double()).std(0, correction=0).float()
        temperatures = torch.where(varied > 0, SOFTNESS * varied, 1.0)
        self._weights, self._biases = weights.to(device), biases.to(device)
        self._temperatures = temperatures.to(device)
        self._mixtures = None if mixtures is None else mixtures.to(device)
        self._group()

    def take(self, places: Sequence[int]) -> "Readout":
        """The readout of some of the objectives, which may be repeated."""
        part = copy.copy(self)
        part.objectives = tuple(self.objectives[place] for place in places)
        index = torch.tensor(list(places), dtype=torch.long, device=self.device)
        for name in ("_weights", "_biases", "_temperatures"):
            setattr(part, name, getattr(self, name)[index])
        part._group()
        return part

    def score(self, tokens: torch.Tensor, logits: torch.Tensor | None) -> torch.Tensor:
        """The score of image i for objective i; differentiable.

        Parameters
        ----------
        tokens
            (n, positions, d), n being the number of objectives.
        logits
            (n, classes); needed for the families logit and mixture.

        Returns
        -------
        torch.Tensor
            (n,).
        """
        values = torch.einsum("npd,nd->np", tokens, self._weights) + self._biases[:, None]
        found = softened_maximum(values[:, self._prefix :], self._temperatures)
        found = found.index_copy(0, self._placed, values[self._placed, self._places])
        if len(self._layers):
            found = found.index_copy(0, self._layers, self._energy(tokens[self._layers]))
        if len(self._classes):
            told = _told(logits)[self._logits, self._classes]
            found = found.index_copy(0, self._logits, told)
        if len(self._mixed):
            mixed = (_told(logits)[self._mixed] * _told(self._mixtures)[self._rows]).sum(1)
            found = found.index_copy(0, self._mixed, mixed)
        return found

    def responses(self, tokens: torch.Tensor, logits: torch.Tensor | None) -> Responses:
        """The score of every image for every objective.

        Parameters
        ----------
        tokens
            (b, positions, d). Memory: a few numbers per token and objective.
        logits
            (b, classes); needed for the families logit and mixture.
        """
        values = F.linear(tokens, self._weights, self._biases)
        patches = values[:, self._prefix :]
        scores = softened_maximum(patches, self._temperatures[None])
        maxima, positions = patches.max(1)
        means = patches.mean(1)
        positions += self._prefix
        positions[:, self._placed] = self._places
        positions[:, torch.cat([self._layers, self._logits, self._mixed])] = -1
        scores[:, self._placed] = values[:, self._places, self._placed]
        if len(self._layers):
            scores[:, self._layers] = self._energy(tokens)[:, None]
        if len(self._classes):
            scores[:, self._logits] = _told(logits)[:, self._classes]
        if len(self._mixed):
            scores[:, self._mixed] = F.linear(_told(logits), _told(self._mixtures)[self._rows])
        for of_patches in (maxima, means):
            of_patches[:, self._elsewhere] = scores[:, self._elsewhere]
        return Responses(scores, positions, maxima, means)

    def _group(self) -> None:
        """Where the families stand among the objectives, and what they are read at."""
        self._placed, self._layers = self._of(*AT_A_POSITION), self._of("layer")
        self._logits, self._mixed = self._of("logit"), self._of("mixture")
        self._elsewhere = torch.cat([self._placed, self._layers, self._logits, self._mixed])
        self._places = self._read("position", AT_A_POSITION)
        self._classes, self._rows = self._read("unit", ["logit"]), self._read("unit", ["mixture"])

    def _of(self, *families: Family) -> torch.Tensor:
        places = [i for i, each in enumerate(self.objectives) if each.family in families]
        return torch.tensor(places, dtype=torch.long, device=self.device)

    def _read(self, name: str, families: Sequence[Family]) -> torch.Tensor:
        found = [getattr(each, name) for each in self.objectives if each.family in families]
        return torch.tensor(found, dtype=torch.long, device=self.device)

    def _energy(self, tokens: torch.Tensor) -> torch.Tensor:
        """Mean over patches of the squared norm, (n,)."""
        return tokens[:, self._prefix :].square().sum(2).mean(1)


def _row(objective: Objective, rows: torch.Tensor | None) -> torch.Tensor:
    """What is read for an objective among rows (k, ...), one of which it names."""
    _require(objective, 0 if rows is None else len(rows))
    return _told(rows)[objective.unit]


def _told(given: torch.Tensor | None) -> torch.Tensor:
    """What a caller has to give where there are objectives that need it."""
    assert given is not None, "logits and mixtures are needed for these objectives"
    return given


def _require(objective: Objective, count: int) -> None:
    if not 0 <= objective.unit < count:
        raise TickleError(
            f"there is no {objective.family} {objective.unit} to visualize: the layer has {count}"
        )
