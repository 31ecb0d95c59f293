"""The section on projections: what the page's map is given, colours, names that are escaped."""

import json
import re

import numpy as np

from tickle_core.reporting.projections import section
from tickle_core.reporting.projections.words import class_colors


def test_the_map_gets_whole_numbers_of_every_image(make_project, tmp_path):
    html = make_project(class_names=("cat", "</script><b>")).write(tmp_path)["index.html"].decode()
    found = re.search(r'id="map-points">(.*?)</script>', html, re.DOTALL)[1]
    points = json.loads(found)
    assert points["classes"] == ["cat", "</script><b>"]
    assert len(points["images"]) == len(points["labels"]) == 20
    for methods in points["maps"].values():
        for x, y in methods.values():
            assert len(x) == len(y) == 20
            assert min(x) == min(y) == 0 and max([*x, *y]) == section.SPAN
    for image in points["images"]:
        assert f'id="image-{image}"' in html


def test_an_image_that_a_layer_lacks_has_no_place(make_project):
    maps = section.read(make_project(layers=("only",)).read()).maps["only"]
    ids = np.array([*sorted(maps["image_id"].unique()), 78])
    x, y = section.page_maps(maps, ids)["umap"]
    assert (x[-1], y[-1]) == (-1, -1)
    assert min(x[:-1]) == 0


def test_the_best_map_is_named(make_project):
    assert "UMAP keeps neighbours best" in section.section(make_project().read()).summary


def test_colours_of_classes_differ():
    assert len(set(class_colors(200))) == 200
