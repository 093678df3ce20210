"""Small traces of SUMO, and what a run over one of them reports."""

from v2xsim.mobility.base import Names
from v2xsim.mobility.fcd import FcdMobility

STEP_US = 100_000


def trace(rows, header=""):
    """A trace: rows of time, and of the road users at that time, each (tag, attributes)."""
    steps = "".join(
        f"<timestep time='{time}'>"
        + "".join(f"<{tag} {' '.join(f'{k}={v!r}' for k, v in a.items())}/>" for tag, a in users)
        + "</timestep>"
        for time, users in rows
    )
    return f"{header}<fcd-export>{steps}</fcd-export>"


def car(name="a", **attributes):
    return "vehicle", {
        "id": name,
        "angle": "90",
        "type": "car",
        "speed": "10",
        "y": "0",
        **{k: str(v) for k, v in attributes.items()},
    }


def person(name="p", **attributes):
    return "person", dict(car(name, **{"type": "DEFAULT_PEDTYPE", **attributes})[1])


def eastward(steps=30, speed_mps=10.0, span_s=1.0, to_x=lambda m: m, to_time=lambda s: s, **attributes):
    """Two cars that drive east at one speed, with their positions and times converted to other units."""
    return [
        (
            to_time(i * span_s),
            [car(n, x=to_x(200 * n_row + speed_mps * i * span_s), **attributes) for n_row, n in enumerate("ab")],
        )
        for i in range(steps)
    ]


def opened(path, rows, header="", **options):
    path = path / "t.xml"
    path.write_text(trace(rows, header), encoding="utf-8")
    return FcdMobility(path, Names(), **options)


def driven(folder, rows, begin_s=0.0, end_s=5.0, step_us=STEP_US, header=""):
    """The notices of a run over a trace, by subject, and who was there at each step."""
    begin_us, end_us = round(begin_s * 1e6), round(end_s * 1e6)
    traffic = opened(folder, rows, header, step_us=step_us, run_us=(begin_us, end_us))
    there = {}
    for time_us in range(begin_us, end_us, step_us):
        there[time_us / 1e6] = {traffic.name_of(int(agent)) for agent in traffic.snapshot(time_us).agent}
    return {notice.subject: notice for notice in traffic.notices()}, there
