"""Tables of the section on autoencoders."""

from tickle_core.reporting.sae import tables
from tickle_core.reporting.sae.found import read


def test_every_autoencoder_and_baseline_of_every_layer_has_a_row(make_project):
    companions = {
        "also": {},
        "half": {"precision": "bfloat16"},
        "plain": {"variant": "relu", "l1": 0.02},
    }
    layers = read(make_project(sae={"companions": companions}).read()).metrics
    rows = tables.dictionary_table(layers).rows
    assert len(rows) == len({(row["layer"], row["dictionary"]) for row in rows}) == 2 * 14
    late = [row["dictionary"] for row in rows if row["layer"] == "late"]
    assert late[:5] == ["main", "seed1", "plain", "also", "half"]
    assert set(late[5:7]) == set(tables.NULLS.values())
    by_name = {row["dictionary"]: row for row in rows if row["layer"] == "late"}
    assert by_name["half"]["variant"] == "topk, bfloat16"
    # What k is says nothing about this variant; its penalty does.
    assert (by_name["plain"]["variant"], by_name["plain"]["k"]) == ("relu, L1 0.02", None)
    assert by_name["permuted dimensions"]["kl"] is None
    assert by_name["k-means"]["latents"] == layers["late"]["baselines"]["kmeans"]["components"]
