"""Which files lie in class folders, and what else lies there."""

import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from tickle_core.datasets import layout
from tickle_core.datasets.skipping import Skipped, printable
from tickle_core.errors import TickleError

# What systems leave behind in folders, in whatever case; so do names that start with a dot.
LEFT_BEHIND = frozenset(
    {
        "#recycle",
        "$recycle.bin",
        "@eadir",
        "__macosx",
        "desktop.ini",
        "icon\r",
        "lost+found",
        "system volume information",
        "thumbs.db",
    }
)


def list_images(
    root: Path, split: Literal["content", "folders"] = "content"
) -> tuple[dict[str, list[Path]], list[Skipped]]:
    """Files of each class folder, subfolders included, and what cannot be used.

    Hidden files and folders (names that start with a dot), those in `LEFT_BEHIND` and the table of
    groups are no images and are ignored. Every other thing is either returned as a file of a class
    or listed: files outside class folders, links that lead nowhere, outside the folder or to a
    folder, what is neither file nor folder, names that are not valid Unicode, and class folders
    without files. Whether a file is an image is not looked at.

    Parameters
    ----------
    split
        Where the class folders lie: right below `root`, or below the folders of a split.

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
        If the folder is missing, if it is laid out otherwise, or if two class folders have the
        same name in composed form.
    """
    base = root.resolve()
    folders, skipped = folders_of(root, base)
    if split == "folders":
        layout.splits(folders, root)
        places: list[tuple[str, Path]] = []
        for top in folders.values():
            found, beside = folders_of(top, base)
            places += found.items()
            skipped += [Skipped(f"{top.name}/{one.source}", one.reason) for one in beside]
    else:
        layout.require_classes(folders, {name: _below(folders[name]) for name in folders}, root)
        places = list(folders.items())
    paths_by_class: dict[str, list[Path]] = {}
    for name, folder in sorted(places):
        entries = list(_walk(folder, base))
        skipped += [
            Skipped(path.relative_to(root).as_posix(), obstacle)
            for path, obstacle in entries
            if obstacle
        ]
        paths = [path for path, obstacle in entries if not obstacle]
        if paths:
            paths_by_class[name] = _sorted([*paths_by_class.get(name, []), *paths])
        else:
            source = folder.relative_to(root).as_posix()
            skipped.append(Skipped(source, "a class folder without any image"))
    return paths_by_class, skipped


def folders_of(root: Path, base: Path) -> tuple[dict[str, Path], list[Skipped]]:
    """The folders in a folder by name (NFC), and what else lies there; nothing is entered.

    Parameters
    ----------
    base
        What links may not lead out of.

    Raises
    ------
    TickleError
        If it is no folder, or two names are the same in composed form.
    """
    if not root.is_dir():
        raise TickleError(
            f"{root} is missing or no folder: set dataset.folder to a folder that holds one "
            "folder of images per class"
        )
    folders: dict[str, Path] = {}
    skipped = []
    for entry in _sorted(root.iterdir()):
        if _is_ignored(entry) or entry.name == layout.GROUPS:
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


def _below(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if entry.is_dir() and not _is_ignored(entry)}


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
    return path.name.startswith(".") or path.name.lower() in LEFT_BEHIND


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


def _sorted(paths: Iterable[Path]) -> list[Path]:
    """Paths in the order of their text; their own order differs between versions of Python."""
    return sorted(paths, key=Path.as_posix)
