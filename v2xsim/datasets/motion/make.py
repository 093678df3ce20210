"""Make a corpus: simulate its runs, convert their tracks to tokens, and write them into a folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from v2xsim.datasets.motion.record import STEP_US, Job, notices_of
from v2xsim.datasets.motion.roads import KNOWN, UNSEEN, read
from v2xsim.datasets.motion.runs import Report, run_all
from v2xsim.datasets.motion.tracks import WISHES, Tracks, joined, load
from v2xsim.errors import UserError
from v2xsim.gpu.sequence.corpus import FORMAT, MANIFEST, SPLITS, VOCABULARY, Sequences
from v2xsim.gpu.sequence.motion import coverage, drift, moves_of, token_offsets, token_statistics, tokenise
from v2xsim.gpu.sequence.motion_covering import covering, random_k_disks
from v2xsim.gpu.sequence.motion_vocabulary import TOLERANCE_M, MotionVocabulary
from v2xsim.mobility.sumo_config import read_options
from v2xsim.staging import Scratch, staged
from v2xsim.streams import Streams
from v2xsim.version import __version__
from v2xsim.world.road_users import KINDS

# Shortest and longest duration of a token in seconds.
STEPS_S = (0.1, 0.5)


class CorpusError(UserError):
    """A corpus cannot be made as requested."""


@dataclass(frozen=True)
class Settings:
    """The settings of a corpus.

    Attributes:
        vehicles: Number of vehicles in each run on a town or a .net.xml; a .sumocfg has its own traffic.
        minutes: Traffic time of each run in minutes.
        step_s: Duration of a token.
        vocabulary: Largest number of different tokens.
        tolerance_m: Largest position error at which a token still represents a move; a smaller tolerance needs more tokens.
        shortest_s: Least duration of a track; shorter tracks are left out.
        seed: Seed of all random draws.
        networks: Network files for training and validation, in addition to the towns.
        test_networks: Network files for the test set only.
        towns: Number of generated towns to use for training, with test towns in proportion; 0 uses files only.
    """

    vehicles: int = 100
    minutes: float = 10.0
    step_s: float = 0.5
    vocabulary: int = 384
    tolerance_m: float = TOLERANCE_M
    shortest_s: float = 10.0
    seed: int = 1
    networks: tuple[Path, ...] = ()
    test_networks: tuple[Path, ...] = ()
    towns: int = len(KNOWN)


SMALL = Settings(vehicles=20, minutes=2.0, towns=2)
"""Settings for a small trial corpus: some ten thousand tokens, made within seconds."""


def plan(settings: Settings) -> list[tuple[str, str]]:
    """Return the runs of a corpus as pairs of set (training, validation or test) and network.

    The training set uses every town once. The validation set uses every second town of the training set, with other
    drivers, routes and random draws. The test set has towns of its own.

    Raises:
        CorpusError: If a setting is not possible.
    """
    _check(settings)
    known = [town.name for town in KNOWN[: settings.towns]]
    unseen = [town.name for town in UNSEEN[: -(-settings.towns * len(UNSEEN) // len(KNOWN))]]
    own, own_test = map(str, settings.networks), map(str, settings.test_networks)
    train = [*known, *own]
    validation = [*known[::2], *train[len(known) :]]
    return [
        (split, network)
        for split, networks in zip(SPLITS, (train, validation, [*unseen, *own_test]), strict=True)
        for network in networks
    ]


def _check(settings: Settings) -> None:
    step_us, low, high = round(settings.step_s * 1e6), *STEPS_S
    if not low <= settings.step_s <= high or step_us % STEP_US:
        raise CorpusError(f"the step must be 0.1, 0.2, 0.3, 0.4 or 0.5 s, got {settings.step_s:g}")
    if not (np.isfinite(settings.minutes) and settings.minutes > 0):
        raise CorpusError(f"the duration of a run must be above 0 minutes and finite, got {settings.minutes:g}")
    if settings.vehicles < 1 or settings.vocabulary < 1:
        raise CorpusError("there must be at least one vehicle and one token")
    if not (np.isfinite(settings.tolerance_m) and settings.tolerance_m > 0):
        raise CorpusError(f"the tolerance must be above 0 m, got {settings.tolerance_m:g}")
    if not settings.step_s <= settings.shortest_s <= 60.0 * settings.minutes:
        raise CorpusError(
            f"the shortest track must be from one step to all of a run, {settings.step_s:g} to {60 * settings.minutes:g} s, "
            f"got {settings.shortest_s:g} s"
        )
    if not 0 <= settings.towns <= len(KNOWN):
        raise CorpusError(f"there are {len(KNOWN)} towns, got {settings.towns}")
    if settings.towns == 0 and not (settings.networks and settings.test_networks):
        raise CorpusError("without towns, there must be a network to train on and another to test on")
    files = [*settings.networks, *settings.test_networks]
    names = [path.name for path in files]
    if twice := [name for name in names if names.count(name) > 1]:
        raise CorpusError(
            f"{twice[0]}: is given twice; a network must be either for training or for the test, and names must differ"
        )
    for path in files:
        if path.suffix == ".sumocfg":
            read_options(path)
        elif path.name.endswith((".net.xml", ".net.xml.gz")):
            read(path)
        else:
            raise CorpusError(f"{path}: must be a network (.net.xml, .net.xml.gz) or a SUMO configuration (.sumocfg)")


def make(folder: Path, settings: Settings, jobs: int, report: Report) -> Mapping[str, Any]:
    """Simulate the traffic, choose a vocabulary, and write a corpus into a new folder, completely or not at all.

    Return its manifest.

    Args:
        folder: Folder to write into; it must be new or empty.
        settings: Settings of the corpus. Equal settings give equal bytes, whatever the number of processes.
        jobs: Number of SUMO runs at the same time.
        report: Function called as the work advances.

    Raises:
        UserError: If a setting, a network or the folder cannot be used.
    """
    runs = plan(settings)

    def check(target: Path) -> None:
        if target.is_file() or (target.is_dir() and any(target.iterdir())):
            raise CorpusError(f"{folder}: must be a new or empty folder")

    with staged(folder, check, CorpusError) as staging:
        tracks, notices = _driven(runs, settings, jobs, report)
        report(len(runs), len(runs), "choosing a vocabulary")
        train = tracks["train"]
        step_s, tolerance_m, size = settings.step_s, settings.tolerance_m, settings.vocabulary
        vocabulary = covering(train.pose, train.offset, size, step_s=step_s, tolerance_m=tolerance_m)
        draw = Streams(settings.seed).generator("corpus.k_disks")
        moves = moves_of(train.pose, train.offset)
        disks = random_k_disks(moves, size, draw, step_s=step_s, tolerance_m=tolerance_m)
        report(len(runs), len(runs), "writing tokens")
        vocabulary.save(staging / VOCABULARY)
        token = {split: tokenise(vocabulary, part.pose, part.offset) for split, part in tracks.items()}
        for split, part in tracks.items():
            _sequences(part, token[split]).save(staging / f"{split}.npz")
        content = {
            split: {
                "sequences": len(part),
                "networks": sorted(set(part.network.tolist())),
                **asdict(token_statistics(vocabulary, token[split], token["train"])),
                "covering": _lost(vocabulary, part, token[split]),
                "random_k_disks": _lost(disks, part),
            }
            for split, part in tracks.items()
        }
        manifest = {
            "corpus": FORMAT,
            "settings": _plain(settings),
            "runs": [{"split": split, "network": Path(network).name} for split, network in runs],
            "vocabulary": {"tokens": len(vocabulary), "random_k_disks": len(disks), "box_m": vocabulary.box_m},
            "splits": content,
            "notices": notices,
            "versions": {"v2xsim": __version__, "sumo": version("eclipse-sumo"), "numpy": np.__version__},
        }
        (staging / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _driven(
    runs: Sequence[tuple[str, str]], settings: Settings, at_once: int, report: Report
) -> tuple[dict[str, Tracks], list[dict[str, Any]]]:
    """Simulate the runs and return their tracks by set (training, validation and test), and their notices as data."""
    shortest = round(settings.shortest_s / settings.step_s) + 1
    with Scratch("corpus") as folder:
        scratch = Path(folder)
        jobs = [
            Job(
                network, settings.seed, f"{split}.{Path(network).name}", settings.vehicles, 60.0 * settings.minutes,
                round(settings.step_s * 1e6), shortest, str(scratch / f"{n}.npz"), str(scratch / f"{n}.reason"),
            )
            for n, (split, network) in enumerate(runs)
        ]  # fmt: skip
        run_all(jobs, at_once, scratch, report)
        parts: dict[str, list[Tracks]] = {split: [] for split in SPLITS}
        notices: list[dict[str, Any]] = []
        for (split, network), job in zip(runs, jobs, strict=True):
            part = load(Path(job.result))
            if len(part) == 0:
                raise CorpusError(
                    f"{network}: no vehicle drove for {settings.shortest_s:g} s in {settings.minutes:g} minutes; "
                    "make the runs longer, or allow shorter tracks"
                )
            parts[split].append(part)
            found = json.loads(notices_of(Path(job.result)).read_text(encoding="utf-8"))
            notices += [{**notice, "run": job.name} for notice in found]
    return {split: joined(several) for split, several in parts.items()}, notices


def _sequences(tracks: Tracks, token: np.ndarray) -> Sequences:
    drivers = tracks.drivers
    driver = {"kind": np.array(KINDS)[drivers.kind], "style": drivers.style, "model": drivers.model}
    driver |= {name: column.astype(np.float32) for name, column in zip(WISHES, drivers.wishes.T, strict=True)}
    return Sequences(
        token, token_offsets(tracks.offset), tracks.pose[tracks.offset[:-1]], tracks.begin_us, tracks.agent, tracks.network,
        driver,
    )  # fmt: skip


def _lost(vocabulary: MotionVocabulary, tracks: Tracks, token: np.ndarray | None = None) -> dict[str, Any]:
    """Return the share of moves that no token represents within the tolerance, and the position drift when tokens are chained."""
    covered = coverage(vocabulary, moves_of(tracks.pose, tracks.offset))
    return {**asdict(covered), "drift": asdict(drift(vocabulary, tracks.pose, tracks.offset, token))}


def _plain(settings: Settings) -> dict[str, Any]:
    """Return the settings as data for the manifest, with names of files instead of their full paths."""
    plain_settings = asdict(settings)
    return plain_settings | {
        name: [path.name for path in plain_settings[name]] for name in ("networks", "test_networks")
    }
