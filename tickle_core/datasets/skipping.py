"""What was found beside the images of a set and could not be used: listed, never dropped."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tickle_core import results
from tickle_core.errors import TickleError

JOINERS = "\u200c\u200d"
NAMED = 10  # in one message; the rest is counted


@dataclass(frozen=True, order=True)
class Skipped:
    """Something that is no part of the image set.

    Attributes
    ----------
    source
        Path below the data set's folder.
    reason
        Why it cannot be used.
    """

    source: str
    reason: str


def write(path: Path, skipped: Iterable[Skipped]) -> None:
    """Write a list as JSON, sorted by source."""
    results.write_json(path, [asdict(one) for one in sorted(skipped)])


def read(path: Path) -> tuple[Skipped, ...]:
    """Read what `write` wrote.

    Raises
    ------
    TickleError
        If the file is missing or damaged.
    """
    try:
        return tuple(Skipped(**one) for one in results.read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise TickleError(
            f"{path} is missing or damaged ({error}): delete {path.parent} and run "
            "`dvc checkout` or `dvc repro`"
        ) from None


def refuse(root: Path, skipped: Sequence[Skipped]) -> None:
    """Stop if there is anything that cannot be used.

    Raises
    ------
    TickleError
        One line that names the first few and counts them all.
    """
    if skipped:
        raise TickleError(
            f"{root}: {len(skipped)} of its entries cannot be used: {summary(skipped)}. Repair or "
            "remove what is named, or set dataset.damaged to skip"
        )


def summary(skipped: Sequence[Skipped]) -> str:
    """The first few with their reasons, and how many more there are."""
    named = [f"{printable(one.source)} ({one.reason})" for one in sorted(skipped)[:NAMED]]
    more = len(skipped) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")


def printable(name: str) -> str:
    """A name on one line, and in its own direction: what cannot be printed appears as its escape.

    Joiners stay: Persian words and emoji are written with them.
    """
    return "".join(
        letter
        if letter.isprintable() or letter in JOINERS
        else letter.encode("unicode_escape").decode()
        for letter in name
    )
