"""The analyses of the page, in its order."""

from tickle_core.reporting.atlas import section as atlas
from tickle_core.reporting.attack import section as attack
from tickle_core.reporting.attribution import section as attribution
from tickle_core.reporting.circuits import section as circuits
from tickle_core.reporting.concepts import section as concepts
from tickle_core.reporting.connectedness import section as connectedness
from tickle_core.reporting.curvature import section as curvature
from tickle_core.reporting.delta import section as delta
from tickle_core.reporting.dimension import section as dimension
from tickle_core.reporting.features import section as features
from tickle_core.reporting.flow import section as flow
from tickle_core.reporting.fractures import section as fractures
from tickle_core.reporting.path import section as path
from tickle_core.reporting.probes import section as probes
from tickle_core.reporting.projections import section as projections
from tickle_core.reporting.sae import section as sae

# A new analysis adds a line here.
SECTIONS = (
    probes.section,
    sae.section,
    features.section,
    circuits.section,
    concepts.section,
    flow.section,
    attribution.section,
    dimension.section,
    curvature.section,
    connectedness.section,
    projections.section,
    atlas.section,
    fractures.section,
    attack.section,
    delta.section,
    path.section,
)
