"""The words of the section on attacks."""

NORMS = {"linf": "largest change of a pixel", "l2": "Euclidean norm of the change"}
SYMBOLS = {"linf": "L∞", "l2": "L2"}
ATTACKS = {
    "pgd": "PGD",
    "fgsm": "FGSM",
    "before_rounding": "PGD before rounding",
}
