"""Files and folders that were named in place of another: what they are, and which command or key takes them."""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from v2xsim.errors import in_command
from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.manifest_files import MANIFEST

# The plan in the folder of a sweep.
_PLAN = "sweep.json"
# Number of files that a message names.
_MOST_NAMED = 3


class Kind(Enum):
    """A kind of file in YAML or JSON; the value is its name in messages."""

    SCENARIO = "a scenario"
    SWEEP = "a sweep file"
    STUDY = "a study file"
    SET_UP = "a set-up of the radio validation"
    RUN = "the manifest of a run"
    PLAN = "the plan of a sweep"


# Keys of which each kind has at least one, and the others none.
_KEYS = {
    Kind.SCENARIO: {"traffic", "lidars", "cooperation", "detector"},
    Kind.SWEEP: {"scenario", "grid", "list", "sobol", "random"},
    Kind.STUDY: {"families", "rules"},
    Kind.SET_UP: {"road", "receiver", "reach_m"},
}
_SUFFIXES = {
    ".sumocfg": "a configuration of SUMO; name it in a scenario, under traffic: {{sumocfg: {name}}}",
    ".net.xml": "a road network of SUMO; name it in a configuration (.sumocfg), and that in a scenario under traffic.sumocfg",
    ".rou.xml": "a file of SUMO's vehicles; name it in a configuration (.sumocfg), and that in a scenario under traffic.sumocfg",
    ".poly.xml": "a file of SUMO's polygons; name it in a scenario, under world: {{buildings: {name}}}",
    ".osm": "a map; v2xsim import-osm makes a town of it",
    ".osm.gz": "a map; v2xsim import-osm makes a town of it",
    ".osm.bz2": "a map; v2xsim import-osm makes a town of it",
    ".xml": "an XML file; a trace is named in a scenario, under traffic: {{fcd: {name}}}",
    ".xml.gz": "a packed XML file; a trace is named in a scenario, under traffic: {{fcd: {name}}}",
    ".py": "a Python file; parts of your own are named in a scenario, under plugins: [{name}]",
    ".parquet": "a table; v2xsim view, report and v2xsim.open take the folder of the run",
    ".ply": "a cloud; v2xsim view, report and v2xsim.open take the folder of the run",
    ".pcd": "a cloud; v2xsim view, report and v2xsim.open take the folder of the run",
}


def kind_of(data: Any) -> Kind | None:
    """Return the kind of a file by its content; None if the content fits no kind, or several."""
    if not isinstance(data, Mapping):
        return None
    if data.get("kind") == "sweep" and "points" in data:
        return Kind.PLAN
    if isinstance(data.get("scenario"), Mapping):
        return Kind.RUN
    fitting = [kind for kind, keys in _KEYS.items() if keys & set(data)]
    return fitting[0] if len(fitting) == 1 else None


def refuse_other_content(data: Any, source: str, wanted: Kind) -> None:
    """Raise an error if a file's content is of another kind than wanted."""
    kind = kind_of(data)
    if kind is None or kind is wanted:
        return
    use = {
        Kind.SCENARIO: f"run it with `v2xsim run {in_command(source)}`",
        Kind.SWEEP: f"run it with `v2xsim sweep {in_command(source)}`",
        Kind.STUDY: f"run it with `v2xsim study run {in_command(source)} --seeds development`",
        Kind.SET_UP: f"run it with `v2xsim validate radio --config {in_command(source)}`",
        Kind.RUN: f"`v2xsim run {in_command(source)}` runs it again",
        Kind.PLAN: f"`v2xsim report {in_command(Path(source).parent)}` reads it, and `v2xsim sweep` with the sweep file and --resume continues it",
    }[kind]
    if kind is Kind.SCENARIO and wanted is Kind.SWEEP:
        use += f", or vary it with `v2xsim sweep {in_command(source)} --grid KEY=A,B`"
    raise ScenarioError(f"{source}: must be {wanted.value}, got {kind.value}; {use}")


def refuse_other_file(file: Path, source: str, wanted: Kind) -> None:
    """Raise an error if a path is a folder, or by its name a file that no command reads as the wanted kind."""
    if file.is_dir():
        raise ScenarioError(f"{source}: must be {wanted.value} (a YAML file), got a folder{_in(file)}")
    # The longest suffix first: .net.xml before .xml.
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if file.name.lower().endswith(suffix):
            raise ScenarioError(
                f"{source}: must be {wanted.value} (a YAML file), got {_SUFFIXES[suffix].format(name=file.name)}"
            )


def _in(folder: Path) -> str:
    """Return what a user of a folder probably meant."""
    if (folder / MANIFEST).is_file():
        return f"; to run a finished run again, name {folder / MANIFEST}"
    if (folder / _PLAN).is_file():
        return f" of a sweep; `v2xsim report {in_command(folder)}` reads it, and `v2xsim sweep` with the sweep file and --resume continues it"
    scenarios = sorted(str(path) for pattern in ("*.yaml", "*.yml") for path in folder.glob(pattern))
    if scenarios:
        more = f" and {len(scenarios) - _MOST_NAMED} more" if len(scenarios) > _MOST_NAMED else ""
        return f"; name a file in it: {', '.join(scenarios[:_MOST_NAMED])}{more}"
    return ""


def named_by_file(file: Path) -> str:
    """Return what to do for a user who named a file in place of the folder of a run or a sweep."""
    if file.suffix.lower() in (".yaml", ".yml"):
        return f"run it first (`v2xsim run {in_command(file)}` for a scenario, `v2xsim sweep {in_command(file)}` for a sweep file), and name the folder that is printed at the end"
    if file.suffix == ".parquet":
        return f"name its folder, {file.parent}"
    return "name the folder that v2xsim run or v2xsim sweep printed at its end"
