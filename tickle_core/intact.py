"""Whether what a stage is going to read is as it was left."""

from pathlib import Path

from tickle_core import hashing
from tickle_core.checksums import OWN, SUMS, names, of_metrics
from tickle_core.errors import TickleError
from tickle_core.results import read_json

METRICS = Path("reports/metrics")


def require(path: Path, output: Path) -> None:
    """Refuse something that a stage left if it is not as it was left.

    Parameters
    ----------
    path
        What is going to be read: an output, or a file or folder in it.
    output
        A folder, or a metrics file.

    Raises
    ------
    TickleError
        Naming what is missing or damaged, and what brings it back.
    """
    if not path.exists():
        raise TickleError(f"{path} is missing: `dvc repro` or `dvc checkout` brings it")
    if output.is_dir():
        sums = _sums(output)
        for name in dict.fromkeys([*sums, *names(output)]):
            if (output / name).is_relative_to(path):
                _require_file(output / name, output, sums.get(name))
    elif output.is_relative_to(METRICS):
        _require_metrics(output)


def _require_file(path: Path, output: Path, expected: str | None) -> None:
    try:
        found = hashing.of_file(path)
    except FileNotFoundError:
        raise TickleError(f"{path} is missing; {_remedy(output)}") from None
    except OSError as error:
        raise TickleError(f"{path} cannot be read ({error.strerror}); {_remedy(output)}") from None
    if expected is None:
        raise TickleError(f"{output / SUMS} is damaged ({path} is not in it); {_remedy(output)}")
    if found != expected:
        raise TickleError(f"{path} is damaged (its checksum differs); {_remedy(output)}")


def _require_metrics(path: Path) -> None:
    try:
        metrics = read_json(path)
        expected = metrics.pop(OWN)
    except (ValueError, KeyError, AttributeError, TypeError):
        raise TickleError(f"{path} is damaged (no whole metrics file); {_remedy(path)}") from None
    except OSError as error:
        raise TickleError(f"{path} cannot be read ({error.strerror}); {_remedy(path)}") from None
    if of_metrics(metrics) != expected:
        raise TickleError(f"{path} is damaged (its checksum differs); {_remedy(path)}")


def _sums(folder: Path) -> dict[str, str]:
    """Hashes by name, as SHA256SUMS lists them."""
    path = folder / SUMS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except FileNotFoundError:
        raise TickleError(f"{path} is missing; {_remedy(folder)}") from None
    except (OSError, ValueError) as error:
        raise TickleError(f"{path} is damaged ({error}); {_remedy(folder)}") from None


def _remedy(output: Path) -> str:
    return f"remove {output} and run `dvc checkout` or `dvc repro`"
