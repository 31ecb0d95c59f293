"""The words of the section on deltas."""

from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL

# Of recovery, by family and rule: label, colour, marker, line.
LINES = {
    ("latents", "chosen"): ("latents, chosen on other images", MEASURED, "o", "-"),
    ("latents", "own"): ("latents, chosen on the image itself", MEASURED, "^", ":"),
    ("latents", "stranger"): ("latents, chosen for other classes", NULL, "s", "-"),
    ("latents", "random"): ("random latents", NULL, "D", "--"),
    ("channels", "chosen"): ("channels", CONTROL, "s", "-"),
    ("components", "chosen"): ("principal components", CONTROL, "^", "--"),
    ("basis", "chosen"): ("a random basis", CONTROL, "D", ":"),
}
RIVALS = {
    "own": "latents: by the image",
    "stranger": "latents: other classes",
    "channels": "channels",
    "components": "principal components",
    "basis": "a random basis",
}
