"""What a number in a metrics file must bring: an n, an interval and a null, or a reason.

`faults` walks the content of a file; `EXCEPTIONS` holds what need not keep a rule, and why.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
MOST_LINES = 320

# By rule, then by path (stage, layer and keys; * stands for anything).
EXCEPTIONS = {
    "number": {},
    "n": {},
    "interval": {},
    "null": {
        "*/baselines/*": "baselines are what the autoencoders are held against",
        "*/saes/[!m]*": "the others stand beside the main one, as its rivals or nulls",
        "*/saes/main/l0": "the size of a code, which k decides",
        "*/saes/main/dead_share": "there is nothing to find: none is best",
        "*/clean_accuracy": "the network's own, with its null in model.json",
        "*/pca_advantage": "it is a difference from a rival",
        "*/seeds/*": "the spread over seeds of numbers that have nulls",
        "*/stability/cosine/*": "they are themselves what stability is held against",
        "*/stability/excess": "it is what goes beyond the null",
        "*/fit/*": "train images are what held-out ones are held against",
        "*/layer/offset": "it describes the layer, and claims nothing",
        "*/majority": "it is itself a null",
        "*/control": "it is itself what selectivity is held against",
        "*/bias": "what sampling adds, which was taken off",
        "*/by_n/*": "the same for fewer images, to see whether it has settled",
        "*/energy_ratio": "how well the null's groups match; 1 if they do",
        "*/group/share": "how much was removed: what effects are read against",
        "*/replaced": "how much was replaced: what influence is read against",
        "*/rivals/*": "rivals are what a number is held against",
        "*/beyond/*": "it is a difference from a null",
        "*/beyond": "it is a difference from a rival",
        "*/untrained": "a network that learnt nothing is what others are held against",
        "*/untrained/*": "a network that learnt nothing is what others are held against",
        "*/by_run": "how the runs behind a number differ",
        "*/converged": "how many paths were given steps enough",
        "*/clusters": "chosen among candidates, not found",
        "*/half": "the same for half of the images, to see whether it has settled",
        "*/half/*": "the same for half of the images, to see whether it has settled",
        "curvature/*/cube": "it is itself a null",
        "*/gaussian": "it is itself a null",
        "delta/*/stranger": "it is itself a control",
        "attack/size/stranger": "it is itself a control",
        "delta/*/clean": "clean activations are what perturbations are held against",
        "delta/*/carried": "the rest goes through what latents leave over",
        "delta/*/given_back": "how much was changed: what recovery is read against",
        "path/*/settled": "whether paths have settled",
    },
}


class Fault(NamedTuple):
    """What is wrong, by the rule that it breaks: number, value, n, interval, null or why."""

    rule: str
    path: str
    says: str


def faults(content: Any, path: str) -> list[Fault]:
    """Everything in a metrics file's content that breaks a rule and stands on no list."""
    return [each for each in _walk(content, path, in_null=False) if not excuses(each)]


def excuses(fault: Fault) -> list[str]:
    """The patterns of EXCEPTIONS that a fault falls under."""
    return [
        pattern for pattern in EXCEPTIONS.get(fault.rule, {}) if fnmatchcase(fault.path, pattern)
    ]


def metrics_of(folder: Path) -> dict[str, Path]:
    """The metrics files of a run by stage and layer; the flat summary is none of them."""
    files = sorted(folder.rglob("*.json"))
    return {
        str(file.relative_to(folder).with_suffix("")): file
        for file in files
        if file.name != "summary.json"
    }


def _settings() -> set[str]:
    """The names of params, whose values a file may repeat."""

    def names(values: Any) -> Iterator[str]:
        if isinstance(values, dict):
            for key, value in values.items():
                yield key
                yield from names(value)

    return set(names(YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))))


SETTINGS = _settings()
# Of an estimate, or of draws; `p` is the p-value of its test, `raw` the value before a correction.
OWN = {"value", "interval", "range", "n", "draws", "why", "p", "raw"}


def _walk(content: Any, path: str, in_null: bool) -> Iterator[Fault]:
    if isinstance(content, float):
        yield Fault("number", path, f"{content} stands in no estimate")
    if isinstance(content, list):
        for place, each in enumerate(content):
            yield from _walk(each, f"{path}/{place}", in_null)
    if not isinstance(content, dict):
        return
    estimate = "value" in content
    if not estimate and ("interval" in content or "range" in content):
        yield Fault("value", path, "an interval without a value")
    if estimate:
        yield from _of_estimate(content, path, in_null)
    for key, each in content.items():
        if (estimate and key in OWN) or key in ("recipe", "params"):
            continue
        a_number = isinstance(each, int | float)
        if a_number and (key in SETTINGS or (estimate and key == "null")):
            continue
        yield from _walk(each, f"{path}/{key}", in_null or key == "null")


def _of_estimate(found: dict[str, Any], path: str, in_null: bool) -> Iterator[Fault]:
    value, drawn = found["value"], "range" in found
    # A range is of draws, or of the few units or seeds that there are.
    kind, counted, least = ("range", "draws", 2) if "draws" in found else ("interval", "n", 1)
    kind = "range" if drawn else kind
    if value is not None and not _is_number(value):
        yield Fault("value", path, f"{value!r} is no number")
        return
    missing = [key for key in ("value", kind, "null") if key in found and found[key] is None]
    if missing and not (isinstance(found.get("why"), str) and found["why"]):
        yield Fault("why", path, f"no {', no '.join(missing)}, and no reason")
    count = found.get(counted)
    if type(count) is not int or (count < least and value is not None):
        yield Fault("n", path, f"{counted} is {count}")
    if kind not in found:
        yield Fault("interval", path, "has no interval, and does not say why")
    elif found[kind] is not None:
        yield from _of_ends(found[kind], value, path, drawn)
    if not in_null and "null" not in found:
        yield Fault("null", path, "has no null")


def _of_ends(ends: Any, value: float | None, path: str, drawn: bool) -> Iterator[Fault]:
    if not (isinstance(ends, list) and len(ends) == 2 and all(_is_number(end) for end in ends)):
        yield Fault("interval", path, f"{ends} are no two ends")
        return
    if value is not None and not ends[0] <= value <= ends[1]:
        yield Fault("interval", path, f"{value} lies outside {ends}")
    if ends[0] == ends[1] and not drawn:
        yield Fault("interval", path, f"{ends} has no width: what does not vary has no interval")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
