"""The words of the section on connectedness."""

WAYS = {
    "straight": "straight line",
    "sphere": "great circle",
    "graph": "nearest neighbours",
    "pixels": "line in pixels",
}
NUMBERS = {
    "barrier": "Barrier, nats",
    "margin": "Lowest margin",
    "lost": "Points outside the class",
    "detour": "Detour of the class’s direction",
    "away": "Distance from real ones",
}
SIDES = {
    ("within", "most"): "Within a class, highest barriers",
    ("within", "least"): "Within a class, lowest barriers",
    ("between", "least"): "Between classes, lowest barriers",
}
