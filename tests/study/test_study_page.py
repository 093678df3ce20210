"""The page about the study of relay rules has the numbers of the report that is committed beside it."""

import hashlib
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "study_relay.md"
sys.path.insert(0, str(ROOT / "tools"))
from page_tables import Report  # noqa: E402
from study_picture import drawn  # noqa: E402
from study_tables import COPIED, MADE, filled  # noqa: E402

from v2xsim.viz.drawing import style  # noqa: E402

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="this copy of the project has no docs/")


def test_the_tables_of_the_page_are_those_of_the_report():
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("<!-- table ") == len(MADE)
    assert filled(page, Report(PAGE.with_suffix(""))) == page


def test_a_changed_number_would_be_seen():
    page = PAGE.read_text(encoding="utf-8")
    begin = page.index("<!-- table levels -->")
    place = page.index("0.", begin)
    changed = page[:place] + "9" + page[place + 1 :]
    assert filled(changed, Report(PAGE.with_suffix(""))) == page


@pytest.mark.parametrize("name", [name for name in COPIED if name.endswith(".csv")])
def test_the_tables_beside_the_page_have_the_digests_of_the_report(name):
    digests = dict(
        reversed(line.split())
        for line in (PAGE.with_suffix("") / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    )
    assert hashlib.sha256((PAGE.with_suffix("") / name).read_bytes()).hexdigest() == digests[name]


def test_the_picture_of_the_page_has_the_numbers_of_the_report():
    with style.in_style():
        texts = style.texts_on(drawn(Report(PAGE.with_suffix(""))))
    assert any("relay +0." in text for text in texts)
    with Image.open(PAGE.with_suffix(".png")) as picture:
        assert picture.text["Description"] == "\n".join(texts)
