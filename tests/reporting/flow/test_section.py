"""The section on concept flow: layers in their order, what cannot be drawn."""

from tickle_core.reporting.flow.section import section


def test_layers_come_in_the_order_of_the_network(make_project):
    project = make_project(layers=("z_first", "a_second"))
    rows = section(project.read()).tables["flow"].rows
    assert [row["layer"] for row in rows] == ["z_first", "a_second"] * 2
    labels = section(project.read()).figures["flow_map"].axes[0].get_xticklabels()
    assert [text.get_text() for text in labels] == ["z_first", "a_second"]


def test_what_no_test_was_made_of_stays_empty(make_project):
    project = make_project()
    rows = section(project.read()).tables["flow"].rows
    assert [row["tested"] for row in rows] == [2, 0] * 2


def test_the_examples_name_their_concepts_escaped(make_project, tmp_path):
    html = make_project().write(tmp_path)["index.html"].decode()
    assert "fluffy &lt;b&gt; 0.5" in html


def test_without_groups_or_with_one_layer_there_are_no_curves(make_project, tmp_path):
    for project in (make_project(flow={"groups": False}), make_project(layers=("only",))):
        assert "flow_groups" not in section(project.read()).figures
    html = project.write(tmp_path)["index.html"].decode()
    assert 'id="flow_map"' in html and 'id="flow_groups"' not in html
