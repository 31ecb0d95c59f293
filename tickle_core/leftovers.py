"""Outputs that no stage of dvc.yaml makes any more: `python -m tickle_core.leftovers`.

DVC forgets a layer that is dropped or renamed in params.yaml, but leaves what was made for it.
"""

import sys
from pathlib import Path

from dvc.utils.serialize import modify_yaml
from ruamel.yaml import YAML

from tickle_core import pipeline_file
from tickle_core.errors import TickleError
from tickle_core.params import reading
from tickle_core.stage import remove

LOCK = Path("dvc.lock")


def leftovers(root: Path) -> dict[str, list[str]]:
    """The outputs that are left, by the stage that dvc.lock records and dvc.yaml does not have.

    Raises
    ------
    TickleError
        If params.yaml is not valid: it says which layers there are.
    """
    if not (root / LOCK).is_file():
        return {}
    layers = reading.load(root / reading.PARAMS_FILE).layers
    present = set()
    for name, stage in pipeline_file.stages(root).items():
        present |= {f"{name}@{alias}" for alias in layers} if "foreach" in stage else {name}
    text = (root / LOCK).read_text(encoding="utf-8")
    recorded = YAML(typ="safe", pure=True).load(text)["stages"]
    made = {name: [out["path"] for out in stage["outs"]] for name, stage in recorded.items()}
    kept = {path for name in present & made.keys() for path in made[name]}
    return {
        name: [path for path in paths if path not in kept]
        for name, paths in made.items()
        if name not in present
    }


def clear(root: Path) -> None:
    """Say what is left, then remove it, and what dvc.lock records of it."""
    for name, paths in leftovers(root).items():
        print(f"dvc.yaml and params.yaml name no stage {name}: removing {', '.join(paths)}")
        for path in paths:
            remove(root / path)
        with modify_yaml(str(root / LOCK)) as lock:
            del lock["stages"][name]


if __name__ == "__main__":
    try:
        clear(Path())
    except TickleError as error:
        sys.exit(f"error in clean-cache: {error}")
