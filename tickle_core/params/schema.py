"""The schema of params.yaml: what may stand there, and what is refused before any work.

Types are strict (no "8" for 8, no true for 1) and every key must be known, so a typing error is
an error and not a silently ignored line. Nothing has a default: every value comes from the file,
where DVC tracks it.
"""

from typing import Annotated

from pydantic import Field, model_validator

from tickle_core.params import cross_checks
from tickle_core.params.atlas import Atlas
from tickle_core.params.attack import Attack
from tickle_core.params.attribution import Attribution
from tickle_core.params.circuits import Circuits
from tickle_core.params.concepts import Concepts
from tickle_core.params.connectedness import Connectedness
from tickle_core.params.curvature import Curvature
from tickle_core.params.dataset import Dataset
from tickle_core.params.delta import Delta
from tickle_core.params.dimension import Dimension
from tickle_core.params.extract import Extract
from tickle_core.params.features import Features
from tickle_core.params.flow import Flow
from tickle_core.params.fractures import Fractures
from tickle_core.params.model import Model
from tickle_core.params.neighbours import Neighbours
from tickle_core.params.path import Path
from tickle_core.params.probes import Probes
from tickle_core.params.projections import Projections
from tickle_core.params.report import Report
from tickle_core.params.sae import Sae
from tickle_core.params.types import Alias, Block, Device, ModulePath, Seed
from tickle_core.params.untrained import Untrained


class Params(Block):
    """All of params.yaml."""

    seed: Seed
    """Seed of every random draw in every stage."""
    device: Device
    """Where the network runs: auto is CUDA, then MPS, then CPU."""
    dataset: Dataset
    """The images."""
    model: Model
    """The network under study."""
    layers: Annotated[dict[Alias, ModulePath], Field(min_length=1)]
    """Module path in the model by alias: everything below runs once per layer."""
    extract: Extract
    """Activations into the store."""
    sae: Sae
    """Sparse autoencoders of one layer."""
    untrained: Untrained
    """The network that learnt nothing, which several nulls come from."""
    probes: Probes
    """Linear classifiers on pooled activations, and at every position."""
    features: Features
    """Pictures of what a unit wants."""
    circuits: Circuits
    """What causes the prediction."""
    concepts: Concepts
    """Concept vectors, TCAV, and where concepts are."""
    flow: Flow
    """Concepts through the layers."""
    attribution: Attribution
    """What in an image a prediction rests on."""
    neighbours: Neighbours
    """Nearest neighbours, which the geometry of a layer rests on."""
    dimension: Dimension
    """How many dimensions activations take."""
    curvature: Curvature
    """How much shortest paths through the data bend."""
    connectedness: Connectedness
    """Ways between images of a class."""
    projections: Projections
    """Maps of images onto a plane."""
    atlas: Atlas
    """Clusters of patches, and pictures of them."""
    fractures: Fractures
    """Classes, concepts and latents that come in parts."""
    attack: Attack
    """Perturbations that change predictions."""
    delta: Delta
    """What perturbations do to a layer, and what undoes it."""
    path: Path
    """Paths from one class to another that cost least."""
    report: Report
    """What to show."""

    @model_validator(mode="after")
    def _fits(self) -> "Params":
        for problem in cross_checks.problems(self):
            raise ValueError(problem)
        return self
