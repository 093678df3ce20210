"""Runs of scenarios: a whole run at once, or a simulation that a program steps from tick to tick."""

import os
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from v2xsim.doubtful import value_notices
from v2xsim.engine import simulation as engine
from v2xsim.engine.cooperation.own_messages import Loss
from v2xsim.engine.lockstep import Lockstep
from v2xsim.engine.stations.contents import EVERYBODY
from v2xsim.engine.stations.inbox import Arrival
from v2xsim.evaluation.metrics import METRIC_COLUMNS, READ_AGAIN
from v2xsim.link_graph import LinkScene, link_graph
from v2xsim.mobility.inputs import input_digests
from v2xsim.mobility.origins import origin_notices
from v2xsim.notices import Notice
from v2xsim.opened_world import OpenedWorld, opened_world
from v2xsim.part_trials import try_own_parts
from v2xsim.results.errors import ResultsError
from v2xsim.results.manifest import about
from v2xsim.results.results import Results
from v2xsim.results.store import MemoryStore, MetricStore, SegmentStore, Store
from v2xsim.run_arguments import (
    FASTEST_MPS,
    MessageLimit,
    OnArrival,
    OnFrame,
    OnLoss,
    Progress,
    SteppingError,
    check_arguments,
    check_payload,
    default_threads,
    is_number,
    no_progress,
)
from v2xsim.run_results import results_of, rung_of, steered_notices
from v2xsim.scenario.manifest_files import MANIFEST
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_world import simulated_s
from v2xsim.scenario.steered import Steered
from v2xsim.staging import Draft, Scratch, drafted
from v2xsim.views import FrameView, InstantView, KnowledgeView, LostMessage, ReceivedMessage
from v2xsim.views.knowledge import knowledge_of
from v2xsim.world.buildings import building_notices

if TYPE_CHECKING:
    import networkx as nx


def run(
    scenario: Scenario,
    *,
    out: Path | str | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
    on_frame: OnFrame | None = None,
    tables: bool = True,
) -> Results:
    """Simulate a scenario.

    Args:
        scenario: Scenario to run, as `v2xsim.load` returns it.
        out: Folder to write the results into; None keeps all tables in memory. While the run goes on, rows are written into a hidden folder
            beside it, which `v2xsim.open(out, partial=True)` reads after a kill. At the end, the files are moved into `out`, the manifest
            last; files of an earlier run are replaced, others stay.
        progress: Function called with the progress of the run.
        threads: Number of threads, by default the number of processors, at most 4. One runs the events; the others cast lidars, score
            frames and write rows. The results do not depend on it.
        on_frame: Function called with each fused frame of each ego, right after its fusion. An exception in it ends the run.
        tables: Whether the results have all tables. With False, they have only `metrics`, and the run needs little memory; not with `out`.

    Returns:
        Tables, metrics and timing of the run. Tables and metrics depend only on the scenario and its seed.
    """
    with _WholeRun(
        scenario, progress=progress, threads=threads, on_frame=on_frame, out=out, tables=tables
    ) as simulation:
        simulation.finish()
        return simulation.results()


