"""Train and test splits that depend on what an image shows, not on where it lies."""

from collections.abc import Iterable, Sequence

from tickle_core.datasets.image_set import Split, shuffle_key


def split_by_content(
    labels: Sequence[int],
    contents: Sequence[str],
    test_share: float,
    seed: int,
    together: Iterable[Sequence[int]] = (),
) -> list[Split]:
    """Assign each image to a split, by its content and the seed.

    A keyed hash of the content is a number between 0 and 1; images below `test_share` are test
    images. Each image is thus judged by itself, and each class has about, not exactly, that share
    of test images. Four rules come on top:

    1. Copies of an image always share a split, and so do images that are kept together, which go
       by the hash of the one whose content comes first.
    2. An image that lies in several classes is a train image: no answer would be right for it.
    3. A class with two different images or more has at least one on each side: where the hashes
       leave a side empty, the image whose hash is nearest takes it. (Not where rule 2 leaves it
       no image that could be held out, nor where images are kept together across classes.)
    4. A class with a single image, however often copied, is train. Where that would leave no
       test image at all, as in a folder with one image per class, all images are treated as if
       they were of one class.

    So when images are added, none of those that were there changes sides, except: one that is
    added again in another class (rule 2); at most one per class that stood in for an empty side
    (rule 3), where an added image takes over; the one image of a class that gets its second (rule
    4); all, when a folder with one image per class gets its first class of two; those that the
    added ones are kept together with. Removing images is the same, seen backwards. Renaming and
    moving within a class change nothing.

    Parameters
    ----------
    labels, contents
        Class and content hash of each image.
    together
        Places of images that are to share a split: pairs or larger groups.

    Returns
    -------
    list of "train" or "test"
        In the order of the images; all "train" if no two images differ, or all belong together.
    """
    unit_of = _units(contents, together)
    classes: dict[str, set[int]] = {}
    members: dict[int, set[str]] = {}
    for label, content in zip(labels, contents, strict=True):
        classes.setdefault(content, set()).add(label)
        members.setdefault(label, set()).add(unit_of[content])
    ambiguous = {unit_of[content] for content, found in classes.items() if len(found) > 1}
    units = set(unit_of.values())
    keys = {unit: shuffle_key(unit, "split", seed) for unit in units}
    cutoff = int(test_share * 2**128).to_bytes(16, "big")

    def held_out(images: set[str]) -> set[str]:
        candidates = sorted(images - ambiguous, key=keys.__getitem__)
        below = {unit for unit in candidates if keys[unit] < cutoff}
        if not below:
            return set(candidates[:1])
        if below == images:
            below.discard(candidates[-1])
        return below

    test = set().union(*(held_out(images) for images in members.values() if len(images) > 1))
    if not test and len(units) > 1:
        test = held_out(units)
    return ["test" if unit_of[content] in test else "train" for content in contents]


def _units(contents: Sequence[str], together: Iterable[Sequence[int]]) -> dict[str, str]:
    """The content that stands for each: the first of all that it is kept together with."""
    above = {content: content for content in contents}

    def top(content: str) -> str:
        while above[content] != content:
            above[content] = above[above[content]]
            content = above[content]
        return content

    for places in together:
        tops = {top(contents[place]) for place in places}
        for each in tops:
            above[each] = min(tops)
    return {content: top(content) for content in above}
