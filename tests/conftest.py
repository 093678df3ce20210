"""Puts the repository's root on the import path, so that tests run from a bare tree as well as from an install."""

import os
import sys
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
# For processes that tests start, in whatever folder.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))

# The first example may compile a kernel, and a suite that passes must pass again: no deadline, the same examples.
settings.register_profile("v2xsim", deadline=None, derandomize=True)
settings.load_profile("v2xsim")
