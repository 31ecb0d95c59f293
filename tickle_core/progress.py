"""Progress bars with rate and time left; silent when standard error is not a terminal."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

# A bar for work that is over before anyone could read it is noise.
SHOW_AFTER_SECONDS = 2


def progress(
    items: Iterable[Item], what: str, unit: str, total: int | None = None, initial: int = 0
) -> Iterator[Item]:
    """Yield `items`, showing how far along `what` is, in `unit`s; `initial` were done before."""
    yield from tqdm(
        items,
        desc=what,
        unit=unit,
        total=total,
        initial=initial,
        disable=None,
        delay=SHOW_AFTER_SECONDS,
        dynamic_ncols=True,
        leave=False,
    )
