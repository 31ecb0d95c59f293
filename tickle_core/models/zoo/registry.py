"""The sources of models, by the name that `model.source` has in params.yaml."""

from tickle_core.datasets.announced import Announced
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.zoo import checkpoint, efficientnet_lite0, timm, torchvision
from tickle_core.models.zoo.entry import Entry
from tickle_core.params.model import Model


def describe(section: Model, images: ImageSet | Announced) -> Entry:
    """What a section of params.yaml says of its model; nothing large is loaded or downloaded.

    Parameters
    ----------
    section
        `model` in params.yaml.
    images
        The image set, or what is known of it: models that come without classes take its.

    Raises
    ------
    TickleError
        If the model does not exist.
    """
    match section.source:
        case "train":
            return small_resnet(images)
        case "torchvision":
            return torchvision.describe(section, images.class_names)
        case "timm":
            return timm.describe(section, images)
        case "checkpoint":
            return checkpoint.describe(section, images.class_names)
        case "efficientnet_lite0":
            return efficientnet_lite0.describe()


def small_resnet(images: ImageSet | Announced) -> Entry:
    """The network that `source: train` trains, as it is before."""
    arguments = {"channels": images.channels, "classes": len(images.class_names)}
    return Entry(
        architecture={"library": "tickle", "name": "small_resnet", "arguments": arguments},
        source="trained on the data set's train split",
        class_names=images.class_names,
        preprocessing=None,
    )
