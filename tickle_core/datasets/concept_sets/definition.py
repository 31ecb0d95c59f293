"""What a concept is: data/concepts/<name>.yaml, a mapping from concepts to where images come from.

footwear: {classes: [Sandal, Sneaker, Ankle boot]}     # classes of the image set, by name
dog: {synsets: [n02085620-n02113978, n02115641]}       # by WordNet id; ranges include both ends
striped: {texture: striped}                            # drawn
dark: {pixels: dark}                                   # the fifth of each class that is most so
wheel: {folder: wheel, masks: wheel_masks}             # images in data/concepts/wheel/
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from tickle_core.errors import TickleError
from tickle_core.params import reading
from tickle_core.params.errors import explain
from tickle_core.params.types import Block

FOLDER = Path("data/concepts")
SOURCES = ("classes", "synsets", "texture", "pixels", "folder")
LONGEST_NAME = 60
SYNSETS = re.compile(r"n\d{8}(-n\d{8})?")

Names = Annotated[list[str], Field(min_length=1)]
Texture = Literal["striped", "dotted", "checkered", "zigzag", "gradient", "noise"]
Rule = Literal["dark", "symmetric", "elongated"]


class Concept(Block):
    """Where the images of a concept come from: exactly one of its sources, and perhaps masks."""

    classes: Names | None = None
    """Names of classes of the image set."""
    synsets: Names | None = None
    """WordNet ids of classes of the image set, or ranges of them."""
    texture: Texture | None = None
    """A texture that is drawn."""
    pixels: Rule | None = None
    """A rule on the pixels of the image set's images."""
    folder: str | None = None
    """A folder of images below data/concepts."""
    masks: str | None = None
    """A folder of masks for images of `folder`, under the same names: not black is the concept."""

    @property
    def source(self) -> str:
        """The one of SOURCES that is given."""
        return next(name for name in SOURCES if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_source(self) -> "Concept":
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"not {' and '.join(given)}" if given else "and has none"
            raise ValueError(f"a concept has one of {', '.join(SOURCES)}, {found}")
        if self.masks is not None and self.folder is None:
            raise ValueError("masks go with a folder of images")
        for each in self.synsets or ():
            if not SYNSETS.fullmatch(each):
                raise ValueError(f"{each!r} is no synset id (n02085620) or range of two")
        for below in (self.folder, self.masks):
            if below is not None and (Path(below).is_absolute() or ".." in Path(below).parts):
                raise ValueError(f"{below!r} does not lie below {FOLDER}")
        return self


def file_of(sets: str) -> Path:
    """The file with the concepts that params.yaml names."""
    return FOLDER / f"{sets}.yaml"


def read(path: Path) -> dict[str, Concept]:
    """The concepts of a file, sorted by name.

    Raises
    ------
    TickleError
        In one line: if the file is missing or no mapping, with the other files there are; an
        unknown key, with the nearest valid one; a concept without a source or with several; a
        folder that is not there.
    """
    if not path.is_file():
        known = sorted(each.stem for each in path.parent.glob("*.yaml"))
        there = f"there are {', '.join(known)}" if known else "there are none"
        raise TickleError(f"concepts.sets: {path} is missing; {there}")
    concepts = {}
    for name, values in sorted(reading.read(path).items(), key=lambda item: str(item[0])):
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            raise TickleError(
                f"{path}: {name!r} is no name of a concept: 1 to {LONGEST_NAME} characters"
            )
        try:
            concepts[name] = Concept.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(explain(problem, Concept) for problem in error.errors())
            raise TickleError(f"{path}: {name}: {problems}") from None
        for each in (concepts[name].folder, concepts[name].masks):
            if each is not None and not (path.parent / each).is_dir():
                raise TickleError(f"{path}: {name}: {path.parent / each} is no folder")
    return concepts
