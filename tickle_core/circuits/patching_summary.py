from dataclasses import dataclass
from typing import Any
import numpy as np
Key=tuple
Patching=None
@dataclass(frozen=True)
class Judged:
    way: Any
    difference: Any
    outcomes: Any
