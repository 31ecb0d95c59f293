"""Which folders are classes, and which are splits."""

from pathlib import Path

from tickle_core.datasets.image_set import Split
from tickle_core.datasets.skipping import printable
from tickle_core.errors import TickleError

GROUPS = "groups.csv"  # which images belong together, beside the class folders

TRAIN = frozenset({"train", "training"})
VALIDATION = frozenset({"val", "valid", "validation", "dev"})
TEST = frozenset({"test", "testing", "eval"})


def splits(folders: dict[str, Path], root: Path) -> dict[str, Split]:
    """The split that each folder is, by its name.

    What is called validation belongs to train, unless it is all that there is to test on.

    Raises
    ------
    TickleError
        If a folder has no such name, or if one of the two splits is missing.
    """
    names = {name: name.lower() for name in folders}
    tested = TEST if any(name in TEST for name in names.values()) else VALIDATION
    known = TRAIN | VALIDATION | TEST
    strange = [name for name, low in names.items() if low not in known]
    found: dict[str, Split] = {
        name: "test" if low in tested else "train" for name, low in names.items()
    }
    if strange or set(found.values()) != {"train", "test"}:
        there = ", ".join(map(printable, folders)) or "none"
        raise TickleError(
            f"dataset.split is folders, so {root} needs folders named train and test (or val) and "
            f"no others, and has {there}"
        )
    return found


def require_classes(folders: dict[str, Path], below: dict[str, set[str]], root: Path) -> None:
    """Refuse folders that are seen to be something else than classes.

    Parameters
    ----------
    below
        Names of the folders in each.

    Raises
    ------
    TickleError
        If they are named like splits, or all hold the same folders.
    """
    low = {name.lower() for name in folders}
    if low & TRAIN and low & (VALIDATION | TEST):
        raise TickleError(
            f"{root} holds {', '.join(map(printable, folders))}, which are splits and no classes: "
            "set dataset.split to folders, or dataset.folder to one of them"
        )
    alike = set(map(frozenset, below.values()))
    if len(folders) > 1 and len(alike) == 1 and len(names := min(alike)) > 1:
        raise TickleError(
            f"all folders in {root} hold the same folders ({', '.join(sorted(names))}), so it is "
            "not clear which are the classes: let only these lie in dataset.folder"
        )
