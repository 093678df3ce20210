"""The process behind `v2xsim.mobility.ahead`: it answers questions about the traffic of a scenario until its standard input is closed."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from v2xsim.errors import UserError
from v2xsim.mobility.base import Mobility, Names
from v2xsim.mobility.piped import Message, receive, send
from v2xsim.mobility.source import open_mobility
from v2xsim.scenario.schema_world import Run, Traffic
from v2xsim.signals import Stopped, stop_at_sigterm_only, undisturbed


class _Answers:
    """Answers the questions about one source of traffic.

    Args:
        pipe: Pipe to which the answers go.
    """

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe, self._names, self._told = pipe, Names(), 0
        self._mobility: Mobility | None = None

    def close(self) -> None:
        """Close the source of traffic."""
        if self._mobility is not None:
            self._mobility.close()

    def answer(self, question: dict[str, Any]) -> None:
        """Answer a question."""
        ask = question.pop("question")
        try:
            content, arrays = (
                self._open(**question) if ask == "open" else getattr(self, f"_{ask}")(self._mobility, **question)
            )
        except UserError as error:
            content, arrays = {"error": str(error)}, []
        except OSError:
            raise
        except Exception:  # noqa: BLE001  # the process that asked raises it
            content, arrays = {"failure": traceback.format_exc()}, []
        send(self._pipe, content, arrays)

    def _open(self, traffic: dict[str, Any], run: dict[str, Any], names: list[tuple[str, str]]) -> Message:
        for name, owner in names:
            self._names.register(name, owner)
        self._told = len(self._names)
        self._mobility = open_mobility(Traffic.model_validate(traffic), Run.model_validate(run), self._names)
        return {"bounds": self._mobility.bounds}, []

    def _warm_up(self, mobility: Mobility, until_us: int) -> Message:
        mobility.warm_up(until_us, lambda time_us: send(self._pipe, {"progress_us": time_us}))
        return {"done": True}, []

    def _snapshot(self, mobility: Mobility, time_us: int) -> Message:
        now = mobility.snapshot(time_us)
        new = range(self._told, len(self._names))
        self._told = len(self._names)
        boxes, parts = now.boxes, now.parts
        return {"names": [(self._names.name_of(agent), self._names.owner_of(agent)) for agent in new]}, [
            now.agent, now.kind, boxes.center_m, boxes.size_m, boxes.yaw_rad, now.velocity_mps, now.antenna_height_m,
            parts.owner, parts.boxes.center_m, parts.boxes.size_m, parts.boxes.yaw_rad,
        ]  # fmt: skip

    def _roads(self, mobility: Mobility) -> Message:
        roads = mobility.roads()
        arrays = [roads.kind, roads.users, roads.width_m, roads.points_m, roads.offset, roads.limit_mps]
        return {"names": roads.name}, arrays

    def _notices(self, mobility: Mobility) -> Message:
        return {"notices": [(notice.subject, notice.count, notice.text) for notice in mobility.notices()]}, []


def main() -> None:
    """Answer the questions on standard input, until it is closed, on the pipe whose number is the argument."""
    stop_at_sigterm_only()
    answering = _Answers(os.fdopen(int(sys.argv[1]), "wb"))
    try:
        for question in _questions(sys.stdin.buffer):
            answering.answer(question)
    except (BrokenPipeError, Stopped):
        pass  # The process that asked has ended, or wants no more answers.
    finally:
        with suppress(Stopped), undisturbed():
            answering.close()
    # At once: nothing else is left to do, and the process that asked may be waiting.
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(0)


def _questions(pipe: BinaryIO) -> Iterator[dict[str, Any]]:
    while (message := receive(pipe)) is not None and message[0]["question"] != "end":
        yield message[0]


if __name__ == "__main__":
    main()
