"""Which images show a concept, and which its partners come from."""

import numpy as np
import pytest
from PIL import Image

from tickle_core.datasets.concept_sets import members, textures
from tickle_core.datasets.concept_sets.definition import Concept
from tickle_core.errors import TickleError


def gather(images, concepts, count=20, pool=1000, folder=None, seed=0):
    found = {name: Concept.model_validate(values) for name, values in concepts.items()}
    ids = np.arange(len(images.table))
    options = {} if folder is None else {"folder": folder}
    return members.gather(found, images, ids, count, pool, seed, **options)


def save(folder, count, side=12, kind=".png"):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(folder.name))
    for place in range(count):
        pixels = rng.integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{place:02}{kind}")


def test_groups_of_classes_and_the_others(make_images):
    images = make_images()
    found = gather(images, {"pets": {"classes": ["cat", "dog"]}})
    [pets] = found.sets
    assert set(found.items.stratum[pets.members]) == {1, 2}
    assert set(found.items.stratum[pets.outside]) == {0, 3}
    assert pets.labels == (1, 2)
    assert len(pets.members) + len(pets.outside) == len(images.table)


def test_synsets_by_id_and_by_range(make_images):
    found = gather(
        make_images(),
        {"one": {"synsets": ["n01440764"]}, "many": {"synsets": ["n01000000-n02090000"]}},
    )
    assert {each.name: each.labels for each in found.sets} == {"many": (0, 3), "one": (0,)}


def test_a_group_of_synsets_that_is_not_there_is_left_out_and_said(make_images):
    found = gather(make_images(), {"far": {"synsets": ["n09999999"]}, "s": {"texture": "striped"}})
    assert [each.name for each in found.sets] == ["s"]
    assert found.left_out == {"far": "0 train images, of 10 at least"}


def test_a_rule_takes_the_fifth_of_each_class_and_split_that_follows_it_most(make_images):
    images = make_images()
    found = gather(images, {"dark": {"pixels": "dark"}})
    [dark] = found.sets
    assert dark.matched
    means = images.read(np.arange(len(images.table))).mean((1, 2, 3))
    for label in range(4):
        for test in (False, True):
            own = (found.items.stratum == label) & (found.items.is_test == test)
            chosen = np.intersect1d(np.flatnonzero(own), dark.members)
            assert len(chosen) == 6
            assert (
                means[chosen].max()
                <= np.delete(means, chosen)[own[np.delete(np.arange(len(means)), chosen)]].min()
            )


def test_textures_have_the_other_textures_outside(make_images):
    found = gather(make_images(), {"striped": {"texture": "striped"}}, count=20)
    [striped] = found.sets
    items = found.items
    assert len(items.extra) == 30 * len(textures.KINDS)
    assert len(items.split(striped.members, False)) == 20
    assert len(items.split(striped.members, True)) == 10
    assert len(striped.outside) == 30 * (len(textures.KINDS) - 1)
    assert striped.outside.min() >= len(items.image_ids)


def test_folders_are_brought_to_the_set_s_size_and_split(make_images, square, tmp_path):
    images = make_images(geometry=square, channels=3)
    save(tmp_path / "c/stars", 24, side=40)
    found = gather(images, {"stars": {"folder": "stars"}}, folder=tmp_path / "c")
    [stars] = found.sets
    assert found.items.extra.shape == (24, 12, 12, 3)
    assert len(found.items.split(stars.members, True)) == 8
    assert np.array_equal(stars.outside, found.items.natural)


def test_masks_belong_to_the_image_of_the_same_name(make_images, square, tmp_path):
    images = make_images(geometry=square)
    save(tmp_path / "c/stars", 18)
    (tmp_path / "c/where").mkdir()
    mask = np.zeros((12, 12), np.uint8)
    mask[:4] = 255
    Image.fromarray(mask).save(tmp_path / "c/where/03.png")
    concepts = {"stars": {"folder": "stars", "masks": "where"}}
    [stars] = gather(images, concepts, folder=tmp_path / "c").sets
    assert list(stars.masks) == [int(stars.members[3])]
    assert np.array_equal(stars.masks[int(stars.members[3])], mask > 127)
    Image.fromarray(mask).save(tmp_path / "c/where/99.png")
    with pytest.raises(TickleError, match=r"99\.png is the mask of no image"):
        gather(images, concepts, folder=tmp_path / "c")


def test_images_of_another_size_are_named(make_images, tmp_path):
    save(tmp_path / "c/stars", 20, side=13)
    with pytest.raises(TickleError, match="00.png has 13 x 13 pixels.* have 12 x 12"):
        gather(make_images(), {"stars": {"folder": "stars"}}, folder=tmp_path / "c")


def test_what_is_no_image_is_named(make_images, tmp_path):
    save(tmp_path / "c/stars", 20)
    (tmp_path / "c/stars/notes.txt").write_text("no image")
    with pytest.raises(TickleError, match=r"notes\.txt is no usable image"):
        gather(make_images(), {"stars": {"folder": "stars"}}, folder=tmp_path / "c")


@pytest.mark.parametrize(
    ("concepts", "says"),
    [
        ({"a": {"classes": ["cow"]}}, "'a': the image set has no class 'cow'"),
        (
            {"a": {"classes": ["cat", "dog"]}, "b": {"classes": ["dog", "cat"]}},
            "concepts 'a' and 'b' are the same images",
        ),
        (
            {"a": {"classes": ["cat", "dog", "n01440764_tench", "n02085620_Chihuahua"]}},
            "concept 'a' has 0 train images outside it, of 10",
        ),
        ({"a": {"synsets": ["n09999999"]}}, "no concept has images enough"),
    ],
)
def test_sets_that_cannot_be_are_refused(make_images, concepts, says):
    with pytest.raises(TickleError, match=says):
        gather(make_images(), concepts)


def test_tiny_sets_are_refused(make_images):
    with pytest.raises(TickleError, match="concept 'a' has 8 train images, of 10 at least"):
        gather(make_images(per_class=8), {"a": {"classes": ["cat"]}})


def test_the_pool_bounds_what_is_drawn_from_and_keeps_the_shares_of_classes(make_images):
    found = gather(make_images(), {"pets": {"classes": ["cat", "dog"]}}, pool=60)
    for test in (False, True):
        there = found.items.split(found.items.natural, test)
        assert np.bincount(found.items.stratum[there]).tolist() == [15] * 4


def test_the_seed_decides_all(make_images):
    images = make_images()
    concepts = {"s": {"texture": "noise"}, "d": {"pixels": "dark"}}
    one, same, other = (gather(images, concepts, pool=60, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.items.extra, same.items.extra)
    assert np.array_equal(one.items.image_ids, same.items.image_ids)
    assert not np.array_equal(one.items.extra, other.items.extra)
