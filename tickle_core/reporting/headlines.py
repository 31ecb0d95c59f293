"""The headline numbers of all analyses, one layer's, in the order of the page."""

from pathlib import Path
from typing import Any

from tickle_core.errors import TickleError
from tickle_core.reporting.atlas import headlines as atlas
from tickle_core.reporting.attack import headlines as attack
from tickle_core.reporting.attribution import headlines as attribution
from tickle_core.reporting.circuits import headlines as circuits
from tickle_core.reporting.concepts import headlines as concepts
from tickle_core.reporting.connectedness import headlines as connectedness
from tickle_core.reporting.curvature import headlines as curvature
from tickle_core.reporting.delta import headlines as delta
from tickle_core.reporting.dimension import headlines as dimension
from tickle_core.reporting.kit.headline import Headline
from tickle_core.reporting.model import headlines as model
from tickle_core.reporting.path import headlines as path
from tickle_core.reporting.probes import headlines as probes
from tickle_core.reporting.sae import headlines as sae
from tickle_core.results import read_json

# By stage: a new analysis with a headline number adds a line here.
HEADLINES: dict[str, tuple[Headline, ...]] = {
    "model": model.HEADLINES,
    "probes": probes.HEADLINES,
    "sae": sae.HEADLINES,
    "dimension": dimension.HEADLINES,
    "circuits": circuits.HEADLINES,
    "concepts": concepts.HEADLINES,
    "attribution": attribution.HEADLINES,
    "curvature": curvature.HEADLINES,
    "connectedness": connectedness.HEADLINES,
    "atlas": atlas.HEADLINES,
    "attack": attack.HEADLINES,
    "delta": delta.HEADLINES,
    "path": path.HEADLINES,
}


def read(metrics: Path, layer: str) -> dict[Headline, dict[str, Any]]:
    """What each headline number came to: `Headline.find`.

    Parameters
    ----------
    metrics
        The folder with one file or folder per stage.
    layer
        Alias of the layer whose numbers stand for the run.

    Raises
    ------
    TickleError
        If the metrics of a stage are missing; the file is named.
    """
    found: dict[Headline, dict[str, Any]] = {}
    for stage, headlines in HEADLINES.items():
        folder = metrics / stage
        file = folder / f"{layer}.json" if folder.is_dir() else metrics / f"{stage}.json"
        try:
            content = read_json(file)
        except FileNotFoundError:
            raise TickleError(f"{file} is missing: run `dvc repro`") from None
        found |= {headline: headline.find(content) for headline in headlines}
    return found
