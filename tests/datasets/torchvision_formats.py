"""Small stand-ins for data sets, drawn in the forms in which torchvision finds them on disk.

Every image is grey all over, and darker or lighter by its class (`shade`), so that a label that
goes with the wrong image shows.
"""

import bz2
import hashlib
import io
import json
import pickle

import numpy as np
import scipy.io
from PIL import Image
from torchvision import datasets

# Labels of the images in each split, in the order in which the set has them.
TRAIN, TEST = [0, 1, 1, 0], [1, 0]


def shade(label):
    return 40 + 20 * label


def array(label, shape):
    return np.full(shape, shade(label), dtype=np.uint8)


def draw(path, label, size=(12, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade(label),) * 3).save(path)


def text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def class_folders(root, labels, names, suffix):
    for row, label in enumerate(labels):
        draw(root / names[label] / f"{row}.{suffix}", label)


class Python2Pickler(pickle._Pickler):
    """Writes bytes as the strings of Python 2, from which the published files of CIFAR come."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_bytes(self, content):
        self.write(pickle.BINSTRING + len(content).to_bytes(4, "little") + content)

    dispatch[bytes] = save_bytes


def cifar(root, patch, made_by, key, names_key):
    folder = root / made_by.base_folder
    folder.mkdir(parents=True)

    def dump(name, content):
        file = io.BytesIO()
        Python2Pickler(file, protocol=2).dump(content)
        (folder / name).write_bytes(file.getvalue().replace(b"numpy._core", b"numpy.core"))
        return [name, md5(folder / name)]

    def batch(name, labels):
        flat = np.stack([array(label, 3 * 32 * 32) for label in labels])
        return dump(name, {"data": flat, key: labels})

    name, found = dump("meta", {names_key: ["airplane", "automobile"]})
    patch.setattr(made_by, "meta", {"filename": name, "key": names_key, "md5": found})
    patch.setattr(made_by, "train_list", [batch("one", TRAIN[:3]), batch("two", TRAIN[3:])])
    patch.setattr(made_by, "test_list", [batch("test", TEST)])
    return ["airplane", "automobile"]


def cifar10(root, patch):
    return cifar(root, patch, datasets.CIFAR10, "labels", "label_names")


def cifar100(root, patch):
    return cifar(root, patch, datasets.CIFAR100, "fine_labels", "fine_label_names")


def idx_files(name):
    def make(root, patch):
        raw = root / name / "raw"
        raw.mkdir(parents=True)
        for split, labels in (("train", TRAIN), ("t10k", TEST)):
            count = len(labels).to_bytes(4, "big")
            side = (28).to_bytes(4, "big")
            pixels = b"".join(array(label, (28, 28)).tobytes() for label in labels)
            (raw / f"{split}-images-idx3-ubyte").write_bytes(
                b"\0\0\x08\x03" + count + side + side + pixels
            )
            (raw / f"{split}-labels-idx1-ubyte").write_bytes(
                b"\0\0\x08\x01" + count + bytes(labels)
            )
        return getattr(datasets, name).classes

    return make


def svhn(root, patch):
    root.mkdir()
    files = {}
    for split, labels in (("train", TRAIN), ("test", TEST)):
        path = root / f"{split}_32x32.mat"
        pixels = np.stack([array(label, (32, 32, 3)) for label in labels], axis=3)
        # The files say 10 for the digit zero.
        digits = np.array([[label or 10] for label in labels], dtype=np.uint8)
        scipy.io.savemat(path, {"X": pixels, "y": digits})
        files[split] = ["", path.name, md5(path)]
    patch.setattr(datasets.SVHN, "split_list", files)
    return list("0123456789")


def stl10(root, patch):
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    text(folder / "class_names.txt", "airplane", "bird")
    lists = {}
    for split, labels in (("train", TRAIN), ("test", TEST)):
        np.stack([array(label, (3, 96, 96)) for label in labels]).tofile(folder / f"{split}_X.bin")
        (np.array(labels, dtype=np.uint8) + 1).tofile(folder / f"{split}_y.bin")
        lists[split] = [[name, md5(folder / name)] for name in (f"{split}_X.bin", f"{split}_y.bin")]
    patch.setattr(datasets.STL10, "train_list", lists["train"])
    patch.setattr(datasets.STL10, "test_list", lists["test"])
    return ["airplane", "bird"]


def usps(root, patch):
    root.mkdir()
    for name, labels in (("usps.bz2", TRAIN), ("usps.t.bz2", TEST)):
        values = [f"{shade(label) / 255 * 2 - 1 + 1e-6}" for label in labels]
        lines = [
            " ".join([str(label + 1), *(f"{at}:{value}" for at in range(1, 257))])
            for label, value in zip(labels, values, strict=True)
        ]
        (root / name).write_bytes(bz2.compress("\n".join(lines).encode()))
    return list("0123456789")


def imagenette(root, patch):
    for split, labels in (("train", sorted(TRAIN)), ("val", sorted(TEST))):
        names = ["n01440764", "n02102040"]
        class_folders(root / "imagenette2" / split, labels, names, "jpeg")
    return ["tench", "English springer"]


def eurosat(root, patch):
    class_folders(root / "eurosat/2750", sorted(TRAIN + TEST), ["Forest", "River"], "jpg")
    return ["Forest", "River"]


def caltech101(root, patch):
    folder = root / "caltech101/101_ObjectCategories"
    (folder / "BACKGROUND_Google").mkdir(parents=True)
    for label, name in enumerate(["accordion", "airplanes"]):
        for row in range(3):
            # No two alike in size: copies would be drawn to one side of the split.
            draw(folder / name / f"image_{row + 1:04}.jpg", label, (12 + row, 10))
    return ["accordion", "airplanes"]


def country211(root, patch):
    for split, labels in (("train", [0, 1]), ("valid", [0, 1]), ("test", sorted(TEST))):
        class_folders(root / "country211" / split, labels, ["AD", "AE"], "jpg")
    return ["AD", "AE"]


def rendered_sst2(root, patch):
    for split, labels in (("train", [0, 1]), ("valid", [0, 1]), ("test", sorted(TEST))):
        class_folders(root / "rendered-sst2" / split, labels, ["negative", "positive"], "png")
    return ["negative", "positive"]


def listed(root, suffix, names, parts):
    """Draw images below a folder; for each part, the label and name of each image."""
    drawn = {}
    for part, labels in parts.items():
        drawn[part] = []
        for row, label in enumerate(labels):
            name = f"{names[label]}{part}_{row}"
            draw(root / f"{name}.{suffix}", label)
            drawn[part].append((label, name))
    return drawn


def dtd(root, patch):
    names = ["banded/", "woven/"]
    parts = {"train": TRAIN[:2], "val": TRAIN[2:], "test": TEST}
    for part, drawn in listed(root / "dtd/dtd/images", "jpg", names, parts).items():
        text(root / f"dtd/dtd/labels/{part}1.txt", *(f"{name}.jpg" for _, name in drawn))
    return ["banded", "woven"]


def fgvc_aircraft(root, patch):
    data = root / "fgvc-aircraft-2013b/data"
    names = ["F-A 18", "Spitfire"]
    text(data / "variants.txt", *names)
    parts = {"trainval": TRAIN, "test": TEST}
    for part, drawn in listed(data / "images", "jpg", ["", ""], parts).items():
        lines = [f"{name} {names[label]}" for label, name in drawn]
        text(data / f"images_variant_{part}.txt", *lines)
    return names


def oxford_pet(root, patch):
    names = ["Abyssinian_", "great_pyrenees_"]
    folder = root / "oxford-iiit-pet"
    parts = {"trainval": TRAIN, "test": TEST}
    for part, drawn in listed(folder / "images", "jpg", names, parts).items():
        # torchvision takes what stands before the last underscore for the class.
        for _, name in drawn:
            part_path = folder / "images" / f"{name}.jpg"
            part_path.rename(folder / "images" / f"{name.replace(f'{part}_', part[0])}.jpg")
        lines = [f"{name.replace(f'{part}_', part[0])} {label + 1} 1 1" for label, name in drawn]
        text(folder / f"annotations/{part}.txt", *lines)
    return ["Abyssinian", "Great Pyrenees"]


def food101(root, patch):
    folder, names = root / "food-101", ["apple_pie", "ramen"]
    for part, labels in (("train", sorted(TRAIN)), ("test", sorted(TEST))):
        drawn = listed(folder / "images", "jpg", [f"{name}/" for name in names], {part: labels})
        meta = {
            name: [path for label, path in drawn[part] if names[label] == name] for name in names
        }
        text(folder / f"meta/{part}.json", json.dumps(meta))
    return names


def gtsrb(root, patch):
    folder = root / "gtsrb"
    class_folders(folder / "GTSRB/Training", sorted(TRAIN), ["00000", "00001"], "ppm")
    drawn = listed(folder / "GTSRB/Final_Test/Images", "ppm", ["", ""], {"test": TEST})
    lines = [f"{name}.ppm;{label}" for label, name in drawn["test"]]
    text(folder / "GT-final_test.csv", "Filename;ClassId", *lines)
    return [str(label) for label in range(43)]


def flowers102(root, patch):
    folder = root / "flowers-102"
    labels = TRAIN + TEST
    for row, label in enumerate(labels, start=1):
        draw(folder / f"jpg/image_{row:05}.jpg", label)
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": [label + 1 for label in labels]})
    scipy.io.savemat(folder / "setid.mat", {"trnid": [1, 2], "valid": [3, 4], "tstid": [5, 6]})
    files = {
        "image": ("102flowers.tgz", ""),
        "label": ("imagelabels.mat", md5(folder / "imagelabels.mat")),
        "setid": ("setid.mat", md5(folder / "setid.mat")),
    }
    patch.setattr(datasets.Flowers102, "_file_dict", files)
    return datasets.Flowers102.classes


MAKERS = {
    "CIFAR10": cifar10,
    "CIFAR100": cifar100,
    "Caltech101": caltech101,
    "Country211": country211,
    "DTD": dtd,
    "EuroSAT": eurosat,
    "FGVCAircraft": fgvc_aircraft,
    "FashionMNIST": idx_files("FashionMNIST"),
    "Flowers102": flowers102,
    "Food101": food101,
    "GTSRB": gtsrb,
    "Imagenette": imagenette,
    "KMNIST": idx_files("KMNIST"),
    "MNIST": idx_files("MNIST"),
    "OxfordIIITPet": oxford_pet,
    "RenderedSST2": rendered_sst2,
    "STL10": stl10,
    "SVHN": svhn,
    "USPS": usps,
}
