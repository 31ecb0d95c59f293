"""Experiments side by side: params first, nothing dropped."""

import io

from tickle_core.reporting.comparison import compare

VALUES = {"seed": 0, "sae": {}, "probes": {}, "layers": {}}
STAGES = ["sae", "probes"]
SHOWN = """\
Experiment,rev,typ,State,sae_fvu,sae_l0,sae.k,probes.shuffles,seed,layers.late,sae,Executor
,workspace,baseline,,0.1234567,8.0,8,10,0,layer3,00ff,
,main,baseline,,0.1234567,8.0,8,10,0,layer3,00ff,
one,ab25f08,branch_base,,0.2,6.0,6,12,1,layer2,11ee,
two,ab25f09,branch_base,Queued,,,4,10,0,layer3,00ff,dvc-task
"""


def lines(text):
    return [line.split() for line in text.splitlines() if line.strip()]


def test_params_come_before_metrics_and_experiments_are_columns():
    shown = lines(compare(io.StringIO(SHOWN), VALUES, STAGES, width=200))
    assert shown[0] == ["workspace", "main", "one", "two"]
    first = [line[0] for line in shown[1:]]
    assert first[:4] == ["sae.k", "probes.shuffles", "seed", "layers.late"]
    assert first[4:7] == ["State", "sae_fvu", "sae_l0"]
    assert shown[1] == ["sae.k", "8", "8", "6", "4"]
    assert ["sae_fvu", "0.1235", "0.1235", "0.2"] in shown


def test_other_code_is_told_in_a_line():
    assert compare(io.StringIO(SHOWN), VALUES, STAGES, 200).endswith("differs, too: sae")


def test_what_has_no_room_goes_on_below():
    shown = compare(io.StringIO(SHOWN), VALUES, STAGES, width=40)
    assert max(len(line) for line in shown.splitlines()[:-1]) <= 40
    for name in ("workspace", "main", "one", "two"):
        assert name in shown
    assert shown.count("probes.shuffles") > 1


def test_nothing_differs():
    same = "Experiment,rev,typ\n,workspace,baseline\n,main,baseline\n"
    assert compare(io.StringIO(same), VALUES, STAGES, 80) == "No param and no number differs."
