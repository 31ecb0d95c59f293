"""params.yaml is read as YAML 1.2, and what cannot be read is refused in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from tickle_core.errors import TickleError
from tickle_core.params import reading

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("seed: 0\nseed: 1\n", ["line 2", "duplicate key"]),
        ("layers:\n  late: a\n  late: b\n", ["line 3", "duplicate key"]),
        ("seed: [0\n", ["line"]),
        ("", ["empty"]),
        ("- 1\n", ["no mapping"]),
    ],
)
def test_bad_yaml_is_refused_with_its_line(tmp_path, text, parts):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(TickleError) as caught:
        reading.read(path)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(TickleError, match="missing: run from"):
        reading.read(tmp_path / "params.yaml")


def test_lookup_follows_dots(values):
    assert reading.lookup(values, "sae.k") == values["sae"]["k"]
    assert reading.lookup(values, "layers.late") == "layer3"
    assert reading.lookup(values, "sae.none.of.this") is None


def test_mappings_come_in_the_order_of_their_keys(values):
    """Whichever comes first in the file: DVC does not see it, so nothing may depend on it."""
    turned = {key: values[key] for key in reversed(values)}
    turned["layers"] = {key: values["layers"][key] for key in reversed(values["layers"])}
    companions = values["sae"]["companions"]
    turned["sae"] = values["sae"] | {"companions": dict(reversed(companions.items()))}
    one, two = reading.parse(values), reading.parse(turned)
    assert one.model_dump_json() == two.model_dump_json()
    assert list(two.layers) == sorted(values["layers"])


@pytest.mark.parametrize("module", ["reading", "presets"])
def test_params_are_read_without_heavy_libraries(module):
    """Small commands and checks start at once."""
    heavy = {"torch", "numpy", "pandas", "scipy", "sklearn", "matplotlib"}
    code = f"import sys, tickle_core.params.{module}; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
