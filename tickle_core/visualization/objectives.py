"""What a picture is to make large, and how it is read off a layer's tokens or the logits.

family      read at a token a                   ascended             score
channel     a_unit                              mean over patches    maximum over patches
direction   a . w_unit                          mean over patches    maximum over patches
latent      w_enc[unit] . a + b_enc[unit]       mean over patches    maximum over patches
neuron      a_unit, at one position             the value            the value
layer       ||a||^2                             mean over patches    mean over patches
logit       -                                   the logit            the logit

What is ascended has a gradient everywhere, where the maximum has one at a single patch, and a
latent that is not active has none; the score is what natural images are ranked by. Prefix tokens
(class, register) are no patches.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import functional as F

from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.errors import TickleError

Family = Literal["channel", "neuron", "layer", "direction", "latent", "logit"]


@dataclass(frozen=True)
class Objective:
    """One unit.

    Attributes
    ----------
    unit
        Index of the channel (also of a neuron), row of the directions, latent or class; 0 for the
        layer.
    position
        Of a neuron: its place among the layer's tokens, prefix included.
    """

    family: Family
    unit: int
    position: int | None = None


class Readout:
    """Reads several objectives off one layer.

    Parameters
    ----------
    layer
        The layer's entry in the model's card.
    sae
        Of the layer, on raw tokens; needed for latents.
    directions
        (k, d); needed for the family direction.

    Raises
    ------
    TickleError
        If an objective names something that does not exist.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        layer: dict[str, Any],
        sae: SparseAutoencoder | None,
        directions: torch.Tensor | None,
        device: torch.device,
    ):
        self.objectives = tuple(objectives)
        self.device = device
        self._prefix = len(layer["prefix"])
        width = layer["shape"][0 if layer["layout"] == "NCHW" else -1]
        positions = math.prod(layer["shape"]) // width
        # Everything that is linear in a token, as rows of one matrix.
        weights, biases = torch.zeros(len(objectives), width), torch.zeros(len(objectives))
        for i, objective in enumerate(objectives):
            unit = objective.unit
            match objective.family:
                case "channel" | "neuron":
                    _require(objective, width)
                    weights[i, unit] = 1
                    if objective.family == "neuron" and objective.position not in range(positions):
                        raise TickleError(
                            f"there is no neuron at position {objective.position} to visualize: "
                            f"the layer has {positions}"
                        )
                case "direction":
                    _require(objective, 0 if directions is None else len(directions))
                    weights[i] = directions[unit]
                case "latent":
                    _require(objective, 0 if sae is None else len(sae.b_enc))
                    weights[i], biases[i] = sae.w_enc[unit].detach(), sae.b_enc[unit].detach()
        self._weights, self._biases = weights.to(device), biases.to(device)
        self._neurons = self._of("neuron")
        self._places = torch.tensor(
            [o.position for o in objectives if o.family == "neuron"], dtype=torch.long
        ).to(device)
        self._layers, self._logits = self._of("layer"), self._of("logit")
        self._classes = torch.tensor(
            [o.unit for o in objectives if o.family == "logit"], dtype=torch.long
        ).to(device)

    def ascended(self, tokens: torch.Tensor, logits: torch.Tensor | None) -> torch.Tensor:
        """What ascent makes large, of image i for objective i; differentiable.

        Parameters
        ----------
        tokens
            (n, positions, d), n being the number of objectives.
        logits
            (n, classes); needed for the family logit.

        Returns
        -------
        torch.Tensor
            (n,).
        """
        values = self._at_own_tokens(tokens)
        return self._settle(values, values[:, self._prefix :].mean(1), tokens, logits)

    def score(self, tokens: torch.Tensor, logits: torch.Tensor | None) -> torch.Tensor:
        """The score of image i for objective i; parameters and result are those of `ascended`."""
        values = self._at_own_tokens(tokens)
        return self._settle(values, values[:, self._prefix :].amax(1), tokens, logits)

    def responses(
        self, tokens: torch.Tensor, logits: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The score of every image for every objective.

        Parameters
        ----------
        tokens
            (b, positions, d). Memory: a number per token and objective.
        logits
            (b, classes); needed for the family logit.

        Returns
        -------
        tuple
            Scores (b, objectives), and where among the tokens, prefix included, each was found
            (the first of several), (b, objectives) int64; -1 for layer and logit.
        """
        values = F.linear(tokens, self._weights, self._biases)
        scores, positions = values[:, self._prefix :].max(1)
        positions += self._prefix
        scores[:, self._neurons] = values[:, self._places, self._neurons]
        positions[:, self._neurons] = self._places
        if len(self._layers):
            scores[:, self._layers] = self._energy(tokens)[:, None]
        if len(self._logits):
            scores[:, self._logits] = logits[:, self._classes]
        positions[:, torch.cat([self._layers, self._logits])] = -1
        return scores, positions

    def _of(self, family: Family) -> torch.Tensor:
        places = [i for i, objective in enumerate(self.objectives) if objective.family == family]
        return torch.tensor(places, dtype=torch.long, device=self.device)

    def _at_own_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """What is linear in a token, at image i for objective i: (n, positions)."""
        return torch.einsum("npd,nd->np", tokens, self._weights) + self._biases[:, None]

    def _settle(
        self,
        values: torch.Tensor,
        over_patches: torch.Tensor,
        tokens: torch.Tensor,
        logits: torch.Tensor | None,
    ) -> torch.Tensor:
        """Put in what does not come from all patches alike."""
        found = over_patches.index_copy(0, self._neurons, values[self._neurons, self._places])
        if len(self._layers):
            found = found.index_copy(0, self._layers, self._energy(tokens[self._layers]))
        if len(self._logits):
            found = found.index_copy(0, self._logits, logits[self._logits, self._classes])
        return found

    def _energy(self, tokens: torch.Tensor) -> torch.Tensor:
        """Mean over patches of the squared norm, (n,)."""
        return tokens[:, self._prefix :].square().sum(2).mean(1)


def _require(objective: Objective, count: int) -> None:
    if not 0 <= objective.unit < count:
        raise TickleError(
            f"there is no {objective.family} {objective.unit} to visualize: the layer has {count}"
        )
