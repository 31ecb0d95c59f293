"""Images that belong together: of one patient, video or photographer, as a table of theirs says."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tickle_core.datasets.layout import GROUPS
from tickle_core.datasets.skipping import printable
from tickle_core.errors import TickleError

COLUMNS = ("file", "group")
NAMED = 3


def read(root: Path, sources: Sequence[str]) -> dict[str, str]:
    """Group by file, from `groups.csv` in the folder of the class folders; {} if there is none.

    Parameters
    ----------
    sources
        Paths of all files below the folder, which the table may name.

    Raises
    ------
    TickleError
        If the table is damaged, has other columns than `file` and `group`, or names a file twice
        or one that is not there.
    """
    path = root / GROUPS
    if not path.is_file():
        return {}
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:  # what pandas raises on bad tables are ValueErrors
        raise TickleError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if missing := [name for name in COLUMNS if name not in table]:
        raise TickleError(f"{path} lacks the column {missing[0]}: it needs {' and '.join(COLUMNS)}")
    files = table["file"]
    for what, wrong in {
        "twice": files[files.duplicated()],
        "that are not there": files[~files.isin(set(sources))],
    }.items():
        if len(wrong):
            named = ", ".join(map(printable, wrong.iloc[:NAMED]))
            raise TickleError(f"{path} names {len(wrong)} files {what}: {named}")
    return dict(zip(files, table["group"], strict=True))
