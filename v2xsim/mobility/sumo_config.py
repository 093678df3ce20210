"""Make a copy of a SUMO configuration that reads the user's files but writes nothing into the user's folder.

A configuration can name output files, and its additional files can name more (detectors, edge data). SUMO writes each
output beside the file that names it. So a run uses a copy of the configuration in a temporary folder: inputs get absolute
paths, outputs are removed, and additional files that name outputs are copied with the outputs redirected.

Files are read by the rules of XML (declared encodings, entities, comments) and options by those of SUMO 1.28: values as
attributes or as text, synonyms, lists separated by commas, %-encoded paths, and environment variables as ${NAME}.
"""

import os
import re
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from v2xsim.mobility.base import MobilityError, counted
from v2xsim.mobility.sumo_xml import Document, names_files, opened, place_of, read_document, root_of
from v2xsim.notices import Notice
from v2xsim.staging import Scratch

# SUMO's synonyms for options that are handled by name (sumo --save-template, SUMO 1.28).
_SYNONYMS = {
    "n": "net-file", "net": "net-file", "r": "route-files", "routes": "route-files", "a": "additional-files",
    "additional": "additional-files", "w": "weight-files", "weights": "weight-files", "b": "begin", "e": "end",
    "abs-rand": "random", "srand": "seed", "v": "verbose", "W": "no-warnings", "suppress-warnings": "no-warnings",
    "l": "log", "log-file": "log", "c": "configuration-file", "device.fcd-replay.file": "device.fcd-replay.files",
}  # fmt: skip

# Input files whose option does not end in -file or -files.
_INPUTS = {"load-state", "astar.all-distances", "astar.landmark-distances"}

# Options that write files, open ports, or are only for the graphical interface or emissions.
_DROPPED = {"configuration-file", "phemlight-path", "log", "message-log", "error-log", "tripinfo", "personinfo",
            "summary", "netstate", "ndump", "netstate-dump", "dump", "vehroutes", "vehroute", "personroutes", "fcd", "person-fcd", "C", "device.toc.file", "remote-port",
            "num-clients", "gui-settings-file", "g", "start", "S", "quit-on-end", "Q", "delay", "d", "game",
            "window-size", "window-pos", "breakpoints", "step-length", "seed", "random", "no-step-log", "verbose",
            "no-warnings"}  # fmt: skip
# Route files and additional files that name other files are written by hand; larger ones come from programs.
_LARGEST_NAMING_BYTES = 8_000_000
_DROPPED_BEGINNINGS = ("save-", "device.ssm", "gui-", "device.btreceiver", "registry-")

# Dropped options that do not change what a user gets from v2xsim, so that no notice lists them.
_UNREPORTED = {"configuration-file", "phemlight-path", "log", "message-log", "error-log", "gui-settings-file", "g",
               "start", "S", "quit-on-end", "Q", "delay", "d", "game", "window-size", "window-pos", "breakpoints", "no-step-log", "verbose", "no-warnings"}  # fmt: skip

# Options by which another program controls SUMO.
_REMOTE = {"remote-port", "num-clients"}

_TRUE = {"1", "yes", "true", "on", "x", "t"}

_OUTPUT_TAGS = {"e1Detector", "inductionLoop", "instantInductionLoop", "e2Detector", "laneAreaDetector", "e3Detector",
                "entryExitDetector", "edgeData", "laneData", "meanData", "routeProbe", "vTypeProbe", "vtypeprobe",
                "vaporizer", "timedEvent", "calibrator", "laneCalibrator"}  # fmt: skip
_REFERENCES = ("file", "output", "dest", "href")

# Number of bytes of a file of routes that are searched for containers.
_LOOKED_AT_BYTES = 4_000_000

# In a path SUMO takes a comma as the end of the path and ${ as an environment variable, and removes blanks at the ends.
# Bytes that are no UTF-8, which Python shows as the last codes here, cannot be written into XML.
_UNUSABLE = re.compile(r",|\$\{|^\s|\s$|[\udc80-\udcff]")


@dataclass(frozen=True)
class SafeConfig:
    """The copy of a SUMO configuration that a run uses.

    Attributes:
        path: Path of the copy.
        options: The options that the user's configuration sets, by SUMO's main name of each.
        notices: What is not taken over from the user's configuration.
    """

    path: Path
    options: Mapping[str, str]
    notices: tuple[Notice, ...] = ()


