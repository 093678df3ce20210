"""Measure how well any forecast of cycles could do: python tools/measure_ceiling.py [--seeds S ...] [--draws N] [--every N] [--only TEXT ...].

At instants at which egos ask, the run is copied several times. Each copy has the same world, the same stations with all that they
know and remember, the same packets in queues and on the air, and the same reservations; for all packets that are made from then on, it
draws anew when they are sent and whether they are decoded. So the same cycles are tried several times. A forecast that
knew the whole state of the world at that instant could still not know these draws. Its Brier score would be the mean of p (1 - p),
where p is the true probability of each cycle.

A setting takes one to four minutes for each seed. Prints one row of Markdown for each setting of tools/fit_cycle_forecast.py: how much better than the mean success of the setting such a
forecast would be, with a 90 % interval; how much better one that knew, for each ego and helper and each second, the true share of whole
cycles; and how much better that of the egos is in the same cycles.
"""

import argparse
import gc
import os
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from fit_cycle_forecast import settings

import v2xsim
import v2xsim.engine.simulation as engine
from v2xsim.engine.channel.radio import RadioAir
from v2xsim.engine.clock import Order
from v2xsim.engine.cooperation.collecting import answered_whole
from v2xsim.engine.cooperation.cooperation import Cooperation
from v2xsim.streams import Streams

SEEDS, DRAWS, EVERY = (11, 12, 13), 4, 2
HEADER = "| setting | cycles | observed | the best possible | 90 % interval | by pair and second | the egos' forecast |"
_RESAMPLED = 1000


class Redrawn(Streams):
    """Random streams whose draws for packets change with `copy`: how long they take to the radio, their slots, back-offs and receptions."""

    copy = 0
    """Number of the copy of the run that this process computes; 0 for the run itself."""

    def keys(self, name, rows):
        """Return the keys of `Streams.keys`, other ones for the packets of a copy."""
        return super().keys(f"{name} of copy {self.copy}" if self.copy and name == "packet" else name, rows)

    def uniform(self, name, *keys):
        """Return the number of `Streams.uniform`, another one for the messages of a copy."""
        return super().uniform(
            f"{name} of copy {self.copy}" if self.copy and name.startswith("processing.") else name, *keys
        )


class Tries(NamedTuple):
    """Cycles that were tried several times.

    Attributes:
        frame_us: Capture time of the frame of each cycle.
        pair: A number for each ego and helper.
        predicted: Success that the ego predicted, 0 to 1.
        whole: Whether the whole answer arrived by the deadline, for each cycle and copy.
    """

    frame_us: np.ndarray
    pair: np.ndarray
    predicted: np.ndarray
    whole: np.ndarray


class Copied(Cooperation):
    """Steps of cooperation that copy the run whenever egos ask.

    Attributes:
        draws: Number of copies.
        every: Copies are made at every so many instants at which egos ask.
        scenario: Scenario of the run; its rehearsal, which has another one, is not copied.
        tries: The cycles of each instant.
    """

    draws, every, asked = DRAWS, EVERY, 0
    scenario: v2xsim.Scenario
    tries: list[Tries]

    def __init__(self, scenario, *more):
        super().__init__(scenario, *more)
        self.is_rehearsal = scenario is not self.scenario

    def announce(self, states):
        """Let stations announce themselves, in each copy and then in the run itself; egos ask at the same instant, right after it."""
        self.asked += 1
        self.outcomes: list[np.ndarray] = []
        if not self.is_rehearsal and Redrawn.copy == 0 and self.asked % self.every == 0:
            frame_us = self._clock.now_us - self._detect_us
            for copy in range(1, self.draws + 1):
                read, write = os.pipe()
                child = os.fork()
                if child == 0:
                    gc.disable()
                    Redrawn.copy = copy
                    deadline_us = frame_us + round(self._rule.deadline_ms * 1e3)
                    self._clock.call(deadline_us, Order.ARRIVAL, partial(self._tell, states, frame_us, write))
                    break
                os.close(write)
                with os.fdopen(read, "rb") as answer:
                    self.outcomes.append(np.frombuffer(answer.read(), np.uint8))
                if os.waitpid(child, 0)[1] != 0:
                    raise RuntimeError(f"a copy of the run failed at frame {frame_us}")
        super().announce(states)

    def match(self, states, frame_us):
        """Let egos ask, and keep what became of it in the copies."""
        super().match(states, frame_us)
        cycles = list(self._cycles(states, frame_us))
        if Redrawn.copy == 0 and self.outcomes and cycles:
            pair = np.array([(ego << 32) | one.helper for ego, one in cycles])
            predicted, whole = np.array([one.success for _, one in cycles]), np.column_stack(self.outcomes)
            self.tries.append(Tries(np.full(len(cycles), frame_us), pair, predicted, whole.astype(float)))
            self.outcomes = []

    def _tell(self, states, frame_us, write):
        """Tell the run which of the cycles of a frame are whole, at the deadline, and end this copy."""
        self._air.settle()
        cycles = list(self._cycles(states, frame_us))
        whole = {ego: answered_whole(self._stations.knowledge_of(ego), frame_us) for ego, _ in cycles}
        os.write(write, bytes(one.helper in whole[ego] for ego, one in cycles))
        os._exit(0)

    def _cycles(self, states, frame_us):
        """Yield the ego of each cycle of a frame, and what it predicted."""
        for ego in states.agent[states.ego].tolist():
            for one in self._forecast.of(ego).asked.get(frame_us, ()):
                yield ego, one


