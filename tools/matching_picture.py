"""Draw docs/study_matching.png, the picture of the study of matching, from the tables beside its page: `python tools/matching_picture.py [FOLDER]`.

FOLDER is the folder beside the page, docs/study_matching by default; the picture is written next to it. tests/study/test_matching_page.py compares the picture with the tables.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from matching_tables import METRIC  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, ScalarFormatter  # noqa: E402
from page_curves import Look, draw_curves, named_lines  # noqa: E402
from page_tables import Report  # noqa: E402

from v2xsim.viz.drawing import style  # noqa: E402

PLACES = {
    "grid": "Between houses",
    "rural": "Behind trucks",
    "layout": "Other blocks, lower houses",
}
SHOWN = {
    "unheard": "pass on what neighbours lack",
    "cpm_relay": "reports, relayed",
    "oracle": "relays chosen by the true channel",
    "random_told": "pass on at random",
    "cpm": "reports only",
    "asked_bodies": "ask by matrices",
    "asked_nearest": "ask the nearest",
    "matrices": "matrices alone",
}
_LOOKS: dict[str, Look] = {
    "unheard": (style.BLACK, "o", "solid"),
    "cpm_relay": (style.BLUE, "^", (0, (1, 1.2))),
    "oracle": (style.GREEN, "D", (0, (5, 1, 1, 1))),
    "random_told": (style.SKY, "P", (0, (3, 1, 1, 1))),
    "cpm": (style.VERMILION, "s", (0, (4, 1.5))),
    "asked_bodies": (style.PURPLE, "X", "solid"),
    "asked_nearest": (style.ORANGE, "v", (0, (2.5, 1))),
    "matrices": (style.OTHER_STATIONS, "*", (0, (1, 1))),
}
_TICKS_KB = (50, 100, 200, 400, 800, 1600)


def drawn(report: Report) -> Figure:
    """Return the picture: a panel for each family, with the curves of all rules over the bytes on the air, and the names of the rules in the fourth place."""
    families = [name for name in PLACES if name in report.families]
    # One place more than families, for the names.
    rows = (len(families) + 2) // 2
    figure = style.new_figure(2.3 * rows)
    panels: list[Axes] = []
    for number, family in enumerate(families):
        first = panels[0] if panels else None
        axes = figure.add_subplot(rows, 2, number + 1, sharex=first, sharey=first)
        panels.append(axes)
        draw_curves(axes, report.rows("curves", family=family, metric=METRIC), SHOWN, _LOOKS, load_unit=1000.0)
        axes.set_title(PLACES[family], fontsize=style.TEXT_PT)
        axes.grid(True, axis="y")
        axes.set(xlabel="sent by all stations [kB/s]", xscale="log")
        axes.xaxis.set_major_locator(FixedLocator(_TICKS_KB))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        if number % 2 == 0:
            axes.set_ylabel("known share of the\nhidden road users")
    panels[0].set_ylim(0.0, 1.0)
    names = figure.add_subplot(rows, 2, len(families) + 1)
    names.set_axis_off()
    names.legend(*named_lines(panels[0], SHOWN), loc="center left", labelspacing=0.55, handlelength=2.6)
    figure.tight_layout(pad=0.4, h_pad=1.0)
    return figure


def main(arguments: Sequence[str]) -> None:
    """Draw the picture beside the page."""
    beside = Path(arguments[0]) if arguments else ROOT / "docs" / "study_matching"
    report = Report(beside / "worth")
    if not report.families:
        sys.exit(f"{beside / 'worth'}: must hold the tables of the study; copy them with tools/matching_tables.py")
    with style.in_style():
        print(style.save(drawn(report), beside.with_suffix(".png")))


if __name__ == "__main__":
    main(sys.argv[1:])