@dataclass
class _Copies:
    """Makes copies of additional files, and links to files whose paths SUMO cannot use; remembers those that exist already."""

    folder: Path
    copies: dict[Path, Path] = field(default_factory=dict)
    outputs: dict[tuple[str, str], Path] = field(default_factory=dict)
    links: dict[Path, Path] = field(default_factory=dict)

    def safe(self, path: Path) -> Path:
        """Return an additional file itself if it names no files, otherwise a copy whose outputs go to the temporary folder."""
        path = path.absolute()
        if path in self.copies:
            return self.copies[path]
        self.copies[path] = path  # Register the copy before its content is read: this ends a circle of includes.
        # Most of these files are large lists of polygons and stops without any reference; they need no copy.
        if names_files(path, _REFERENCES):
            document = read_document(path)
            if self._redirect(document.root, path.parent):
                self.copies[path] = self._written(document, path)
        return self.copies[path]

    def _redirect(self, root: ET.Element, home: Path) -> bool:
        """Replace the names of files below an element; return whether any has changed."""
        changed = False
        for element in root.iter():
            for key in _REFERENCES:
                value = element.get(key)
                if value and (safe := self._value(element.tag, value, home)) != value:
                    element.set(key, safe)
                    changed = True
        return changed

    def _value(self, tag: str, value: str, home: Path) -> str:
        if tag in _OUTPUT_TAGS:
            number = len(self.outputs)
            return str(self.outputs.setdefault((tag, value), self.folder / f"out-{number}.xml"))
        # Links are not followed: what a linked file includes lies beside the link, as for SUMO.
        named = Path(os.path.normpath(home / value))
        if tag == "include":
            return str(self.safe(named)) if named.is_file() else str(named)
        return str(named) if named.is_file() else value

    def _written(self, document: Document, path: Path) -> Path:
        copy = self.folder / f"{len(self.copies)}-{_UNUSABLE.sub('_', path.name)}"
        document.write(copy)
        return copy

    def usable(self, path: Path) -> Path:
        """Return a path of a file by which SUMO can open it: the path itself, or one through a link in the temporary folder."""
        if not _UNUSABLE.search(str(path)):
            return path
        if _UNUSABLE.search(path.name):
            # The files that an input includes are named relative to its folder, so a file gets a new name only where its
            # own one cannot be used.
            return self._link(path, "".join(path.suffixes[-2:]).replace(",", ""))
        return self._link(path.parent, "") / path.name

    def _link(self, target: Path, suffix: str) -> Path:
        if target not in self.links:
            link = self.folder / f"link-{len(self.links)}{suffix}"
            link.symlink_to(target)
            self.links[target] = link
        return self.links[target]


def _expanded(value: str) -> str:
    """Return an option's value with each ${NAME} replaced by the environment variable NAME, as SUMO does; unset ones are empty."""
    return re.sub(r"\$\{(\w+)\}", lambda m: os.environ.get(m[1], ""), value)


def encoded(path: Path) -> str:
    """Return a path as the value of an option, from which SUMO's rules for lists, variables and %-codes give the path again."""
    return re.sub("[%,;$]", lambda m: f"%{ord(m[0]):02X}", str(path))


def _decoded(part: str, home: Path) -> Path:
    """Return the path of a file that a configuration names, decoded as SUMO decodes it, such as %20 for a space."""
    decoded = home / unquote(part, errors="surrogateescape")
    return decoded if decoded.exists() or not (home / part).exists() else home / part


def files_of(value: str, home: Path, option: str, config: Path) -> list[Path]:
    """Return the absolute paths of the files that an option's value lists."""
    if _decoded(value, home).exists():
        parts = [value]
    else:
        parts = [part.strip() for part in re.split(r"[,;]", value) if part.strip()]
    if len(parts) == 1 and not _decoded(parts[0], home).exists() and " " in parts[0]:
        parts = parts[0].split()  # Old configurations separate the files of a list with spaces.
    paths = [_decoded(part, home) for part in parts]
    for part, path in zip(parts, paths, strict=True):
        if not path.exists():
            raise MobilityError(f"{config}: {option} names {part!r}, which does not exist in {home}")
    return [path.absolute() for path in paths]


