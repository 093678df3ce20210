"""The style of every picture (palette, fonts, sizes), and functions that make and save a figure without a display.

Figures are 6 inches wide at 300 dpi. A README page shows them about 900 pixels wide; text of 8 pt is then 17 pixels high.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend

# Width of a figure in inches. At 300 dpi this is twice the 900 pixels at which a README page shows a figure, so it is also
# sharp on screens with a high resolution.
WIDTH_IN = 6.0
DPI = 300
TEXT_PT = 8.0

# Palette of Okabe and Ito, "Color Universal Design" (2008), whose colours can be distinguished with every kind of
# colour vision.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"

INK = "#222222"
GREY = "#7A7A7A"
BLIND = "#D8D5E3"
ROAD = "#F1EFE8"
ROAD_EDGE = "#B9B4A5"
BUILDING = "#A9A9A9"
BUILDING_EDGE = "#5E5E5E"

# Colours for the points of stations, the ego's first. Vermilion and purple are reserved for objects that fusion adds.
STATIONS = (BLUE, ORANGE, GREEN, SKY, YELLOW)
OTHER_STATIONS = "#8C6D46"

LINK_STATE = {"LOS": GREEN, "NLOSv": ORANGE, "NLOSb": VERMILION}

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": TEXT_PT,
    "axes.titlesize": 9.0,
    "axes.labelsize": TEXT_PT,
    "xtick.labelsize": TEXT_PT,
    "ytick.labelsize": TEXT_PT,
    "legend.fontsize": TEXT_PT,
    "legend.title_fontsize": TEXT_PT,
    "figure.titlesize": 10.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.grid": False,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.3,
    "legend.borderpad": 0.2,
    "legend.borderaxespad": 0.2,
    "lines.linewidth": 1.4,
}


@contextmanager
def in_style() -> Iterator[None]:
    """Use this style during a `with` block, whatever the user's own matplotlib settings are, and restore those afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """Return an empty figure that is drawn in memory, without a display."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG and return its path; the file's metadata has the texts of the figure as `Description`."""
    # Weak compression halves the writing time, and files become only a tenth larger.
    metadata = {"Software": "v2xsim", "Description": "\n".join(texts_on(figure))}
    figure.savefig(path, format="png", metadata=metadata, pil_kwargs={"compress_level": 3})
    return path


def texts_on(figure: Figure) -> list[str]:
    """Return the texts on a figure from top to bottom: title lines, titles and labels of each panel, and keys; no numbers of axes."""
    lines = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        lines += [axes.get_title(), *(text.get_text() for text in axes.texts), axes.get_xlabel(), axes.get_ylabel()]
        legend = axes.get_legend()
        lines += _lines_of(legend) if legend is not None else []
    lines += [line for legend in figure.legends for line in _lines_of(legend)]
    return [line for line in lines if line]


def _lines_of(legend: Legend) -> list[str]:
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


def panel(figure: Figure, left_in: float, bottom_in: float, width_in: float, height_in: float) -> Axes:
    """Return axes at a position in inches from the figure's lower left corner."""
    whole_in = figure.get_size_inches()
    return figure.add_axes(
        (left_in / whole_in[0], bottom_in / whole_in[1], width_in / whole_in[0], height_in / whole_in[1])
    )


def heading(figure: Figure, title: str, subtitle: str, sentences: Sequence[str] = ()) -> None:
    """Write the title of a figure at its upper left, and lines below it.

    Args:
        figure: Figure to write on.
        title: Title in bold.
        subtitle: Line below the title, such as run, ego and time.
        sentences: Sentences for the next line, of which the first that fits is written; the last one in any case.
    """
    width_in, height_in = figure.get_size_inches()
    figure.text(0.1 / width_in, 1 - 0.07 / height_in, title, ha="left", va="top", size=10.0, weight="bold")
    figure.text(0.1 / width_in, 1 - 0.25 / height_in, subtitle, ha="left", va="top", color=GREY)
    for number, sentence in enumerate(sentences, start=1):
        text = figure.text(0.1 / width_in, 1 - 0.40 / height_in, sentence, ha="left", va="top", color=INK)
        if number == len(sentences) or text.get_window_extent().x1 <= figure.bbox.x1 - 0.1 * figure.dpi:
            return
        text.remove()


def legend_height_in(groups: list[tuple[str, list[tuple[Artist, str]]]]) -> float:
    """Return the height in inches that a row of legends with titles needs."""
    lines = max((len(entries) + bool(title) for title, entries in groups if entries), default=0)
    # The line height is the font size with the space between lines; some space is added below the last line.
    return lines * TEXT_PT * 1.33 / 72 + 0.1


def legend_row(
    figure: Figure, groups: list[tuple[str, list[tuple[Artist, str]]]], top_in: float, columns: int = 1
) -> None:
    """Draw legends with titles side by side below the panels; the free width is divided between them.

    Args:
        figure: Figure to draw in.
        groups: Title of each legend, and its entries as pairs of symbol and label; legends without entries are left out.
        top_in: Upper edge of the row in inches, measured from the figure's bottom.
        columns: Number of columns of entries within each legend.
    """
    width_in, height_in = figure.get_size_inches()
    legends = []
    for title, entries in groups:
        if entries:
            handles, labels = zip(*entries, strict=True)
            legend = figure.legend(handles, labels, title=title or None, loc="upper left", ncols=columns)
            legend.set_alignment("left")
            legend.get_title().set_fontweight("bold")
            legends.append(legend)
    widths_in = [legend.get_window_extent().width / figure.dpi for legend in legends]
    space_in = (width_in - 0.2 - sum(widths_in)) / max(len(legends) - 1, 1)
    left_in = 0.1
    for legend, each_in in zip(legends, widths_in, strict=True):
        legend.set_bbox_to_anchor((left_in / width_in, top_in / height_in), transform=figure.transFigure)
        left_in += each_in + min(space_in, 0.6)
