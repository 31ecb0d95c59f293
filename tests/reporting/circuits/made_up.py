"""What the stage `circuits` leaves, with made-up numbers."""

from tests.reporting.circuits import made_up_ablation, made_up_patching
from tests.reporting.made_up import Made
from tickle_core.results import write_json


def write(made: Made, single_class=False):
    """Of one layer; with a `single_class` there is nothing to patch between."""
    names, sites = list(made.class_names)[:4], len(made.prefix) + made.patches
    grid = list(made.grid) if made.grid else None
    metrics = {
        "images": {"measuring": 20, "ranking": 10, "judging": 10},
        "ablation": made_up_ablation.metrics(),
        **made_up_patching.metrics(grid, made.prefix),
    }
    tables = made_up_ablation.tables(names) | made_up_patching.tables(names, sites)
    if single_class:
        metrics |= {"patching": made_up_patching.NOTHING, "tracing": made_up_patching.NOTHING}
        tables |= {name: tables[name][:0] for name in ("patching", "sites", "traces")}
    write_json(made.metrics("circuits"), metrics)
    folder = made.folder("circuits")
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
