"""The sources of models, by the name that `model.source` has in params.yaml."""

from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.zoo import checkpoint, efficientnet_lite0, timm, torchvision
from tickle_core.models.zoo.entry import Entry, required
from tickle_core.params import Model


def describe(section: Model, images: ImageSet | None) -> Entry:
    """What a section of params.yaml says of its model; nothing large is loaded or downloaded.

    Parameters
    ----------
    section
        `model` in params.yaml.
    images
        The image set, if there is one already. Models that come with their own classes do
        without.

    Raises
    ------
    TickleError
        If the model does not exist, or needs the image set and there is none.
    """
    match section.source:
        case "train":
            return small_resnet(required(images))
        case "torchvision":
            return torchvision.describe(section, images)
        case "timm":
            return timm.describe(section, images)
        case "checkpoint":
            return checkpoint.describe(section, images)
        case "efficientnet_lite0":
            return efficientnet_lite0.describe()


def small_resnet(images: ImageSet) -> Entry:
    """The network that `source: train` trains, as it is before."""
    arguments = {"channels": images.images.shape[3], "classes": len(images.class_names)}
    return Entry(
        architecture={"library": "tickle", "name": "small_resnet", "arguments": arguments},
        source="trained on the data set's train split",
        class_names=images.class_names,
        preprocessing=None,
    )
