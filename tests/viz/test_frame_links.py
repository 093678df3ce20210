import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from crossing_run import EGO, HELPER, TRUCK, add

from v2xsim.results.tables import Columns
from v2xsim.viz.run.folder import RunFolder, open_run
from v2xsim.viz.run.frame_links import FrameLinks, load_links


@pytest.fixture(scope="session")
def links(folder: RunFolder) -> FrameLinks:
    return load_links(folder, 2, 2_000_000, EGO)


def row_of(links: FrameLinks, a: int, b: int, role: str) -> int:
    (row,) = np.flatnonzero((links.a == a) & (links.b == b) & (links.role == role))
    return int(row)


@pytest.mark.parametrize(
    ("a", "b", "role", "sent", "arrived"),
    [(EGO, TRUCK, "relay_hop", 2, 2), (TRUCK, HELPER, "relay_hop", 3, 2), (EGO, TRUCK, "direct", 1, 1), (EGO, HELPER, "replaced", 0, 0)],
)  # fmt: skip
def test_the_packets_of_a_frame_are_counted_on_the_link_that_they_crossed(
    links: FrameLinks, a: int, b: int, role: str, sent: int, arrived: int
) -> None:
    row = row_of(links, a, b, role)
    assert (links.sent[row], links.arrived[row]) == (sent, arrived)


def test_a_replaced_link_has_the_delivery_predicted_when_its_relay_was_chosen(links: FrameLinks) -> None:
    assert links.expected[row_of(links, EGO, HELPER, "replaced")] == pytest.approx(0.04)


def test_links_in_use_have_no_predicted_delivery(links: FrameLinks) -> None:
    assert np.isnan(links.expected[links.role != "replaced"]).all()


def test_the_packets_of_another_frame_are_not_counted(folder: RunFolder) -> None:
    assert load_links(folder, 3, 3_000_000, EGO).sent.sum() == 0


def test_the_relays_of_a_frame_are_those_with_fused_data(links: FrameLinks) -> None:
    assert links.relays(EGO) == {TRUCK: [HELPER]}


def test_data_asked_for_earlier_and_fused_now_counts(folder: RunFolder, tmp_path: Path) -> None:
    tables = {name: Columns(name) for name in ("frame_links", "fusion", "transfers", "packets")}
    add(tables["frame_links"], frame=0, time_us=20_000, a=EGO, b=HELPER, state=["LOS"], role=["direct"], used=True)
    add(tables["fusion"], frame_us=100_000, ego=EGO, fuse_us=200_000)
    add(
        tables["transfers"],
        message=5,
        kind=["data"],
        origin=HELPER,
        destination=EGO,
        relay=-1,
        frame_us=0,
        fuse_us=200_000,
    )
    add(
        tables["packets"],
        message=5,
        kind=["data"],
        outcome=["delivered"],
        link_state=["LOS"],
        tx=HELPER,
        rx=EGO,
        addressed=True,
    )
    assert load_links(written(tmp_path, tables), 0, 100_000, EGO).sent.tolist() == [1]


def test_of_reports_those_count_that_were_sent_when_the_fused_ones_were(tmp_path: Path) -> None:
    tables = {name: Columns(name) for name in ("frame_links", "packets")}
    add(tables["frame_links"], frame=0, time_us=120_000, a=EGO, b=HELPER, state=["LOS"], role=["direct"], used=True)
    for queued_us, outcome in ((20_000, "delivered"), (120_000, "delivered"), (120_000, "collision")):
        about = {"queued_us": queued_us, "outcome": [outcome], "link_state": ["LOS"], "addressed": True}
        add(tables["packets"], message=queued_us, kind=["cpm"], tx=HELPER, rx=EGO, **about)
        add(tables["packets"], message=queued_us, kind=["cpm"], tx=HELPER, rx=TRUCK, **about)
    links = load_links(written(tmp_path, tables), 0, 100_000, EGO)
    assert (links.sent.tolist(), links.arrived.tolist()) == ([2], [1])


def reports_over(hops: dict[str, tuple[int, int, int, int]], tmp_path: Path) -> FrameLinks:
    """Return the links of an ego to which the truck passed on what the helper reported; `hops` has sender, receiver, hop and time of packets."""
    tables = {name: Columns(name) for name in ("frame_links", "packets")}
    told_us = max(queued_us for _, _, _, queued_us in hops.values())
    for a, b, role in ((EGO, TRUCK, "relay_hop"), (TRUCK, HELPER, "relay_hop"), (EGO, HELPER, "replaced")):
        add(
            tables["frame_links"],
            frame=0,
            time_us=told_us,
            a=a,
            b=b,
            state=["LOS"],
            role=[role],
            used=role != "replaced",
        )
    for name, (tx, rx, hop, queued_us) in hops.items():
        about = {"queued_us": queued_us, "outcome": ["delivered"], "link_state": ["LOS"], "addressed": True}
        add(tables["packets"], message=hop, hop=hop, kind=[name.split()[0]], tx=tx, rx=rx, **about)
    return load_links(written(tmp_path, tables), 0, 100_000, EGO)


def test_a_report_over_a_relay_is_counted_on_both_hops(tmp_path: Path) -> None:
    hops = {
        "cpm to the truck": (HELPER, TRUCK, 1, 120_000),
        "cpm on": (TRUCK, EGO, 2, 120_000),
        "cpm": (HELPER, EGO, 1, 120_000),
    }
    links = reports_over(hops, tmp_path)
    assert links.sent.tolist() == [1, 1, 0]
    assert not links.tellers


def test_what_was_told_on_is_counted_on_the_link_from_the_station_that_told_it(tmp_path: Path) -> None:
    hops = {
        "retold": (TRUCK, EGO, 1, 180_000),
        "retold earlier": (TRUCK, EGO, 1, 80_000),
        "retold by another one": (HELPER, EGO, 1, 180_000),
    }
    links = reports_over(hops, tmp_path)
    assert links.sent.tolist() == [1, 0, 0]
    assert links.tellers == {TRUCK}


def test_a_frame_without_links_has_none(tmp_path: Path) -> None:
    assert len(load_links(written(tmp_path, {}), 0, 0, EGO)) == 0


def written(folder: Path, tables: dict[str, Columns]) -> RunFolder:
    for name, columns in tables.items():
        pq.write_table(columns.finished(), folder / f"{name}.parquet")
    (folder / "manifest.json").write_text(json.dumps({"scenario": {}}))
    return open_run(folder)
