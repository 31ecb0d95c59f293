"""Reading params.yaml.

Reading follows YAML 1.2 through ruamel.yaml, as DVC's own reading does; duplicate keys are
refused there.
"""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from tickle_core.errors import TickleError
from tickle_core.params.errors import explain
from tickle_core.params.schema import Params

PARAMS_FILE = Path("params.yaml")


def read(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Read params.yaml as plain dicts.

    Raises
    ------
    TickleError
        If the file is missing, is no valid YAML (duplicate keys included) or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TickleError(
            f"{path} is missing: run from the project's top folder, or restore it with "
            f"`git checkout {path}`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TickleError(f"{path} cannot be read: {error}") from None
    try:
        values = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        # ruamel's further lines explain how to switch the check off; the first is the finding.
        problem = (error.problem or "not valid YAML").splitlines()[0]
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise TickleError(f"{path}{line}: {problem}") from None
    if not isinstance(values, dict):
        raise TickleError(f"{path} is empty or no mapping of sections")
    return values


def parse(values: dict[str, Any], path: Path = PARAMS_FILE) -> Params:
    """Check plain values against the schema.

    Raises
    ------
    TickleError
        One line that lists every unknown key (with the nearest valid name), wrong type and
        impossible value.
    """
    try:
        return Params.model_validate(_by_name(values))
    except ValidationError as error:
        problems = [explain(problem, Params) for problem in error.errors()]
        raise TickleError(f"{path}: " + "; ".join(problems)) from None


def _by_name(values: Any) -> Any:
    """Mappings in the order of their keys: which one comes first, in the file, means nothing.

    DVC does not see that order, so no result may depend on it.
    """
    if not isinstance(values, dict):
        return values
    return {key: _by_name(values[key]) for key in sorted(values, key=str)}


def load(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml; raises what `read` and `parse` raise."""
    return parse(read(path), path)


def lookup(values: dict[str, Any], key: str) -> Any:
    """The value at a dotted key ("sae.k"), or None where there is none."""
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return None
        values = values[part]
    return values
