"""transformers, which `make setup` installs apart from the other packages."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(sys.prefix) / "apart"))
