"""The door that each stage enters through, and leaves by.

On the way in: the params are checked, the seeds set, the stage locked against a second copy of
itself. On the way out: if the tracked params or the code changed while the stage ran, nothing is
published and the stage fails, because DVC reads both after the command has ended and would record
the old output under the new values. Outputs are written beside their place and renamed into it.
"""

import argparse
import errno
import json
import os
import random
import resource
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from tickle_core import checksums, fingerprint, hashing, intact, pipeline_file
from tickle_core.errors import TickleError
from tickle_core.params import reading
from tickle_core.params.schema import Params

CACHE = Path(".cache")
CODE_FILE = Path("data/code.json")
# How long to wait for a copy of this stage that is just being killed to let go of its lock.
LOCK_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Run:
    """One execution of one stage.

    Attributes
    ----------
    stage
        Its name.
    params
        All of params.yaml, checked. A stage reads only what dvc.yaml says that it tracks.
    tracked
        What it tracks, by dotted key, as the file has it.
    dependencies
        Paths that dvc.yaml declares.
    code
        Fingerprint of the stage's code.
    """

    stage: str
    params: Params
    tracked: dict[str, Any]
    dependencies: list[str]
    code: str
    _staged: dict[Path, Path] = field(default_factory=dict)
    _adopted: dict[Path, Path] = field(default_factory=dict)
    _scratch: list[Path] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As DVC has it."""
        return self.stage

    def output(self, path: str) -> Path:
        """Where to write the output whose place is `path`; it moves there at the end.

        The parent folder exists; the returned path does not.
        """
        final = Path(path)
        staged = final.with_name(f".partial-{final.name}")
        final.parent.mkdir(parents=True, exist_ok=True)
        remove(staged)  # what a killed run left behind
        self._staged[final] = staged
        return staged

    def adopt(self, path: str, made: Path) -> None:
        """Publish a folder that was made elsewhere under `path`; if the run fails, it stays."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._adopted[Path(path)] = made

    def output_directory(self, path: str) -> Path:
        """The same for an output that is a folder: it exists and is empty."""
        staged = self.output(path)
        staged.mkdir()
        return staged

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write the metrics file of the stage, with the params that it comes from.

        Raises
        ------
        ValueError
            If a number is infinite or not a number.
        """
        path = Path("reports/metrics", *self.name.split("@")).with_suffix(".json")
        checksums.write_metrics(self.output(str(path)), metrics | {"params": self.tracked})

    def scratch(self, device: str, contents: Mapping[str, Sequence[str]]) -> Path:
        """A folder for unfinished work: it goes when the outputs are published.

        A run that was killed finds it again, as it is named by all that decides the result: code,
        tracked params, device, and what the dependencies hold.

        Parameters
        ----------
        contents
            Hashes of what is used of each dependency, by its path in dvc.yaml.

        Raises
        ------
        ValueError
            If a dependency is left out: work on an older one would be taken for its own.
        """
        if contents.keys() != set(self.dependencies):
            raise ValueError(f"{self.name} depends on {self.dependencies}, not on {[*contents]}")
        tracked = json.dumps(self.tracked, sort_keys=True)
        inputs = [f"{path}: {','.join(contents[path])}" for path in sorted(contents)]
        key = hashing.of_texts([self.name, self.code, device, tracked, *inputs])
        path = CACHE / "unfinished" / self.name / key
        path.mkdir(parents=True, exist_ok=True)
        self._scratch.append(path)
        return path


@dataclass(frozen=True, kw_only=True)
class LayerRun(Run):
    """One execution of a stage that runs once per layer; `alias` is that of the layer."""

    alias: str

    @property
    def name(self) -> str:
        """As DVC has it."""
        return f"{self.stage}@{self.alias}"


def enter(stage: str, main: Callable[[Run], None]) -> None:
    """Run a stage: `python -m stages.<stage>`. Does not return.

    Exits with 0 when the outputs are in place, with 1 after a one-line message when something is
    wrong that the user can mend.
    """
    _leave(stage, lambda: _enter(stage, main, per_layer=False))


def enter_layer(stage: str, main: Callable[[LayerRun], None]) -> None:
    """The same for a stage that runs once per layer: `python -m stages.<stage> <alias>`."""
    _leave(stage, lambda: _enter(stage, main, per_layer=True))


def _leave(stage: str, work: Callable[[], None]) -> NoReturn:
    if not sys.warnoptions:
        # Libraries' advice to those who call them; `python -W default -m stages...` shows it.
        warnings.simplefilter("ignore")
    try:
        work()
    except TickleError as error:
        sys.exit(f"error in {stage}: {error}")
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        sys.exit(
            f"error in {stage}: out of memory ({_first_line(error)}); lower the batch sizes and "
            f"counts of {stage} in {reading.PARAMS_FILE}"
        )
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(
            f"error in {stage}: the disk is full ({error.filename or Path.cwd()}); free some space "
            "and run again: finished shards are kept"
        )
    except KeyboardInterrupt:
        sys.exit(f"{stage}: interrupted")
    sys.exit(0)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether an allocation failed: torch has an error of its own on GPUs, and none on CPUs."""
    kind = type(error).__name__
    return kind in ("MemoryError", "OutOfMemoryError", "_ArrayMemoryError") or (
        "can't allocate memory" in str(error)
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _enter(stage: str, main: Callable[[Any], None], per_layer: bool) -> None:
    values = reading.read()
    checked = reading.parse(values)
    alias = _alias(stage, checked, per_layer)
    _seed(checked.seed)
    before = _snapshot(stage, alias, values)
    _require_current_code(stage, before["code"])
    common = {
        "stage": stage,
        "params": checked,
        "tracked": before["params"],
        "dependencies": pipeline_file.entries(pipeline_file.stages()[stage], "deps", alias),
        "code": before["code"],
    }
    run = Run(**common) if alias is None else LayerRun(**common, alias=alias)
    started = time.monotonic()
    with _Locked(run.name):
        for path, output in pipeline_file.inputs(stage, alias, checked.layers):
            intact.require(path, output)
        try:
            main(run)
            made = run._staged | run._adopted
            for folder in filter(Path.is_dir, made.values()):
                checksums.write(folder)
            _require_unchanged(run.name, before, stage, alias)
            for final, staged in made.items():
                _publish(staged, final)
            for folder in run._scratch:
                remove(folder)
        finally:
            for staged in run._staged.values():
                remove(staged)
    _log(run.name, time.monotonic() - started)


def _alias(stage: str, checked: Params, per_layer: bool) -> str | None:
    parser = argparse.ArgumentParser(prog=f"python -m stages.{stage}")
    if per_layer:
        parser.add_argument("alias", help=f"one of: {', '.join(checked.layers)}")
    alias = getattr(parser.parse_args(), "alias", None)
    if alias is not None and alias not in checked.layers:
        raise TickleError(
            f"no layer {alias!r} in {reading.PARAMS_FILE}; it has {', '.join(checked.layers)}"
        )
    return alias


def _seed(seed: int) -> None:
    """Seed the global generators, for libraries that draw from them; our own draws name a seed."""
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def _snapshot(stage: str, alias: str | None, values: dict[str, Any]) -> dict[str, Any]:
    """What DVC will record for the stage: its tracked params and its code."""
    tracked = {key: reading.lookup(values, key) for key in tracked_keys(stage, alias)}
    return {"params": tracked, "code": fingerprint.fingerprint(stage, Path())}


def tracked_keys(stage: str, alias: str | None) -> list[str]:
    """The keys of params.yaml that dvc.yaml tracks for a stage."""
    return pipeline_file.entries(pipeline_file.stages()[stage], "params", alias)


def _require_current_code(stage: str, code: str) -> None:
    """Refuse code that is newer than what DVC took its fingerprint from."""
    if "DVC_STAGE" not in os.environ or not CODE_FILE.is_file():
        return
    try:
        recorded = json.loads(CODE_FILE.read_text(encoding="utf-8")).get(stage, code)
    except ValueError:
        raise TickleError(f"{CODE_FILE} is damaged: remove it and run `dvc repro`") from None
    if recorded != code:
        raise TickleError(
            "the code changed after the stage `fingerprint` ran; run `dvc repro` again"
        )


def _require_unchanged(name: str, before: dict[str, Any], stage: str, alias: str | None) -> None:
    try:
        after = _snapshot(stage, alias, reading.read())
    except (TickleError, SyntaxError, OSError) as error:
        raise TickleError(f"cannot tell whether the inputs of {name} changed: {error}") from None
    changed = [key for key, value in before["params"].items() if after["params"].get(key) != value]
    if changed:
        raise TickleError(
            f"{', '.join(changed)} changed in {reading.PARAMS_FILE} while {name} ran, so its "
            "result belongs to the old values and is not kept; run `dvc repro` again"
        )
    if after["code"] != before["code"]:
        raise TickleError(
            f"the code of {name} changed while it ran, so its result belongs to the old code and "
            "is not kept; run `dvc repro` again"
        )


class _Locked:
    """Hold the stage's lock; a second copy waits a little and then is refused."""

    def __init__(self, name: str):
        path = CACHE / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._name, self._lock = name, FileLock(path, timeout=LOCK_SECONDS)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise TickleError(f"{self._name} is already running in another process") from None

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _publish(staged: Path, final: Path) -> None:
    """Rename into place; what stood there is moved aside first, then deleted."""
    old = final.with_name(f".partial-old-{final.name}")
    remove(old)
    if staged.parent.stat().st_dev != final.parent.stat().st_dev:
        # An adopted folder may lie on another file system, from where nothing can be renamed.
        beside = final.with_name(f".partial-{final.name}")
        remove(beside)
        shutil.copytree(staged, beside)
        remove(staged)
        staged = beside
    if final.exists() or final.is_symlink():
        final.rename(old)
    staged.rename(final)
    remove(old)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _log(name: str, seconds: float) -> None:
    """Append time and peak memory to an untracked log: they are no part of a result."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mib = peak / (2**20 if sys.platform == "darwin" else 2**10)
    line = {"stage": name, "seconds": round(seconds, 2), "peak_mib": round(mib)}
    with (CACHE / "timings.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
