"""Make a copy of a SUMO configuration that reads the user's files but writes nothing into the user's folder.

A configuration can name output files, and its additional files can name more (detectors, edge data). SUMO writes each
output beside the file that names it. So a run uses a copy of the configuration in a temporary folder: inputs get absolute
paths, outputs are removed, and additional files that name outputs are copied with the outputs redirected.
"""

import gzip
import os
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from v2xsim.mobility.base import MobilityError

_INPUTS = {"n", "net", "r", "routes", "a", "additional", "w", "weights", "load-state", "phemlight-path",
           "astar.all-distances", "astar.landmark-distances"}  # fmt: skip
_ADDITIONAL = {"a", "additional", "additional-files"}

# Options that write files, open ports or are only for the graphical interface.
_DROPPED = {"log", "l", "message-log", "error-log", "tripinfo", "summary", "netstate", "ndump", "netstate-dump", "dump",
            "vehroutes", "vehroute", "fcd", "C", "device.toc.file", "remote-port", "num-clients", "gui-settings-file", "g",
            "start", "S", "quit-on-end", "Q", "delay", "d", "game", "window-size", "window-pos", "breakpoints",
            "step-length", "seed", "random", "no-step-log", "verbose", "v", "no-warnings", "W"}  # fmt: skip
_DROPPED_BEGINNINGS = ("save-", "device.ssm", "gui-", "device.btreceiver", "registry-")

_OUTPUT_TAGS = ("e1Detector|inductionLoop|instantInductionLoop|e2Detector|laneAreaDetector|e3Detector|entryExitDetector"
                "|edgeData|laneData|meanData|routeProbe|vTypeProbe|vtypeprobe|vaporizer|timedEvent|calibrator|laneCalibrator")  # fmt: skip
_TAG = re.compile(r"<([A-Za-z]\w*)\b[^<>]*>")
_ATTRIBUTE = re.compile(r"\b(file|output|dest|href)\s*=\s*(\"[^\"]*\"|'[^']*')")
_OUTPUT = re.compile(rf"^(?:{_OUTPUT_TAGS})$")


@dataclass(frozen=True)
class SafeConfig:
    """The copy of a SUMO configuration that a run uses.

    Attributes:
        path: Path of the copy.
        options: Names of the SUMO options that the user's configuration already sets.
    """

    path: Path
    options: frozenset[str]


@dataclass
class _Redirected:
    """Makes copies of additional files and remembers those that exist already."""

    folder: Path
    copies: dict[Path, Path] = field(default_factory=dict)
    outputs: dict[tuple[str, str], Path] = field(default_factory=dict)

    def safe(self, path: Path) -> Path:
        """Return an additional file itself if it names no outputs, otherwise a copy whose outputs go to the temporary folder."""
        if path in self.copies:
            return self.copies[path]
        self.copies[path] = path  # Register the copy before its content is read: this ends a circle of includes.
        packed = path.read_bytes()
        is_gzip = packed[:2] == b"\x1f\x8b"
        text = (gzip.decompress(packed) if is_gzip else packed).decode("utf-8", "replace")
        bare = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
        changed = _TAG.sub(lambda tag: self._tag(tag[1], tag[0], path.parent), bare)
        if changed != bare:
            copy = self.folder / f"{len(self.copies)}-{path.name}"
            copy.write_bytes(gzip.compress(changed.encode()) if is_gzip else changed.encode())
            self.copies[path] = copy
        return self.copies[path]

    def _tag(self, name: str, text: str, home: Path) -> str:
        return _ATTRIBUTE.sub(lambda a: f'{a[1]}="{self._value(name, a[2][1:-1], home)}"', text)

    def _value(self, tag: str, value: str, home: Path) -> str:
        if _OUTPUT.match(tag):
            number = len(self.outputs)
            return str(self.outputs.setdefault((tag, value), self.folder / f"out-{number}.xml"))
        named = home / value
        if not value or not named.is_file():
            return value
        return str(self.safe(named.resolve()) if tag == "include" else named.resolve())


def _expanded(value: str) -> str:
    """Return an option's value with each ${NAME} replaced by the environment variable NAME, as SUMO does."""
    return re.sub(r"\$\{(\w+)\}", lambda m: os.environ.get(m[1], m[0]), value)


def _files(value: str, home: Path, option: str, config: Path) -> list[Path]:
    """Return the absolute paths of the files that an option's value lists."""
    parts = [value] if (home / value).exists() else [part.strip() for part in re.split(r"[,;]", value) if part.strip()]
    if len(parts) == 1 and not (home / parts[0]).exists() and " " in parts[0]:
        parts = parts[0].split()  # Old configurations separate the files of a list with spaces.
    for part in parts:
        if not (home / part).exists():
            raise MobilityError(f"{config}: {option} names {part!r}, which does not exist in {home}")
    return [(home / part).resolve() for part in parts]


def read_options(config: Path) -> dict[str, str]:
    """Return the options that a SUMO configuration sets."""
    if config.is_dir():
        raise MobilityError(f"{config}: is a folder; a SUMO configuration (.sumocfg) is needed")
    try:
        root = ET.parse(config).getroot()
    except OSError as error:
        raise MobilityError(f"{config}: cannot be read ({error.strerror})") from error
    except ET.ParseError as error:
        raise MobilityError(f"{config}: not a SUMO configuration: not valid XML ({error})") from error
    if root.tag not in ("configuration", "sumoConfiguration"):
        raise MobilityError(
            f"{config}: not a SUMO configuration: its root element is <{root.tag}>, not <configuration>"
        )
    return {
        element.tag: _expanded(element.get("value", element.get("v", "")))
        for element in root.iter()
        if "value" in element.attrib or "v" in element.attrib
    }


def safe_config(config: Path, folder: Path) -> SafeConfig:
    """Write a safe copy of a SUMO configuration into a folder, and return it.

    Raises:
        MobilityError: If the configuration cannot be read, or an input file that it names is missing.
    """
    config = config.absolute()
    options = read_options(config)
    redirected = _Redirected(folder.absolute())
    root = ET.Element("configuration")
    for option, value in options.items():
        if option in _DROPPED or "output" in option or option.startswith(_DROPPED_BEGINNINGS):
            continue
        if value and (option in _INPUTS or option.endswith(("-file", "-files", ".file", ".files"))):
            files = _files(value, config.parent, option, config)
            if option in _ADDITIONAL:
                files = [redirected.safe(path) for path in files]
            value = ",".join(map(str, files))
        ET.SubElement(root, option, value=value)
    path = folder / "run.sumocfg"
    ET.ElementTree(root).write(path, encoding="unicode", xml_declaration=False)
    return SafeConfig(path, frozenset(options))
