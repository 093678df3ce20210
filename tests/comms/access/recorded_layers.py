"""Short runs of the access layers under heavy load, and their results as stored before.

A change that should not alter results must reproduce them. After a change that should, store them again, check the
differences, and commit code and results together: `python tests/comms/access/recorded_layers.py`.
"""

import json
import lzma
from pathlib import Path

import numpy as np

from v2xsim.comms.access.csma import Csma, CsmaParams
from v2xsim.comms.access.packets import Packets, Receptions, field_of
from v2xsim.comms.access.random_slot import RandomSlot, RandomSlotParams
from v2xsim.comms.access.sidelink import Sidelink, SidelinkParams
from v2xsim.comms.phy.noise import receiver_of

HERE = Path(__file__).resolve().parent
STATIONS = 12
KEYS = np.arange(1, 4 * STATIONS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
# Powers in decibels: stored to a thousandth, and compared with a tolerance, because processors round differently.
FLOATS = ("noise_dbm", "power_dbm", "sinr_db")

CSMA = {
    "csma_worst": CsmaParams(queue_packets=3, capture_db=6.0, cca_energy_dbm=-75.0),
    "csma_mean": CsmaParams(
        queue_packets=3, worst_interference=False, busy_threshold_dbm=np.inf, header_bytes=60, sensitivity_dbm=-92.0,
        curve_db=(0.0, 6.0), curve_rate=(1.0, 0.0), curve_is_sinr=True, cw=7, aifs_us=58,
    ),
}  # fmt: skip
SIDELINK = {
    "mode_4": SidelinkParams(
        t2_slots=20, single_t2_slots=10, keep_probability=0.5, queue_packets=2, leak_db=(-20.0, -25.0, -30.0),
        overlap=0.6, packet_subchannels=None, uses=(2, 3), rsrp_threshold_dbm=-110.0, sci_sinr_db=3.0,
    ),
    "mode_2": SidelinkParams(
        t2_slots=20, single_t2_slots=10, ranked=False, recheck_slots=2, subchannels=3, packet_subchannels=None,
        uses=(2, 4), repetitions=1, queue_packets=2, t1_slots=2, rsrp_threshold_dbm=-110.0, candidate_share=0.5, sensitivity_dbm=-100.0,
    ),
    "mode_2_streams": SidelinkParams(
        t2_slots=12, single_t2_slots=5, ranked=False, recheck_slots=3, subchannels=2, rsrp_threshold_dbm=-115.0,
        uses=(3, 6), keep_probability=0.3, window_slots=300, slot_us=500,
    ),
}  # fmt: skip
RANDOM_SLOT = {"random_slot": RandomSlotParams(receiver_of(-95.0, -90.0, -92.0), 10, 500, 10_000)}
NAMES = (*CSMA, *SIDELINK, *RANDOM_SLOT)


def links(rng, stations, reach_dbm):
    """Return links of random powers, of which some fade as Nakagami or Rician channels."""
    power_dbm = rng.uniform(-105.0, -55.0, (stations, stations))
    power_dbm = np.minimum(power_dbm, power_dbm.T)
    shape = rng.choice([0.7, 3.0, np.inf, -2.0], (stations, stations))
    return field_of(power_dbm, reach_dbm, shape)


def sent(rng, begin_us, end_us, first_number, load, period_us):
    """Return packets that become ready in an interval: streams of the even stations, single packets of all."""
    rows = [
        (s, int(t), period_us)
        for s in range(0, STATIONS, 2)
        for t in range(begin_us + 997 * s % period_us, end_us, period_us)
    ]
    singles = max(1, load * (end_us - begin_us) // 10_000)
    rows += [
        (int(s), int(t), 0)
        for s, t in zip(rng.integers(0, STATIONS, singles), rng.integers(begin_us, end_us, singles), strict=True)
    ]
    sender, ready_us, period = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    number = first_number + np.arange(len(rows))
    return Packets(
        number, sender, rng.integers(-1, STATIONS, len(rows)), ready_us,
        np.where(period > 0, 180 + 20 * sender, rng.integers(60, 500, len(rows))), rng.integers(0, 5, len(rows)), period,
        (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03),
    )  # fmt: skip


def run(name):
    """Return what a layer reports in a run, by column; stations leave, join and change rows twice."""
    rng, period_us, reach_dbm = np.random.default_rng(7), 20_000, -120.0
    if name in CSMA:
        layer, load, part_us = Csma(STATIONS, CSMA[name], 0, KEYS[:STATIONS]), 60, 10_000
    elif name in SIDELINK:
        layer, load, part_us = Sidelink(STATIONS, SIDELINK[name], 0, KEYS[:STATIONS]), 4, 120_000
    else:
        layer, load, part_us = RandomSlot(STATIONS, RANDOM_SLOT[name], 0, KEYS[:STATIONS]), 10, 20_000
        reach_dbm = -np.inf
    parts, busy_us, keys = [], [], KEYS[:STATIONS]
    for part in range(5):
        layer.submit(sent(rng, part * part_us, (part + 1) * part_us, 1000 * part, load, period_us))
        receptions, busy = layer.advance((part + 1) * part_us - 1_300, links(rng, STATIONS, reach_dbm))
        parts.append(receptions)
        busy_us.append(busy.tolist())
        if part in (1, 3):
            # Two stations leave, two join in their place, and all change rows; streams stay with stations of even rows.
            row = np.roll(np.arange(STATIONS), 4)
            row[[2, 5]] = -1
            keys = np.where(row >= 0, keys[row], KEYS[STATIONS * (1 + part // 2) + np.arange(STATIONS)])
            layer.reindexed(row, keys)
    receptions, busy = layer.advance(6 * part_us, links(rng, STATIONS, reach_dbm))
    whole = Receptions.joined([*parts, receptions])
    # No packet of these runs is acknowledged.
    columns = [name for name in Receptions.__dataclass_fields__ if name not in ("repeat", "is_ack", "finished")]
    assert (whole.repeat.any(), whole.is_ack.any(), len(whole.finished)) == (False, False, 0)
    found = {column: getattr(whole, column).tolist() for column in columns}
    for column in FLOATS:
        found[column] = [round(value, 3) for value in found[column]]
    return found | {"busy_us": [*busy_us, busy.tolist()], "dropped": sorted(layer.dropped)}


def recorded(name):
    """Return the stored results of a run."""
    return json.loads(lzma.decompress((HERE / "recorded_layers" / f"{name}.json.xz").read_bytes()))


def check(name):
    """Run a layer and compare every column with the stored one."""
    found, expected = run(name), recorded(name)
    assert found.keys() == expected.keys()
    for column, values in expected.items():
        tolerance = 0.002 if column in FLOATS else 0.0
        np.testing.assert_allclose(found[column], values, rtol=0.0, atol=tolerance, err_msg=f"{name}: {column}")


def main() -> None:
    """Store the results of all runs."""
    (HERE / "recorded_layers").mkdir(exist_ok=True)
    for name in NAMES:
        text = json.dumps(run(name)).encode()
        (HERE / "recorded_layers" / f"{name}.json.xz").write_bytes(lzma.compress(text))


if __name__ == "__main__":
    main()
