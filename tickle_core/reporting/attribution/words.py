"""What methods of attribution are called."""

from collections.abc import Iterable

FIXED = {
    "gradient": "gradient",
    "ig_zero": "IG from black",
    "ig_mean": "IG from mean colour",
    "ig_blur": "IG from blurred",
    "blur_path": "IG along blurring",
    "chain": "IG along real images",
    "random_chain": "IG along random images",
}
PREFIXES = {"layer_": "layer IG", "cam_": "Grad-CAM"}
UNTRAINED = "untrained"
RANDOM = "random"


def title(method: str) -> str:
    """Of a method, for people."""
    for prefix, words in PREFIXES.items():
        if method.startswith(prefix):
            return f"{words} ({method.removeprefix(prefix)})"
    return FIXED.get(method, method)


def in_order(methods: Iterable[str], aliases: Iterable[str]) -> list[str]:
    """Methods in the order of the page, the network that learnt nothing left out."""
    wanted = [*FIXED, *(f"{prefix}{alias}" for prefix in PREFIXES for alias in aliases)]
    there = set(methods)
    return [method for method in wanted if method in there]
