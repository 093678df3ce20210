"""Draw docs/demo.png, the picture of the README, from a new run of the shipped demo: `python tools/demo_picture.py`, or `make picture`.

tests/viz/test_demo_picture.py compares the picture with the tables of such a run.
"""

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import v2xsim  # noqa: E402  # from this tree, also without an install
from v2xsim.viz import render  # noqa: E402

PICTURE = ROOT / "docs" / "demo.png"


def main() -> None:
    """Run the demo, draw its pictures, and copy the one that the README shows."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "demo"
        v2xsim.run(v2xsim.load("demo"), out=run)
        render(run)
        shutil.copyfile(run / "pictures" / "fused_frame.png", PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