class Simulation:
    """A run that a program steps from tick to tick; the results are those of `run`, unless the program acts.

    Example:
        with v2xsim.Simulation(scenario) as sim:
            for instant in sim:
                print(instant.time_s, len(sim.knowledge("car3").detections))
            results = sim.results()

    Traffic runs up to `run.begin_s` when the object is made. Leave the `with` block, or call `close`, to end SUMO and all
    threads; an exception of the simulation itself does so too. Only one simulation with SUMO can be open in a process.
    """

    # Whether SUMO may be ahead of the run, because nobody can steer its vehicles.
    _may_be_ahead = False
    # What the run has in common with others that advance with it.
    _lockstep: Lockstep | None = None

    def __init__(
        self,
        scenario: Scenario,
        *,
        progress: Progress | None = None,
        threads: int | None = None,
        on_frame: OnFrame | None = None,
        out: Path | str | None = None,
        tables: bool = True,
    ) -> None:
        """Build the world of a scenario and let its traffic run up to the first tick; arguments as in `run`.

        With `out`, the method `results` moves the files into that folder; call it before `close`.

        Raises:
            UserError: If an input of the scenario is wrong, or another simulation with SUMO is open in this process.
        """
        check_arguments(scenario, out, tables, threads)
        threads = threads or default_threads()
        self.scenario = scenario
        self._simulated_s = simulated_s(scenario.run.duration_s, scenario.run.step_s)
        self._progress: Progress = progress or no_progress
        self._process, self._speeds_set = os.getpid(), 0
        self._limit = MessageLimit()
        self._results: Results | None = None
        self._failure: BaseException | None = None
        # Before the run reads the files: a manifest must not have the digest of a file that was changed during the run.
        self._inputs = input_digests(scenario)
        try_own_parts(scenario)
        self._draft: Draft | None = None
        with ExitStack() as opened:
            if out is not None:
                self._out = Path(out)
                self._draft = opened.enter_context(drafted(self._out, ResultsError, last=MANIFEST))
            self._world = self._entered(opened, threads)
            self._names, self._obstacles = self._world.names, self._world.obstacles
            # The functions do not refer to this object, which only the program must keep alive.
            report, names, whole_s = self._progress, self._names, self._simulated_s
            store: Store = MemoryStore()
            if self._draft is not None:
                store = SegmentStore(
                    self._draft.folder, about(scenario, rung_of(scenario), self._input_notices, self._inputs),
                    threads, self._out,
                )  # fmt: skip
            elif not tables:
                store = MetricStore(Path(opened.enter_context(Scratch("run"))), METRIC_COLUMNS, [READ_AGAIN])
            opened.callback(store.close)
            begun = time.perf_counter()
            self._engine = engine.Simulation(
                scenario, self._world.mobility, self._obstacles, self._world.roster, threads,
                lambda done_us: report(done_us * 1e-6, whole_s, "simulating"),
                None if on_frame is None else lambda frame: on_frame(FrameView(frame, names)), names, store, self._world.roads,
                self._lockstep,
            )  # fmt: skip
            opened.callback(self._engine.close)
            self._engine.recording.add_roads(self._world.roads)
            # Ends SUMO and the threads, also when nobody can reach this object any more.
            self._is_on_disk = not isinstance(store, MemoryStore)
            self._end = weakref.finalize(self, _end, opened.pop_all(), self._process)
        self._instant = InstantView(self._engine.instant, self._names)
        self._timing = dict(self._world.timing)
        self._timing["warm_up_s"] += time.perf_counter() - begun
        self._measured_s = 0.0

    def _entered(self, opened: ExitStack, threads: int) -> OpenedWorld:
        """Open the world of the run, to be closed with it."""
        is_ahead = self._may_be_ahead and threads > 1 and self.scenario.traffic.is_simulated
        return opened.enter_context(opened_world(self.scenario, is_ahead, self._progress))

    # Running

    def step(self) -> InstantView | None:
        """Run to the next tick and return the true world at it; after the last tick, run to the end and return None.

        All that happens at its instant has happened: messages have arrived, and frames whose deadline is now are fused.
        """
        if self._engine.is_over:
            return None
        with self._running():
            is_tick = self._engine.step()
        if not is_tick:
            return None
        self._instant = InstantView(self._engine.instant, self._names)
        return self._instant

    def __iter__(self) -> Iterator[InstantView]:
        """Step until the end of the run."""
        while (instant := self.step()) is not None:
            yield instant

    def finish(self) -> None:
        """Run to the end without stopping at ticks; this is faster, because lidars are cast ahead."""
        if not self._engine.is_over:
            with self._running():
                self._engine.finish()

    def results(self) -> Results:
        """Return the results of the run, once it has run to its end.

        Raises:
            SteppingError: If the run has not come to its end.
        """
        if self._results is None:
            self._check_sound()
            if not self._engine.is_over:
                self._check_running()
                raise SteppingError(
                    f"the run is at {self.time_s:.12g} s, before its end; go on with step() to the end, or call finish(), before results()"
                )
            if not self._end.alive and self._is_on_disk:
                raise SteppingError(
                    "the simulation is closed, and its temporary files are removed; make a new one, and call results() before close()"
                )
            with self._ended_by_errors():
                self._results = self._finished_results()
        return self._results

    def close(self) -> None:
        """End SUMO and all threads; views and results stay. A second call does nothing."""
        # What SUMO reported is read before it ends.
        try:
            if self._engine.is_over and self._end.alive:
                _ = self._notices
        finally:
            self._end()

    def __enter__(self) -> "Simulation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "over" if self._engine.is_over else "open" if self._end.alive else "closed"
        return f"<simulation of {self.scenario.name} at {self.time_s:.12g} s, {state}>"

    # Looking

    @property
    def time_s(self) -> float:
        """Present traffic time in seconds."""
        return self._engine.clock.now_us / 1e6

    def knowledge(self, name: str) -> KnowledgeView:
        """Return what a station knows now.

        The name must be that of a vehicle or roadside unit that has a radio at the last tick.
        """
        return knowledge_of(self._engine, self._station(name), self._names)

    def graph(self) -> "nx.DiGraph[str]":
        """Return the links of the last tick as a graph of networkx: stations are nodes, and each pair in range has two edges.

        An edge leads from the station that sends to the one that receives. `v2xsim.link_graph.link_graph` has all attributes.
        """
        self._check_sound()
        self._present()
        scene = LinkScene.of(self._engine.instant, self._engine.heard, self._obstacles, self.scenario)
        return link_graph(scene, self._names.name_of)

    # Acting

    def send(
        self, sender: str, payload: bytes, *, to: str | None = None, on_arrival: OnArrival | None = None,
        on_loss: OnLoss | None = None,
    ) -> int:  # fmt: skip
        """Send a message from a station over the channel of the scenario; return its number in the table `packets`.

        The message is cut into fragments, waits for the channel and can be lost, like any other message; its kind is
        `application`. Congestion control (`radio.dcc`) does not delay it. It is in the inbox of each station at which all its
        fragments have arrived (`KnowledgeView.inbox`).

        Args:
            sender: Name of the station that sends.
            payload: Content, 1 to 1,000,000 bytes.
            to: Name of the station that the message is for; None for all stations that receive it.
            on_arrival: Function called at each arrival, at its simulated time (with a radio, up to 0.5 ms later). It may send.
            on_loss: Function called once if the message is lost: if not all its fragments arrive at its destination or, without `to`,
                no station at all receives it. It is called as soon as that is certain, at the latest at the end of the run;
                `LostMessage.reason` names the reason. It may send; at the end of the run, nothing is sent any more.
        """
        self._check_running()
        check_payload(payload)
        self._limit.count(self.time_s)
        origin = self._station(sender)
        destination = EVERYBODY if to is None else self._station(to)
        if origin == destination:
            raise SteppingError(f"to must be another station than the sender, got {to!r} twice")

        def arrived(agent: int, arrival: Arrival) -> None:
            if on_arrival is not None:
                on_arrival(self._names.name_of(agent), ReceivedMessage.of(arrival, self._names))

        def lost(loss: Loss) -> None:
            if on_loss is not None:
                on_loss(to, LostMessage.of(loss, self._names))

        return self._engine.send(
            origin, destination, bytes(payload), None if on_arrival is None else arrived, None if on_loss is None else lost
        )  # fmt: skip

    def set_speed(self, name: str, speed_mps: float | None) -> None:
        """Set the speed at which a vehicle wants to drive, from the next tick on; None lets SUMO decide again.

        SUMO still keeps vehicles from colliding, and within the acceleration of which each is capable. In a function that is
        called at an arrival, the speed holds one tick later, because the next tick is being computed.

        Args:
            name: Name of a vehicle on the road.
            speed_mps: Speed in metres per second, 0 to 150.

        Raises:
            UserError: If the traffic is replayed from waypoints or a trace, or the vehicle is not on the road.
        """
        self._check_running()
        if speed_mps is not None and not (is_number(speed_mps) and 0.0 <= speed_mps <= FASTEST_MPS):
            raise SteppingError(f"speed_mps must be 0 to {FASTEST_MPS:g} m/s, or None, got {speed_mps!r}")
        users = self._present().road_users
        self._world.mobility.set_speed(int(users.agent[users.row(name)]), speed_mps)
        self._speeds_set += 1

    # Inner parts

    def _finished_results(self) -> Results:
        """Compute the results; if the run has a folder, write what is not written yet, and move all files into it."""
        timing = self._timing | {"measured_s": self._measured_s}
        results = results_of(self._engine, self._notices, self._inputs, self._steered, timing)
        if self._draft is not None:
            results.fill(self._draft.folder, self._out)
            self._draft.commit()
            # Not by the path that was given: a part or the program may have changed the working folder since.
            results.moved(self._draft.target)
        return results

    def _station(self, name: str) -> int:
        """Return the agent id of a station at the last tick."""
        stations = self._present().stations
        return int(stations.agent[stations.row(name)])

    def _present(self) -> InstantView:
        """Return the true world at the last tick."""
        if not self._engine.has_begun:
            raise SteppingError("there is no tick yet; call step() first")
        # In a function that is called while the run goes on, the last tick may not have been returned yet.
        if not self._instant.shows(self._engine.instant):
            self._instant = InstantView(self._engine.instant, self._names)
        return self._instant

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Measure the time of a part of the run; an exception in it ends the simulation."""
        self._check_running()
        started = time.perf_counter()
        try:
            with self._ended_by_errors():
                yield
        finally:
            self._measured_s += time.perf_counter() - started

    @contextmanager
    def _ended_by_errors(self) -> Iterator[None]:
        """Close the simulation at an exception: what it interrupted cannot be done once more."""
        try:
            yield
        except BaseException as failure:
            self._fail(failure)
            raise

    def _fail(self, failure: BaseException) -> None:
        """End the simulation because of an exception; what it has written stays."""
        self._failure = failure
        if self._draft is not None:
            self._draft.leave_rows(failure)
        self.close()

    def _check_sound(self) -> None:
        """Refuse to go on in a forked copy of the process, or after an exception."""
        if self._process != os.getpid():
            raise SteppingError(
                "the simulation belongs to the process that forked this one: its threads and SUMO run there; make a new simulation in this process"
            )
        if self._failure is not None:
            raise SteppingError(
                f"the simulation has ended with an error ({type(self._failure).__name__}: {self._failure}); make a new one"
            )

    def _check_running(self) -> None:
        self._check_sound()
        if self._engine.is_over:
            raise SteppingError("the run has ended; make a new simulation")
        if not self._end.alive:
            raise SteppingError("the simulation is closed; make a new one")

    @property
    def _steered(self) -> Steered:
        return Steered(self._engine.own_messages.counts.sent, self._speeds_set)

    @cached_property
    def _input_notices(self) -> tuple[Notice, ...]:
        """The notices about inputs, which are known before the run begins."""
        return (
            *value_notices(self.scenario),
            *building_notices(self.scenario.world, self._world.height_sources),
            *origin_notices(self.scenario.traffic, self.scenario.world, self._world.height_sources),
        )

    @cached_property
    def _notices(self) -> tuple[Notice, ...]:
        """The notices of the run, read once, before SUMO ends."""
        return (
            *self._input_notices,
            *self._world.notices,
            *self._engine.notices(self._names),
            *steered_notices(self._steered, self._engine.own_messages.counts),
        )


class _WholeRun(Simulation):
    """A run without a program that acts in it."""

    _may_be_ahead = True


def _end(opened: ExitStack, process: int) -> None:
    # In a forked copy of the process there are no threads to end, and SUMO is not its own.
    if process == os.getpid():
        opened.close()