def tries(scenario: v2xsim.Scenario, draws: int, every: int) -> tuple[Tries, v2xsim.Results]:
    """Return the cycles of a run, each tried several times, and the results of the run itself."""

    class Here(Copied):
        pass

    Here.draws, Here.every, Here.scenario, Here.tries = draws, every, scenario, []

    def air(clock, settings, streams, *more):
        return RadioAir(clock, settings, Redrawn(streams.seed, streams.names), *more)

    engine.Cooperation, engine.RadioAir = Here, air
    try:
        # A copy of a process has only one of its threads.
        results = v2xsim.run(scenario, threads=1)
    finally:
        if Redrawn.copy:
            os._exit(1)
        engine.Cooperation, engine.RadioAir = Cooperation, RadioAir
    return Tries(*(np.concatenate(column) for column in zip(*Here.tries, strict=True))), results


class Ceiling(NamedTuple):
    """How much better than the mean success forecasts are, as a share of the mean's Brier score.

    Attributes:
        best: That of the true probabilities.
        low: Lower end of its 90 % interval.
        high: Upper end.
        steady: That of the true share of whole cycles of each pair of ego and helper in each second.
        forecast: That of the egos' forecast.
    """

    best: float
    low: float
    high: float
    steady: float
    forecast: float


def ceiling(parts: Iterable[Tries]) -> Ceiling:
    """Return how much better than the mean a forecast could be at best, from cycles that were tried at least twice.

    The interval comes from drawing seconds of the runs again: cycles of one instant are lost together.
    """
    sums, freedom = [], 0
    for part in parts:
        draws, share = part.whole.shape[1], part.whole.mean(axis=1)
        # Without the factor, the variance of a few tries would be too small.
        chance = share * (1.0 - share) * draws / (draws - 1)
        brier = (part.predicted - share) ** 2 + share * (1.0 - share)
        second = part.frame_us // 1_000_000
        _, group = np.unique(np.column_stack([part.pair, second]), axis=0, return_inverse=True)
        count = np.bincount(group)
        freedom += len(share) - len(count)
        apart = (share - (np.bincount(group, share) / count)[group]) ** 2
        columns = np.column_stack([np.ones(len(share)), share, chance, brier, chance / draws, apart])
        sums += [columns[second == one].sum(axis=0) for one in np.unique(second)]
    by_second = np.array(sums)
    weight = np.random.default_rng(1).multinomial(len(sums), np.full(len(sums), 1.0 / len(sums)), _RESAMPLED)
    every = by_second.sum(axis=0)
    low, high = np.quantile(_gain(weight @ by_second, 2), [0.05, 0.95])
    best, forecast, blurred = (float(_gain(every, column)) for column in (2, 3, 4))
    # The variance of the shares within a pair and second is that of the true probabilities, and that of the few tries.
    plain = every[1] / every[0] * (1.0 - every[1] / every[0])
    steady = best - every[5] / freedom / plain + 1.0 - blurred
    return Ceiling(best, float(low), float(high), float(steady), forecast)


def _gain(sums: np.ndarray, column: int) -> np.ndarray:
    """Return how much better than the mean success a forecast with the Brier score of a column is."""
    share = sums[..., 1] / sums[..., 0]
    gain: np.ndarray = 1.0 - sums[..., column] / sums[..., 0] / (share * (1.0 - share))
    return gain


def main() -> None:
    """Print the row of each setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--draws", type=int, default=DRAWS, help="number of copies at each instant, at least 2")
    parser.add_argument("--every", type=int, default=EVERY, help="copy the run at every so many instants")
    parser.add_argument(
        "--only", nargs="+", default=[""], help="run only settings whose names contain one of these texts"
    )
    args = parser.parse_args()
    print(HEADER + "\n" + "|---" * (HEADER.count("|") - 1) + "|", flush=True)
    for name, place, radio in settings():
        if any(text in name for text in args.only):
            keys = [*place[1:], *radio, "run.duration_s=8"]
            parts = [tries(v2xsim.load(place[0], keys, seed), args.draws, args.every)[0] for seed in args.seeds]
            found, every = ceiling(parts), np.concatenate([part.whole for part in parts])
            print(
                f"| {name} | {len(every):,} | {every.mean():.3f} | {found.best:+.1%} | {found.low:+.1%} to {found.high:+.1%} | "
                f"{found.steady:+.1%} | {found.forecast:+.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
