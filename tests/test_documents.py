"""What the documents refer to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for link, anchor in re.findall(r"\]\(([^)#]*)(?:#([\w-]+))?\)", path.read_text()):
        if not link.startswith("http"):
            target = path.parent / link if link else path
            assert target.exists(), link
            if anchor:
                headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
                named = {each.lower().replace(" ", "-") for each in headings}
                named |= set(re.findall(r'<a id="([\w-]+)"></a>', target.read_text()))
                assert anchor in named, anchor


def test_the_readme_is_read_at_a_sitting():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 100
    assert [line.split()[:2] for line in lines[2:4]] == [["make", "repro"], ["make", "test"]]
