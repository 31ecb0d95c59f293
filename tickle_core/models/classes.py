"""Which class of the model each class of the data set is.

The two need not be the same list: a folder of photographs may hold ten of a model's thousand
classes, under other spellings, or none of them.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from tickle_core.errors import TickleError
from tickle_core.models.names import suggest

# A WordNet id, alone ("n01440764") or before a name ("n01440764_tench").
SYNSET = re.compile(r"(n\d{8})(?:[\s_.,-]+(.*))?")


def match(
    dataset: Sequence[str], model: Sequence[str], synsets: Sequence[str] | None = None
) -> dict[str, int | None]:
    """The model's class for each class of the data set.

    A data set class that bears a synset id is the model's class of that id; a name in addition
    plays no part then. Otherwise names decide, compared without regard to case, underscores,
    hyphens and whatever follows a comma. A name that several classes of the model share
    ("crane": the bird, the machine) decides nothing. Several classes of the data set may be the
    same class of the model; `shared` lists them.

    Parameters
    ----------
    dataset
        Class names of the data set. If they are the model's, in the same order, each is itself.
    model
        Class names of the model, in the order of its logits. They may be or bear synset ids.
    synsets
        Synset id of each class of the model, where they are known.

    Returns
    -------
    dict
        From class name to index in the model's logits, or None where the model has no such class.
    """
    if list(dataset) == list(model):
        return {name: index for index, name in enumerate(model)}
    ids = _unambiguous(list(synsets) if synsets else [_split(name)[0] for name in model])
    names = _unambiguous([_plain(_split(name)[1]) for name in model])
    return {name: _match(name, ids, names) for name in dataset}


def shared(matches: dict[str, int | None]) -> dict[int, list[str]]:
    """Classes of the model that several classes of the data set map to, with those."""
    folders = defaultdict(list)
    for name, index in matches.items():
        if index is not None:
            folders[index].append(name)
    return {index: names for index, names in folders.items() if len(names) > 1}


def _match(name: str, ids: dict[str, int], names: dict[str, int]) -> int | None:
    synset, rest = _split(name)
    if synset and ids:
        return ids.get(synset)
    return names.get(_plain(rest))


def _split(name: str) -> tuple[str, str]:
    """Synset id, or nothing, and the rest of a class name."""
    found = SYNSET.fullmatch(name.strip())
    return (found[1], found[2] or "") if found else ("", name)


def _plain(name: str) -> str:
    """The first lemma: case, accents' encoding, underscores and hyphens no longer matter."""
    lemma = unicodedata.normalize("NFKC", name).casefold().split(",")[0]
    return " ".join(re.split(r"[\s_-]+", lemma)).strip()


def _unambiguous(keys: list[str]) -> dict[str, int]:
    """Index by key, of the keys that occur once and are not empty."""
    counts = Counter(keys)
    return {key: index for index, key in enumerate(keys) if key and counts[key] == 1}


def place_of(name: str, class_names: Sequence[str], key: str) -> int:
    """The index of the model's class of this name, which params.yaml has under `key`.

    Raises
    ------
    TickleError
        If there is none; it names the nearest.
    """
    if name not in class_names:
        raise TickleError(f"{key}: the model has no class {name!r}; {suggest(name, class_names)}")
    return list(class_names).index(name)
