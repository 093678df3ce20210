"""Run the recorded runs again and take what they give as expected: `python tests/recorded/record.py [NAME ...]`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recorded_runs import HERE, NAMES, difference, keep, recorded, run


def main() -> None:
    """Record the runs named, or all, and print what changed."""
    for name in sys.argv[1:] or NAMES:
        found = run(name)
        if (HERE / f"{name}.json.xz").exists():
            changed = difference(recorded(name), found)
            print(f"{name}: {changed or 'as it was'}")
            if not changed:
                continue
        keep(name, found)
        print(f"{name}: recorded, {(HERE / f'{name}.json.xz').stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
