"""The stages of the pipeline. What stands here runs before the imports of any of them."""

from tickle_core.lifeline import die_with_dvc

die_with_dvc()
