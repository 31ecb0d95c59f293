"""The headline numbers: each has words, and a null wherever these promise one."""

from tickle_core.reporting import headlines
from tickle_core.reporting.site import overview


def test_the_headline_table_has_words_for_every_number(make_project):
    project = make_project()
    found = headlines.read(project.metrics, "late")
    table = overview.headline_table(found)
    assert [row["name"] for row in table.rows] == list(project.headlines())
    for row in table.rows:
        assert row["meaning"]
        null = row["null"]["value"] if isinstance(row["null"], dict) else row["null"]
        assert bool(row["null_meaning"]) == (null is not None)


def test_keys_are_unique():
    keys = [each.key for several in headlines.HEADLINES.values() for each in several]
    assert len(keys) == len(set(keys))
