"""The block `attack`: perturbations that change predictions."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tickle_core.params.types import MOST, Block, NotNegative, NotNegativeReal, Positive, Share

Norm = Literal["linf", "l2"]
LEVELS = 255
ROUNDING = 1e-6


def _number(value: Any) -> Any:
    """8/255 as a number; what is none is left for the type to refuse."""
    if isinstance(value, str) and value.count("/") == 1:
        above, below = value.split("/")
        try:
            return float(above) / float(below)
        except (ValueError, ZeroDivisionError):
            return value
    return value


def _in_levels(eps: float) -> float:
    levels = eps * LEVELS
    if abs(levels - round(levels)) > ROUNDING * LEVELS:
        raise ValueError(
            f"8 bits cannot express {eps:g}, which is {levels:.4g} steps of 1/255; the nearest is "
            f"{round(levels)}/255"
        )
    return round(levels) / LEVELS


def _visible(eps: float) -> float:
    if 0 < eps < 1 / LEVELS:
        raise ValueError(
            f"8 bits cannot express {eps:g}: one step of one pixel is 1/255, {1 / LEVELS:.4f}"
        )
    return eps


Eps = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1), AfterValidator(_in_levels)]
EpsL2 = Annotated[
    float, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False), AfterValidator(_visible)
]


class Studied(Block):
    """The attack whose images `delta` and `path` look into."""

    norm: Norm
    """linf or l2."""
    eps: Annotated[float, BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]
    """One of those listed under that norm."""


class Attack(Block):
    """Attacks on held-out images."""

    images: Annotated[int, Field(ge=2, le=MOST)]
    """Held-out images, at most."""
    linf: list[Eps]
    """Radii in which every pixel may change, as 8/255 or a number."""
    l2: list[EpsL2]
    """Radii of the Euclidean norm, with pixels in [0, 1]."""
    studied: Studied
    """The attack whose images `delta` and `path` look into."""
    target: str | None
    """A class of the model that images are to become; null for any other than their own."""
    steps: Positive
    """Steps of PGD."""
    step: Share
    """Length of each, in parts of eps."""
    restarts: NotNegative
    """Further starts of PGD, anywhere in the ball; the first one is at FGSM's image."""
    confidence: NotNegativeReal
    """By how much another class's logit is to lead before an image is left alone."""
    noise_draws: Positive
    """Random perturbations of each image behind the null."""
    shown: Positive
    """Images in the report."""

    @model_validator(mode="after")
    def _is_listed(self) -> "Attack":
        for norm in ("linf", "l2"):
            radii = getattr(self, norm)
            # As they are written in results.
            if len({f"{eps:g}" for eps in radii}) < len(radii):
                raise ValueError(f"{norm} names a radius twice")
        listed = getattr(self, self.studied.norm)
        if not any(abs(self.studied.eps - eps) < ROUNDING for eps in listed):
            raise ValueError(
                f"studied.eps is {self.studied.eps:.6g}, which is none of those under "
                f"{self.studied.norm} ({', '.join(f'{eps:.6g}' for eps in listed) or 'empty'})"
            )
        return self
