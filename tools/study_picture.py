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
from study_tables import Report, Row  # noqa: E402

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
OTHERS = "all other rules"


def drawn(report: Report) -> Figure:
    """Return the picture: a panel for each family, with the curves of all rules over the channel load."""
    families = [name for name in PLACES if name in report.families]
    figure = style.new_figure(2.1 * ((len(families) + 1) // 2) + 0.55)
    panels: list[Axes] = []
    for number, family in enumerate(families):
        axes = figure.add_subplot((len(families) + 1) // 2, 2, number + 1, sharey=panels[0] if panels else None)
        panels.append(axes)
        _curves(axes, report.rows("curves", family=family, metric=METRIC))
        axes.set_title(f"{PLACES[family]}: relay {_gain(report, family)}", fontsize=style.TEXT_PT)
        axes.grid(True, axis="y")
        axes.set(xlabel="channel busy ratio", xlim=(0.0, None))
        axes.xaxis.set_major_locator(MultipleLocator(0.1))
        if number % 2 == 0:
            axes.set_ylabel("known share of the\nhidden road users")
    panels[0].set_ylim(0.0, 1.0)
    handles, labels = panels[0].get_legend_handles_labels()
    order = [labels.index(label) for label in (*SHOWN.values(), OTHERS)]
    figure.legend([handles[n] for n in order], [labels[n] for n in order], loc="lower center", ncols=3)
    figure.tight_layout(pad=0.4, h_pad=1.0, rect=(0.0, 0.42 / figure.get_figheight(), 1.0, 1.0))
    return figure


def _curves(axes: Axes, rows: list[Row]) -> None:
    rules = list(dict.fromkeys(row["rule"] for row in rows))
    others = [rule for rule in rules if rule not in SHOWN]
    for rule in (*others, *reversed(SHOWN)):
        load, mean = ([float(row[name]) for row in rows if row["rule"] == rule] for name in ("load", "mean"))
        if rule in others:
            label = OTHERS if rule == others[0] else None
            axes.plot(load, mean, color=style.GREY, marker=".", markersize=2.5, linewidth=0.4, label=label)
        else:
            color, marker, dash = LOOKS[list(SHOWN).index(rule)]
            axes.plot(
                load, mean, color=color, marker=marker, linestyle=dash, markersize=3, linewidth=1.1, label=SHOWN[rule]
            )


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
