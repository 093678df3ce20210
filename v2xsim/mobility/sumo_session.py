"""The one simulation that libsumo can run in a process."""

import os
from pathlib import Path
from types import ModuleType

from v2xsim.mobility.base import MobilityError
from v2xsim.mobility.sumo_tools import console_into
from v2xsim.staging import Scratch


class SumoSession:
    """The one simulation that libsumo runs in this process, until `end`.

    libsumo itself does not refuse a second simulation: it would silently replace the first one.
    """

    running: "SumoSession | None" = None

    def __init__(self, source: str, sumo: ModuleType) -> None:
        SumoSession.refuse_second(source)
        if sumo.isLoaded():
            raise MobilityError(
                f"{source}: libsumo already runs a simulation in this process that v2xsim did not start; call libsumo.close() first"
            )
        self._source, self._sumo, self._process = source, sumo, os.getpid()
        self._folder = Scratch("sumo")
        self.log_path = self.folder / "console.txt"
        try:
            self.log = self.log_path.open("wb")
        except OSError:
            self._folder.cleanup()
            raise
        # Folder of a generated road.
        self.scratch: Scratch | None = None
        SumoSession.running = self

    @staticmethod
    def refuse_second(source: str) -> None:
        """Refuse to start a simulation while another one is open.

        Raises:
            MobilityError: If one is open.
        """
        if SumoSession.running is not None:
            raise MobilityError(SumoSession.running.reason(source))

    @property
    def folder(self) -> Path:
        """Folder for temporary files."""
        return Path(self._folder.name)

    @property
    def folders(self) -> list[str]:
        """Names of all temporary folders of the simulation."""
        return [folder.name for folder in (self._folder, self.scratch) if folder is not None]

    @property
    def is_over(self) -> bool:
        """Whether `end` was called, or this process is a copy of the one that runs the simulation."""
        return self.log.closed or self._process != os.getpid()

    def reason(self, source: str) -> str:
        """Return why another simulation cannot start now."""
        if self._process != os.getpid():
            return (
                f"{source}: SUMO cannot run in a process that was forked while SUMO was running ({self._source}); start the process "
                "with multiprocessing's method spawn, or fork before the first simulation"
            )
        return (
            f"SUMO runs one simulation per process, and {self._source} is still open; close it first (leave its `with` block, "
            "or call its method close), or use another process"
        )

    def end(self) -> None:
        """End the simulation, so that another one can start; does nothing in a forked copy of the process."""
        if self.is_over:
            return
        try:
            with console_into(self.log):
                self._sumo.close()
        except Exception:  # noqa: BLE001  # a simulation that never started or already failed has nothing to close
            pass
        finally:
            SumoSession.running = None
            self.log.close()
            self._folder.cleanup()
            if self.scratch is not None:
                self.scratch.cleanup()