def is_true(value: str) -> bool:
    """Return whether SUMO reads the value of an option as true."""
    return value.strip().lower() in _TRUE


def read_options(config: Path) -> dict[str, str]:
    """Return the options that a SUMO configuration sets, by SUMO's main name of each.

    Raises:
        MobilityError: If the configuration cannot be read, or sets an option twice.
    """
    if config.is_dir():
        raise MobilityError(f"{config}: is a folder; a SUMO configuration (.sumocfg) is needed")
    root = read_document(config, "a SUMO configuration").root
    if root.tag not in ("configuration", "sumoConfiguration"):
        raise MobilityError(
            f"{config}: not a SUMO configuration: its root element is <{root.tag}>, not <configuration>{place_of(root.tag)}"
        )
    options: dict[str, str] = {}
    for element in root.iter():
        name = _SYNONYMS.get(element.tag, element.tag)
        text = (element.text or "").strip() if len(element) == 0 and element is not root else ""
        # SUMO ignores empty values, and stops at an option that is set twice.
        for value in filter(None, (element.get("value"), element.get("v"), text)):
            if name in options:
                raise MobilityError(f"{config}: sets the option {name} twice; remove one")
            options[name] = _expanded(value)
    return options


def named_files(config: Path) -> list[Path]:
    """Return the input files that a SUMO configuration names, and those that its route files and additional files name.

    Files that do not exist are left out, and so are all files of a configuration that cannot be read: a run reports these.
    """
    config = config.absolute()
    try:
        options = read_options(config)
    except MobilityError:
        return []
    known: dict[Path, None] = {}
    for option, value in options.items():
        if _is_input(option):
            with suppress(MobilityError):
                for path in files_of(value, config.parent, option, config):
                    _add_with_named(path, option != "net-file", known)
    return sorted(known)


def _add_with_named(path: Path, may_name_others: bool, known: dict[Path, None]) -> None:
    """Add a file to the known ones, and the existing files that its elements name as inputs."""
    if path in known or not path.is_file():
        return
    known[path] = None
    if not may_name_others or path.stat().st_size > _LARGEST_NAMING_BYTES or not names_files(path, _REFERENCES):
        return
    for element in read_document(path).root.iter():
        for value in () if element.tag in _OUTPUT_TAGS else filter(None, map(element.get, _REFERENCES)):
            _add_with_named((path.parent / value).resolve(), element.tag == "include", known)


def _is_dropped(option: str) -> bool:
    return option in _DROPPED or "output" in option or option.startswith(_DROPPED_BEGINNINGS)


def _is_input(option: str) -> bool:
    return not _is_dropped(option) and (option in _INPUTS or option.endswith(("-file", "-files", ".file", ".files")))


def safe_config(config: Path, folder: Path, label: str = "") -> SafeConfig:
    """Write a safe copy of a SUMO configuration into a folder, and return it.

    Args:
        config: The user's configuration.
        folder: Folder for the copy.
        label: Name of the traffic in the notices; the path of the configuration if empty.

    Raises:
        MobilityError: If the configuration cannot be read or used, or an input file that it names is missing.
    """
    config = config.absolute()
    options = read_options(config)
    if is_true(options.get("mesosim", "")):
        raise MobilityError(
            f"{config}: the option mesosim is set; mesoscopic traffic has no positions of vehicles on their lanes, so it "
            "cannot be used; remove the option or set it to false"
        )
    if _UNUSABLE.search(str(folder.absolute())):
        raise MobilityError(
            f"{config}: SUMO cannot read files in {folder.absolute()}, the folder for temporary files, because of its name; set "
            "the environment variable TMPDIR to a folder without a comma or ${ in its name"
        )
    copies = _Copies(folder.absolute())
    with_containers = []
    root = ET.Element("configuration")
    dropped = []
    for option, value in options.items():
        if _is_dropped(option):
            dropped.append(option)
            continue
        if _is_input(option):
            files = files_of(value, config.parent, option, config)
            if option == "net-file" and (root_tag := root_of(files[0])) not in (None, "net"):
                raise MobilityError(
                    f"{config}: net-file names {files[0].name}, which is no road network: its root element is <{root_tag}>, not <net>"
                )
            if option in ("route-files", "additional-files"):
                with_containers += [path for path in files if _has_containers(path)]
            # A file with another name elsewhere must name what it includes by absolute paths.
            files = [
                copies.safe(path)
                if option == "additional-files" or (option == "route-files" and _UNUSABLE.search(path.name))
                else path
                for path in files
            ]
            # SUMO decodes the paths that it reads in a configuration.
            value = ",".join(str(copies.usable(path)).replace("%", "%25") for path in files)
        ET.SubElement(root, option, value=value)
    path = folder / "run.sumocfg"
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return SafeConfig(path, options, _notices(label or str(config), dropped, len(copies.outputs), with_containers))


