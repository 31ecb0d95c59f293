"""What dvc.yaml declares."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FILE = Path("dvc.yaml")
KEY = "${key}"  # stands for the layer where a stage runs once for each


def stages(root: Path = Path()) -> dict[str, Any]:
    """Definitions by name; of a stage that runs once per layer, the template under `do`."""
    return _parsed((root / FILE).read_text(encoding="utf-8"))["stages"]


@cache
def _parsed(text: str) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(text)


def entries(definition: dict[str, Any], what: str, alias: str | None = None) -> list[str]:
    """The plain entries of a list (`deps`, `outs`, `params`) in a stage's definition."""
    listed = definition.get("do", definition).get(what, [])
    return [entry.replace(KEY, alias or "") for entry in listed if isinstance(entry, str)]


def inputs(stage: str, alias: str | None, layers: Iterable[str]) -> list[tuple[Path, Path]]:
    """What a stage reads that stages leave: outputs, or parts of them, each with its output.

    A dependency that holds several outputs, such as data/sae, stands for all of them.
    """
    declared = stages()
    outputs = [
        Path(output)
        for definition in declared.values()
        for layer in (layers if "foreach" in definition else [None])
        for output in entries(definition, "outs", layer)
    ]
    found = []
    for dependency in map(Path, entries(declared[stage], "deps", alias)):
        found += [(output, output) for output in outputs if output.is_relative_to(dependency)]
        found += [(dependency, output) for output in outputs if output in dependency.parents]
    return found
