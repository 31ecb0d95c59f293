"""What holds for all tests."""

from hypothesis import settings

# The same examples on every run: a change is judged by what it changes, not by a new draw.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
