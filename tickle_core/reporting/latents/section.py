"""The gallery of latents, which shows what all analyses say of single ones."""

from collections.abc import Sequence

from tickle_core.dictionaries.limits import DENSE
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.latents.gallery import gallery


def section(context: Context, others: Sequence[Section]) -> Section:
    """The latents that one of the other sections offers, joined with what all say of them."""
    [latents] = [other.latents for other in others if other.latents]
    shown = gallery(context, latents)
    return Section(
        name="latents",
        title="Gallery of latents",
        image_ids={thumb.image_id for thumb in shown.thumbs},
        facts={
            "gallery": shown,
            "columns": [column for other in others for column in other.latent_columns],
            "pictured": [other for other in others if other.latent_pictures],
            "dense": DENSE,
        },
    )
