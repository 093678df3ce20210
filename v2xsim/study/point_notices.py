"""Notices of the points of a sweep: stored with the metrics of each point, and merged with the number of points concerned."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from v2xsim.notices import Notice

NOTICES = "notices.json"
# Key of the notices in the metadata of a point's table of metrics. Metrics and notices are one file, so that a point never
# has one without the other.
_METADATA = b"notices"


@dataclass(frozen=True)
class PointNotice:
    """A fact that the notices of one or more points report.

    Attributes:
        subject: Fixed dotted name of the fact.
        points: Number of points with a notice of this subject.
        texts: Number of different texts of these notices.
        text: The text of the first of these points.
    """

    subject: str
    points: int
    texts: int
    text: str

    def as_object(self) -> dict[str, Any]:
        """Return the notice as data for JSON."""
        return asdict(self)

    def sentence(self, of: int) -> str:
        """Return the notice for a reader of a sweep.

        Args:
            of: Number of finished points of the sweep.
        """
        more = f" (and {self.texts - 1} similar texts)" if self.texts > 1 else ""
        return self.text if of == 1 else f"{self.points} of {of} points: {self.text}{more}"


def with_notices(metrics: pa.Table, notices: Sequence[Notice]) -> pa.Table:
    """Return a point's table of metrics with the notices of its run as metadata."""
    if not notices:
        return metrics
    text = json.dumps([notice.as_object() for notice in notices])
    return metrics.replace_schema_metadata({**(metrics.schema.metadata or {}), _METADATA: text.encode()})


def notices_in(metrics: pa.Table) -> list[Notice]:
    """Return the notices in a point's table of metrics."""
    text = (metrics.schema.metadata or {}).get(_METADATA, b"[]")
    return [Notice(item["subject"], item["count"], item["text"]) for item in json.loads(text)]


def merged(points: Iterable[Sequence[Notice]]) -> list[PointNotice]:
    """Return the notices of many points, one for each subject, in the order in which the subjects first appear.

    Args:
        points: The notices of each point, in the order of the plan.
    """
    texts: dict[str, dict[str, None]] = {}
    count: dict[str, int] = {}
    for notices in points:
        for subject in dict.fromkeys(notice.subject for notice in notices):
            count[subject] = count.get(subject, 0) + 1
        for notice in notices:
            texts.setdefault(notice.subject, {})[notice.text] = None
    return [PointNotice(subject, count[subject], len(known), next(iter(known))) for subject, known in texts.items()]


def notices_of(folder: Path) -> tuple[PointNotice, ...]:
    """Return the merged notices in the folder of a sweep; none if an older version made the folder.

    Raises:
        TypeError: If the file holds anything else.
    """
    path = folder / NOTICES
    if not path.exists():
        return ()
    items = json.loads(path.read_text(encoding="utf-8"))
    forms = {"subject": str, "points": int, "texts": int, "text": str}
    if not isinstance(items, list) or not all(
        isinstance(item, dict)
        and set(item) == set(forms)
        and all(isinstance(item[name], form) for name, form in forms.items())
        for item in items
    ):
        raise TypeError(f"{NOTICES} is not a list of notices as a sweep writes it")
    return tuple(PointNotice(**item) for item in items)
