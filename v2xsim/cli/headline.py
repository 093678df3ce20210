"""The result of a run in two sentences: what announcements, fusion and relays brought, and what they cost."""

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from v2xsim.evaluation.metric import Metric


def headline(metrics: "Mapping[str, Metric]", fills_matrix: bool, retells: bool = False) -> tuple[str, str]:
    """Return one sentence about the benefit of a run's cooperation and one about its cost.

    Args:
        metrics: Metrics of the whole run, by name.
        fills_matrix: Whether the fusion scheme shares which cells helpers observed, so that it can fill blind zones.
        retells: Whether stations tell on what others reported.
    """
    return _benefit(metrics, fills_matrix, retells), _cost(metrics)


def _benefit(metrics: "Mapping[str, Metric]", fills_matrix: bool, retells: bool) -> str:
    value = _Values(metrics)
    alone, fused = value("object_awareness_ego"), value("object_awareness_fused")
    frames = metrics["helpers_used"].count if "helpers_used" in metrics else 0
    if frames == 0:
        return "No station with a lidar was an ego, so perception and fusion were not measured."
    used, by_relay = value("helpers_used"), value("helpers_used_by_relay")
    # Announcements feed the tracks after fusion, too.
    means = "announcements and fusion" if used > 0 else "announcements"
    known = (
        "No other road user was ever in range of an ego"
        if math.isnan(alone)
        else f"Alone, the egos knew {_percent(alone)} of the road users in range, and with {means} {_percent(fused)}"
    )
    filled = value("blind_covered")
    if not used > 0 and fills_matrix and filled > 0:
        return f"{known}; the matrices in announcements filled {_percent(filled)} of their blind zones."
    if not used > 0:
        return f"{known}; no data of a helper was fused."
    zone = "" if math.isnan(filled) or not fills_matrix else f"; fusion filled {_percent(filled)} of their blind zones"
    way = "through a relay or told on by another station" if retells else "through a relay"
    relays = f"none of them {way}" if by_relay == 0 else f"{_rounded(by_relay, 2)} of them {way}"
    unfilled = (
        ""
        if fills_matrix
        else "; the helpers shared boxes but not which cells they observed, so blind zones stay as they are"
    )
    return f"{known}{zone}, with data from {_rounded(used, 2)} helpers per frame, {relays}{unfilled}."


def _cost(metrics: "Mapping[str, Metric]") -> str:
    value = _Values(metrics)
    rate, busy, age = value("on_air"), value("channel_busy_ratio"), value("age_of_fused_data")
    sent = (
        "No packet reached another station"
        if not rate > 0
        else f"All stations together sent {_rounded(rate, 3, -3)} kB/s"
    )
    load = "" if math.isnan(busy) else f", and a station found the channel busy for {_percent(busy)} of the time"
    old = "" if math.isnan(age) else f"; the fused data was captured {_whole(age)} ms before the ego's frame on average"
    return f"{sent}{load}{old}."


class _Values:
    """Looks up the value of a metric; NaN if the run has no such metric."""

    def __init__(self, metrics: "Mapping[str, Metric]") -> None:
        self._metrics = metrics

    def __call__(self, name: str) -> float:
        return self._metrics[name].value if name in self._metrics else math.nan


def _percent(share: float) -> str:
    percent = 100.0 * share
    # A share that is not quite 0 or 1 must not look like it.
    if 0.0 < percent < 0.5:
        return "less than 0.5 %"
    if 99.5 < percent < 100.0:
        return "more than 99.5 %"
    return f"{_whole(share, 2)} %"


def _rounded(value: float, digits: int, shift: int = 0) -> str:
    """Return a number with some significant digits; a half is rounded up, as a reader of the metrics rounds it.

    Args:
        value: The number; as in the table of metrics, 1.65 is a half between 1.6 and 1.7, although its binary form is below it.
        digits: Number of significant digits.
        shift: Power of ten by which the number is multiplied.
    """
    exact = Decimal(repr(float(value))).scaleb(shift)
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return f"{exact.quantize(step, ROUND_HALF_UP).normalize():,f}"


def _whole(value: float, shift: int = 0) -> str:
    """Return a number as a whole number; a half is rounded up."""
    return f"{Decimal(repr(float(value))).scaleb(shift).quantize(Decimal(1), ROUND_HALF_UP):,f}"
