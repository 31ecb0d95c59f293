"""The words of the section on paths."""

from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL

# Of ways: title, colour, marker.
WAYS = {
    "string": ("least cost", MEASURED, "o"),
    "straight": ("straight line", NULL, "D"),
    "graph": ("nearest neighbours", CONTROL, "s"),
    "attack": ("the attack’s own way", CONTROL, "^"),
}
SPACES = {"pixels": "through pixels", "layer": "through the layer"}
NUMBERS = {
    "excess": ("Excess", 2),
    "length": ("Length", 2),
    "barrier": ("Barrier, nats", 3),
    "flip": ("Flips at", 2),
    "overshoot": ("Overshoot", 3),
    "largest": ("Largest change at the flip", 3),
    "unlike": ("1 − SSIM at the flip", 3),
}
SWITCHES = {"on": "on", "off": "off", "passing": "on in between"}
