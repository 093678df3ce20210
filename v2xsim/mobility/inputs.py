"""The files that a scenario's run reads, besides the scenario itself and its plug-ins."""

from contextlib import suppress
from pathlib import Path

from v2xsim.mobility.recorded import TABLES
from v2xsim.mobility.sumo_config import named_files
from v2xsim.scenario.manifests import sha256_of
from v2xsim.scenario.paths import paths_of
from v2xsim.scenario.schema import Scenario
from v2xsim.world.polygon_file import BuildingsError, read_polygons


def input_files(scenario: Scenario) -> list[Path]:
    """Return the files that a scenario names, and those that these name: of a SUMO configuration, of a polygon file, and of a run that is replayed.

    Plug-ins are not among them: a scenario has them as `loaded_plugins`.
    """
    named = [path for keys, path in paths_of(scenario) if keys[0] != "plugins"]
    config, recorded = scenario.traffic.sumocfg, scenario.traffic.recorded
    if config is not None:
        named += named_files(config)
    if recorded is not None:
        named += [recorded.run.parent / f"{table}.parquet" for table in TABLES]
    if isinstance(scenario.world.buildings, Path):
        with suppress(BuildingsError):
            named += read_polygons(scenario.world.buildings).included
    return sorted(dict.fromkeys(path for path in named if path.is_file()))


def input_digests(scenario: Scenario) -> dict[str, str]:
    """Return the SHA-256 digest of each input file, by absolute path."""
    return {str(path.absolute()): sha256_of(path) for path in input_files(scenario)}
