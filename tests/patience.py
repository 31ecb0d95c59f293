"""How long a test waits before it gives up: machines differ in speed, and may be busy besides.

No test passes or fails by how fast something is; this only ends one that hangs.
"""

PATIENCE = 1800  # seconds
