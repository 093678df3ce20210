"""Draw docs/study_relay.png, the picture of the study of relay rules, from the tables beside its page: `python tools/study_picture.py`.

tests/study/test_study_page.py compares the picture with the tables. The report's own figure `overview` shows the same curves, without words of this page.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import MultipleLocator  # noqa: E402
from page_curves import draw_curves, named_lines  # noqa: E402
from page_tables import Report  # noqa: E402

from v2xsim.viz.drawing import style  # noqa: E402
from v2xsim.viz.study.figures import LOOKS  # noqa: E402

METRIC = "hidden_known_settled_fused"
PLACES = {
    "grid_reports": "Between houses, reports",
    "rural_reports": "Behind trucks, reports",
    "grid_asked": "Between houses, requested boxes",
    "rural_asked": "Behind trucks, requested boxes",
}
SHOWN = {
    "hybrid": "relay (hybrid)",
    "direct": "no relay",
    "direct_more_power": "no relay, 10 to 33 dBm",
    "oracle": "relay chosen by the true channel",
}
_LOOKS = dict(zip(SHOWN, LOOKS, strict=False))


def drawn(report: Report) -> Figure:
    """Return the picture: a panel for each family, with the curves of all rules over the channel load."""
    families = [name for name in PLACES if name in report.families]
    figure = style.new_figure(2.1 * ((len(families) + 1) // 2) + 0.55)
    panels: list[Axes] = []
    for number, family in enumerate(families):
        axes = figure.add_subplot((len(families) + 1) // 2, 2, number + 1, sharey=panels[0] if panels else None)
        panels.append(axes)
        draw_curves(axes, report.rows("curves", family=family, metric=METRIC), SHOWN, _LOOKS)
        axes.set_title(f"{PLACES[family]}: relay {_gain(report, family)}", fontsize=style.TEXT_PT)
        axes.grid(True, axis="y")
        axes.set(xlabel="channel busy ratio", xlim=(0.0, None))
        axes.xaxis.set_major_locator(MultipleLocator(0.1))
        if number % 2 == 0:
            axes.set_ylabel("known share of the\nhidden road users")
    panels[0].set_ylim(0.0, 1.0)
    handles, labels = named_lines(panels[0], SHOWN)
    figure.legend(handles, labels, loc="lower center", ncols=3)
    figure.tight_layout(pad=0.4, h_pad=1.0, rect=(0.0, 0.42 / figure.get_figheight(), 1.0, 1.0))
    return figure


def _gain(report: Report, family: str) -> str:
    """Return what the relay brings at the middle load."""
    (row,) = report.rows("differences", family=family, rule="direct", load=report.middle(family))
    return f"{float(row['difference']):+.3f}"


def main() -> None:
    """Draw the picture beside the page."""
    with style.in_style():
        print(style.save(drawn(Report(ROOT / "docs" / "study_relay")), ROOT / "docs" / "study_relay.png"))


if __name__ == "__main__":
    main()
