"""Train and test splits that depend on what an image shows, not on where it lies."""

from collections.abc import Sequence

from tickle_core.datasets.image_set import Split, shuffle_key


def split_by_content(
    labels: Sequence[int], contents: Sequence[str], test_share: float, seed: int
) -> list[Split]:
    """Assign each image to a split, by its content and the seed.

    A keyed hash of the content is a number between 0 and 1; images below `test_share` are test
    images. Each image is thus judged by itself, and each class has about, not exactly, that share
    of test images. Four rules come on top:

    1. Copies of an image always share a split.
    2. An image that lies in several classes is a train image: no answer would be right for it.
    3. A class with two different images or more has at least one on each side: where the hashes
       leave a side empty, the image whose hash is nearest takes it. (Not where rule 2 leaves it
       no image that could be held out.)
    4. A class with a single image, however often copied, is train. Where that would leave no
       test image at all, as in a folder with one image per class, all images are treated as if
       they were of one class.

    So when images are added, none of those that were there changes sides, except: one that is
    added again in another class (rule 2); at most one per class that stood in for an empty side
    (rule 3), where an added image takes over; the one image of a class that gets its second (rule
    4); all, when a folder with one image per class gets its first class of two. Removing images
    is the same, seen backwards. Renaming and moving within a class change nothing.

    Parameters
    ----------
    labels, contents
        Class and content hash of each image.

    Returns
    -------
    list of "train" or "test"
        In the order of the images; all "train" if no two images differ.
    """
    classes: dict[str, set[int]] = {}
    members: dict[int, set[str]] = {}
    for label, content in zip(labels, contents, strict=True):
        classes.setdefault(content, set()).add(label)
        members.setdefault(label, set()).add(content)
    keys = {content: shuffle_key(content, "split", seed) for content in classes}
    cutoff = int(test_share * 2**128).to_bytes(16, "big")

    def held_out(images: set[str]) -> set[str]:
        candidates = sorted(
            (content for content in images if len(classes[content]) == 1), key=keys.__getitem__
        )
        below = {content for content in candidates if keys[content] < cutoff}
        if not below:
            return set(candidates[:1])
        if below == images:
            below.discard(candidates[-1])
        return below

    test = set().union(*(held_out(images) for images in members.values() if len(images) > 1))
    if not test and len(classes) > 1:
        test = held_out(set(classes))
    return ["test" if content in test else "train" for content in contents]
