"""What can be refused of concepts before there are images."""

from tickle_core.datasets.announced import STAND_INS, announced
from tickle_core.datasets.concept_sets import definition, folders, members
from tickle_core.errors import TickleError
from tickle_core.params.dataset import Dataset


def require(sets: str, dataset: Dataset) -> None:
    """Refuse concepts that cannot be: the file, classes where they are known, empty folders.

    Raises
    ------
    TickleError
        As `definition.read` and `members.labels_of` do, or if a folder has too few files.
    """
    path = definition.file_of(sets)
    class_names = announced(dataset).class_names
    least = members.LEAST_TRAIN + members.LEAST_TEST
    for name, each in definition.read(path).items():
        if class_names != STAND_INS:
            members.labels_of(name, each, class_names)
        if each.folder is not None:
            found = len(folders.files(path.parent / each.folder))
            if found < least:
                raise TickleError(
                    f"{path}: {name}: {path.parent / each.folder} holds {found} files, and a "
                    f"concept needs {least} images at least"
                )