def check_without_sumo(config: Path, begin_us: int) -> tuple[Notice, ...]:
    """Check what can be checked of a SUMO configuration without starting SUMO, and return what a run does not take over.

    Args:
        config: The configuration.
        begin_us: First instant of the run.

    Raises:
        MobilityError: If the configuration cannot be read or used, or its traffic begins after the run.
    """
    with Scratch("sumo") as folder:
        safe = safe_config(config, Path(folder))
    traffic_begin_us = time_us_of(safe.options.get("begin", "0"))
    if traffic_begin_us is not None and begin_us < traffic_begin_us:
        raise begins_late(str(config), traffic_begin_us, begin_us)
    return safe.notices


def begins_late(source: str, traffic_begin_us: int, begin_us: int) -> MobilityError:
    """Return the error about a run that begins before its traffic."""
    return MobilityError(
        f"{source}: traffic begins at {traffic_begin_us / 1e6:.12g} s, after the requested {begin_us / 1e6:.12g} s; set run.begin_s to "
        f"at least {traffic_begin_us / 1e6:.12g}"
    )


def _notices(source: str, dropped: list[str], outputs: int, with_containers: list[Path]) -> tuple[Notice, ...]:
    """Return the notices about options that are left out, outputs that are redirected, and files with containers."""
    notices = []
    replaced = [option for option in dropped if option in ("seed", "random")]
    remote = [option for option in dropped if option in _REMOTE]
    left_out = [option for option in dropped if option not in {*_UNREPORTED, *_REMOTE, "seed", "random", "step-length"}]
    if left_out:
        listed = ", ".join(left_out[:6]) + (", ..." if len(left_out) > 6 else "")
        notices.append(
            Notice(
                "sumo.options_left_out", len(left_out),
                f"{source}: {counted(len(left_out), 'option')} left out, because a run writes only its own results: {listed}",
            )
        )  # fmt: skip
    if remote:
        notices.append(
            Notice(
                "sumo.not_controlled", 1,
                f"{source}: the option {remote[0]} is left out; no other program can control SUMO during a run",
            )
        )  # fmt: skip
    if replaced:
        notices.append(
            Notice(
                "sumo.seed_replaced", 1, f"{source}: the option {replaced[0]} is left out; run.seed is the seed of SUMO"
            )
        )
    if outputs:
        notices.append(
            Notice(
                "sumo.outputs_left_out", outputs,
                f"{source}: {counted(outputs, 'output')} of detectors and other elements of its additional files not kept",
            )
        )  # fmt: skip
    if with_containers:
        names = ", ".join(path.name for path in with_containers[:3])
        notices.append(
            Notice(
                "sumo.containers", len(with_containers),
                f"{source}: the containers of {names} are left out, because containers are no road users here",
            )
        )  # fmt: skip
    return tuple(notices)


def _has_containers(path: Path) -> bool:
    """Return whether the beginning of a file has a container; a file of routes may be too large to be read completely."""
    try:
        with opened(path) as file:
            return re.search(rb"<container(Flow)?\b", file.read(_LOOKED_AT_BYTES)) is not None
    except (OSError, EOFError, zlib.error):
        return False  # SUMO reports what is wrong with the file.


def time_us_of(text: str) -> int | None:
    """Return the microseconds in a time of SUMO, seconds or [days:]hours:minutes:seconds; None if it is no time."""
    try:
        parts = [float(part) for part in text.split(":")]
        seconds = sum(part * unit for part, unit in zip(parts[::-1], (1.0, 60.0, 3600.0, 86400.0), strict=False))
        return round(seconds * 1e6)
    except (ValueError, OverflowError):
        return None
