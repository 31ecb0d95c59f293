"""Presets: `python -m tickle_core.params.presets NAME` makes params.yaml that of a preset.

`presets/fashion_mnist.yaml` is the default, whole and with all comments. The others are overlays:
they hold what differs. A key's comment at the end of its line replaces the default's there; comment
lines above it come in addition. What stands below a key of `REPLACED` goes as a whole.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tickle_core.errors import TickleError
from tickle_core.params import reading
from tickle_core.params.errors import hint

FOLDER = Path("presets")
DEFAULT = "fashion_mnist"
REPLACED = {"dataset", "model", "layers", "sae.layers", "sae.companions"}

KEY = re.compile(r"( *)([a-z]\w*):")
VALUE = re.compile(r" *\w+: *[^#]*?(?P<comment>#.*)?")


def names(folder: Path = FOLDER) -> list[str]:
    """The presets that there are."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def text(name: str, folder: Path = FOLDER) -> str:
    """What params.yaml says with a preset.

    Raises
    ------
    TickleError
        If there is no such preset, or it has a key that the default lacks.
    """
    known = names(folder)
    if not known:
        raise TickleError(f"{folder} holds no presets: run from the project's top folder")
    if name not in known:
        raise TickleError(f"no preset {name!r}; {hint(name, known)}")
    lines = (folder / f"{DEFAULT}.yaml").read_text(encoding="utf-8").splitlines()
    if name != DEFAULT:
        overlay = (folder / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
        lines = _laid_over(lines, overlay, "", name)
    return "\n".join(lines) + "\n"


def apply(name: str, root: Path = Path()) -> None:
    """Write params.yaml of a preset; what stood there is not lost.

    Raises
    ------
    TickleError
        If there is no such preset, or params.yaml has changes that neither git nor a preset knows.
    """
    folder, path = root / FOLDER, root / reading.PARAMS_FILE
    wanted = text(name, folder).encode()
    known = [text(each, folder).encode() for each in names(folder)]
    if path.is_file():
        present = path.read_bytes()
        if present not in known and present != _committed(root):
            raise TickleError(
                f"{path} has changes that are saved nowhere: commit them (git commit {path}), or "
                "remove the file, and run again"
            )
    partial = path.with_name(f".partial-{path.name}")
    partial.write_bytes(wanted)
    partial.replace(path)


def _committed(root: Path) -> bytes | None:
    """params.yaml as the last commit has it; None without git, or where it has none."""
    command = ["git", "show", f"HEAD:./{reading.PARAMS_FILE}"]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _laid_over(lines: list[str], overlay: list[str], within: str, name: str) -> list[str]:
    """The lines of a mapping with those of an overlay of it."""
    spans = _spans(lines)
    for key, (first, end) in reversed(_spans(overlay).items()):
        place = f"{within}{key}"
        if key not in spans:
            raise TickleError(f"presets/{name}.yaml has {place}, which the default lacks")
        start, stop = spans[key]
        # The first comment of an overlay is about the file.
        above = _comments_above(overlay, first) if within else []
        head, body = overlay[first], overlay[first + 1 : end]
        if place in REPLACED or not body:
            lines[start:stop] = [*above, _with_comment(head, lines[start]), *body]
        else:
            below = _laid_over(lines[start + 1 : stop], body, f"{place}.", name)
            lines[start + 1 : stop] = below
    return lines


def _spans(lines: list[str]) -> dict[str, tuple[int, int]]:
    """By key of a mapping's own: its line, and that behind its value, comments below it aside."""
    found = [(i, match) for i, line in enumerate(lines) if (match := KEY.match(line))]
    indent = min((len(match[1]) for _, match in found), default=0)
    starts = [(match[2], i) for i, match in found if len(match[1]) == indent]
    ends = [i for _, i in starts[1:]] + [len(lines)]
    spans = {}
    for (key, start), end in zip(starts, ends, strict=True):
        while re.fullmatch(rf" {{0,{indent}}}(#.*)?", lines[end - 1]):
            end -= 1
        spans[key] = (start, end)
    return spans


def _comments_above(lines: list[str], place: int) -> list[str]:
    first = place
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return lines[first:place]


def _with_comment(line: str, default: str) -> str:
    """An overlay's line, with the default's comment in its column if it has none of its own."""
    comment = _comment(default)
    if not comment or _comment(line):
        return line
    return f"{line:{default.index(comment) - 1}} {comment}"


def _comment(line: str) -> str:
    found = VALUE.fullmatch(line)
    return found["comment"] or "" if found else ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tickle_core.params.presets")
    parser.add_argument("name", help=f"one of: {', '.join(names())}")
    try:
        apply(parser.parse_args().name)
    except TickleError as error:
        sys.exit(f"error in preset: {error}")
