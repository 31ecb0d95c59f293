"""What people should know of an image set before they trust numbers about it."""

from tickle_core.datasets import skipping
from tickle_core.datasets.image_set import ImageSet
from tickle_core.datasets.skipping import printable

NAMED = 3  # groups of copies in a note


def notes(images: ImageSet) -> list[str]:
    """Sentences, without their full stop, on what was skipped and which images have copies.

    The whole lists are `images.skipped` and `images.duplicates`.
    """
    found = []
    if images.skipped:
        found.append(
            f"skipped in the folder ({len(images.skipped)}): {skipping.summary(images.skipped)}"
        )
    found += images.remarks
    if copies := images.duplicates:
        named = "; ".join(" = ".join(map(printable, group)) for group in copies[:NAMED])
        more = f"; and {len(copies) - NAMED} more" if len(copies) > NAMED else ""
        found.append(
            f"images that have copies ({len(copies)}), each of which counts once: {named}{more}"
        )
    sides = images.table.groupby("content")["split"].nunique()
    if both := int((sides > 1).sum()):
        found.append(f"images on both sides of the split that the set comes with: {both}")
    return found
