"""Which files lie in class folders, and what else lies there."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from tickle_core.datasets.skipping import Skipped, printable
from tickle_core.errors import TickleError

# What systems leave behind in folders; so do names that start with a dot.
LEFT_BEHIND = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX"})


def list_images(root: Path) -> tuple[dict[str, list[Path]], list[Skipped]]:
    """Files of each class folder, subfolders included, and what cannot be used.

    Hidden files and folders (names that start with a dot) and those in `LEFT_BEHIND` are no part
    of anybody's images and are ignored. Every other thing is either returned as a file of a class
    or listed: files outside class folders, links that lead nowhere, outside the folder or to a
    folder, what is neither file nor folder, names that are not valid Unicode, and class folders
    without files. Whether a file is an image is not looked at.

    Returns
    -------
    paths_by_class
        Classes sorted by name, files by the text of their path. Names are in Unicode's composed
        form (NFC), so that they are the same whichever system made the folders.
    skipped
        What cannot be used, each with its reason.

    Raises
    ------
    TickleError
        If the folder is missing, or if two class folders have the same name in composed form.
    """
    base = root.resolve()
    folders, skipped = class_folders(root)
    paths_by_class = {}
    for name in sorted(folders):
        found = list(_walk(folders[name], base))
        skipped += [
            Skipped(path.relative_to(root).as_posix(), obstacle)
            for path, obstacle in found
            if obstacle
        ]
        paths = _sorted(path for path, obstacle in found if not obstacle)
        if paths:
            paths_by_class[name] = paths
        else:
            skipped.append(Skipped(folders[name].name, "a class folder without any image"))
    return paths_by_class, skipped


def class_folders(root: Path) -> tuple[dict[str, Path], list[Skipped]]:
    """The class folders by name (NFC), and what else lies beside them; neither is entered.

    Raises
    ------
    TickleError
        As `list_images` does.
    """
    if not root.is_dir():
        raise TickleError(
            f"{root} is missing or no folder: set dataset.folder to a folder that holds one "
            "folder of images per class"
        )
    base = root.resolve()
    folders: dict[str, Path] = {}
    skipped = []
    for entry in _sorted(root.iterdir()):
        if _is_ignored(entry):
            continue
        obstacle = _obstacle(entry, base)
        if obstacle or not entry.is_dir():
            skipped.append(Skipped(entry.name, obstacle or "in no class folder"))
            continue
        name = unicodedata.normalize("NFC", entry.name)
        if name in folders:
            raise TickleError(
                f"{root} has two class folders that are both written {printable(name)} but "
                "spelled differently in Unicode: rename or merge them"
            )
        folders[name] = entry
    return folders, skipped


def _walk(folder: Path, base: Path) -> Iterator[tuple[Path, str]]:
    """Everything below a folder but folders, with why it cannot be used ("" if it can)."""
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        yield folder, f"cannot be listed: {error.strerror}"
        return
    for entry in entries:
        if _is_ignored(entry):
            continue
        obstacle = _obstacle(entry, base)
        if obstacle or not entry.is_dir():
            yield entry, obstacle
        else:
            yield from _walk(entry, base)


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name in LEFT_BEHIND


def _obstacle(path: Path, base: Path) -> str:
    """Why something in the folder `base` can be neither entered nor read, "" if it can."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return "its name is not valid Unicode"
    if path.is_symlink():
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):  # a loop of links is a RuntimeError before Python 3.13
            return "a link to nothing"
        if not target.is_relative_to(base):
            return "a link that leads outside the folder"
        if target.is_dir():
            return "a link to a folder; only links to files are followed"
    if not path.is_dir() and not path.is_file():
        return "neither a file nor a folder"
    return ""


def _sorted(paths: Iterator[Path]) -> list[Path]:
    """Paths in the order of their text; their own order differs between versions of Python."""
    return sorted(paths, key=Path.as_posix)
