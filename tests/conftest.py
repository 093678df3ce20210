"""Puts the repository's root on the import path, so that tests run from a bare tree as well as from an install."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
