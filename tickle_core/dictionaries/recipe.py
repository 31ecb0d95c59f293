"""What one of the SAEs of a stage is: the section of params.yaml with what a companion changes."""

from dataclasses import dataclass

from tickle_core import params
from tickle_core.dictionaries.sae import Variant
from tickle_core.dictionaries.selection import Precision

MAIN = "main"
# The null: the main SAE once more, on tokens whose dimensions were permuted independently.
PERMUTED = "permuted"


@dataclass(frozen=True)
class Recipe:
    """How one SAE is made.

    Attributes
    ----------
    k
        Active latents per token: exactly (topk), on average (batchtopk, matryoshka), or as the
        target of the sparsity penalty (jumprelu).
    l1
        Weight of the L1 penalty (relu), on tokens of unit mean square.
    seed
        Of the initial dictionary.
    precision
        Of the product that decides which latents are active during training.
    permuted
        Whether each dimension of its tokens is shuffled by itself.
    tokens, batch_size, learning_rate, dead_after, patience
        As in params.yaml.
    """

    variant: Variant
    latents: int
    k: int
    l1: float
    seed: int
    precision: Precision
    permuted: bool
    tokens: int
    batch_size: int
    learning_rate: float
    dead_after: int
    patience: int

    @property
    def steps(self) -> int:
        """Batches in all, unless training stops early."""
        return max(1, self.tokens // self.batch_size)


def recipes(section: params.Sae, seed: int) -> dict[str, Recipe]:
    """The SAEs that a stage trains: the main one, its null, and the companions by name."""
    base = {
        "variant": section.variant,
        "latents": section.latents,
        "k": section.k,
        "l1": section.l1,
        "seed": seed,
        "precision": section.precision,
    }
    shared = {
        "tokens": section.tokens,
        "batch_size": section.batch_size,
        "learning_rate": section.learning_rate,
        "dead_after": section.dead_after,
        "patience": section.patience,
    }
    made = {
        MAIN: Recipe(**base, **shared, permuted=False),
        PERMUTED: Recipe(**base, **shared, permuted=True),
    }
    for name, companion in section.companions.items():
        changed = base | companion.model_dump(exclude_none=True)
        made[name] = Recipe(**changed, **shared, permuted=False)
    return made
