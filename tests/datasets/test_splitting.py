"""The split's promises, stated in `split_by_content`, hold for any images and any additions."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tickle_core.datasets.image_set import shuffle_key
from tickle_core.datasets.splitting import split_by_content

# (class, content): few of each, so that copies within and across classes are common.
images = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=60)
shares = st.floats(0.01, 0.99)


def split(images, share, seed=0):
    labels, contents = zip(*images, strict=True)
    return split_by_content(labels, [f"image {content}" for content in contents], share, seed)


def by_class(images):
    """Contents of each class."""
    return {label: {c for other, c in images if other == label} for label, _ in images}


def labels_can_be_tested(images):
    """Whether a class has two different images, one of which lies in no other class."""
    classes = by_class(images)
    return any(
        len(contents) > 1 and not contents <= elsewhere(classes, label)
        for label, contents in classes.items()
    )


def elsewhere(classes, label):
    """Contents of all other classes."""
    return set().union(*(contents for other, contents in classes.items() if other != label))


def sides(images, share, seed=0):
    """The side of each content."""
    return dict(zip((content for _, content in images), split(images, share, seed), strict=True))


@given(images, shares, st.integers(0, 3))
def test_copies_share_a_split_across_classes_too(images, share, seed):
    side = sides(images, share, seed)
    assert split(images, share, seed) == [side[content] for _, content in images]


@given(images, shares, st.integers(0, 3))
def test_every_class_that_can_be_is_on_both_sides(images, share, seed):
    assume(labels_can_be_tested(images))
    side, classes = sides(images, share, seed), by_class(images)
    for label, contents in classes.items():
        found = {side[content] for content in contents}
        if len(contents) == 1 or contents <= elsewhere(classes, label):
            assert found == {"train"}
        else:
            assert found == {"train", "test"}


@given(images, shares)
def test_an_image_of_several_classes_is_train(images, share):
    side, classes = sides(images, share), by_class(images)
    for content, found in side.items():
        if sum(content in contents for contents in classes.values()) > 1:
            assert found == "train"


@settings(max_examples=300)
@given(images, images, shares)
def test_added_images_move_no_others(before, added, share):
    assume(labels_can_be_tested(before))
    classes, after = by_class(before), by_class(before + added)
    old, new = sides(before, share), sides(before + added, share)
    for label, contents in classes.items():
        others_before, others_after = elsewhere(classes, label), elsewhere(after, label)
        moved = {content for content in contents if old[content] != new[content]}
        now_shared = (contents & others_after) - others_before
        assert all(new[content] == "train" for content in moved & now_shared)
        if len(contents) > 1:
            assert len(moved - now_shared) <= 1


def test_a_thousand_more_images_move_none():
    before = [(row % 4, row) for row in range(400)]
    added = [(row % 5, row) for row in range(1000, 2000)]
    old, new = sides(before, 0.2), sides(before + added, 0.2)
    assert all(new[content] == side for content, side in old.items())


def test_share_is_that_of_the_whole():
    """Five standard deviations of a binomial draw."""
    count, share = 20_000, 0.2
    found = np.mean([side == "test" for side in split([(0, c) for c in range(count)], share)])
    assert abs(found - share) < 5 * np.sqrt(share * (1 - share) / count)


def test_seeds_are_independent():
    images = [(0, content) for content in range(4000)]
    first, second = (np.array(split(images, 0.5, seed)) == "test" for seed in (0, 1))
    assert abs((first & second).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4000)


def test_a_class_of_one_is_train():
    images = [(0, 0), (0, 1), *((label, label + 1) for label in range(1, 40))]
    assert split(images, 0.5)[2:] == ["train"] * 39


def test_the_nearest_image_takes_an_empty_side():
    """Of two images, the one with the lower hash is the test image, whatever the share."""
    for pair in range(20):
        contents = [f"{pair} left", f"{pair} right"]
        lower = min(contents, key=lambda content: shuffle_key(content, "split", 0))
        for share in (1e-9, 1 - 1e-9):
            found = dict(zip(contents, split_by_content([0, 0], contents, share, 0), strict=True))
            assert [content for content in contents if found[content] == "test"] == [lower]


def test_where_every_class_has_one_image_classes_play_no_part():
    images = [(label, label) for label in range(200)]
    found = split(images, 0.2)
    assert found == split([(0, content) for content in range(200)], 0.2)
    assert 20 < found.count("test") < 60


def test_one_image_alone_is_train():
    assert split([(0, 5), (0, 5), (1, 5)], 0.9) == ["train"] * 3


@given(images, st.lists(st.lists(st.integers(0, 59), min_size=2, max_size=5), max_size=6), shares)
def test_what_is_kept_together_shares_a_side(images, together, share):
    together = [[place for place in group if place < len(images)] for group in together]
    labels, contents = zip(*images, strict=True)
    named = [f"image {content}" for content in contents]
    side = split_by_content(labels, named, share, 0, together)
    for group in together:
        assert len({side[place] for place in group}) <= 1
    if not any(together):
        assert side == split_by_content(labels, named, share, 0)
