"""The classes of ImageNet-1k, in the order that published weights share."""

CLASSES = 1000


def imagenet_synsets(classes: int) -> list[str] | None:
    """WordNet ids ("n01440764") of the 1000 classes; None for a model with another number."""
    from timm.data import ImageNetInfo  # takes seconds

    return ImageNetInfo("imagenet-1k").label_names() if classes == CLASSES else None


def imagenet_names() -> list[str]:
    """All lemmas of each class ("tench, Tinca tinca")."""
    from timm.data import ImageNetInfo

    return list(ImageNetInfo("imagenet-1k").label_descriptions())
