"""What one of the SAEs of a stage is: the section of params.yaml with what a companion changes."""

from dataclasses import dataclass, replace

from tickle_core.params.sae import Precision, Sae, SaeOfLayer, Variant

MAIN = "main"
# Nulls: the main SAE once more, on tokens whose dimensions were permuted independently;
PERMUTED = "permuted"
# and with a decoder that stays as it was drawn, at random but spread as the tokens are.
FROZEN = "frozen"
SEED = "seed"  # and a number


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
    frozen
        Whether its decoder is drawn and stays as it is, and the encoder alone learns.
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
    frozen: bool
    tokens: int
    batch_size: int
    learning_rate: float
    dead_after: int
    patience: int

    @property
    def steps(self) -> int:
        """Batches in all, unless training stops early."""
        return max(1, self.tokens // self.batch_size)


def of_layer(section: Sae, alias: str) -> Sae:
    """The section as it holds for one layer."""
    own = dict(section.layers.get(alias, SaeOfLayer()))
    given = {key: value for key, value in own.items() if value is not None}
    return section.model_copy(update={"layers": {}, **given})


def recipes(section: Sae, seed: int) -> dict[str, Recipe]:
    """The SAEs that a stage trains for a layer, by name.

    The main one; `seed1`, `seed2`, ..., which begin elsewhere; its nulls; and the companions. One
    that comes out as the main one is left out.

    Parameters
    ----------
    section
        As `of_layer` gives it.
    """
    main = Recipe(
        variant=section.variant,
        latents=section.latents,
        k=section.k,
        l1=section.l1,
        seed=seed,
        precision=section.precision,
        permuted=False,
        frozen=False,
        tokens=section.tokens,
        batch_size=section.batch_size,
        learning_rate=section.learning_rate,
        dead_after=section.dead_after,
        patience=section.patience,
    )
    made = {MAIN: main}
    for number in range(1, section.seeds):
        made[f"{SEED}{number}"] = replace(main, seed=seed + number)
    made |= {PERMUTED: replace(main, permuted=True), FROZEN: replace(main, frozen=True)}
    for name, companion in section.companions.items():
        changed = replace(main, **companion.model_dump(exclude_none=True))
        if changed != main:
            made[name] = changed
    return made
