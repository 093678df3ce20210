"""Parquet files that get row groups one after the other, and can be read before they are complete."""

from io import FileIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from v2xsim.results import growing_file
from v2xsim.results.columns import schema_of
from v2xsim.results.errors import ResultsError
from v2xsim.results.file_tables import write_groups
from v2xsim.results.growing_file import GrowingFile, groups_so_far
from v2xsim.scenario.manifests import sha256_of


def channel(first, rows):
    """Return some rows of the table `channel`."""
    numbers = np.arange(first, first + rows)
    share = np.random.default_rng(first).random(rows, np.float32)
    return pa.Table.from_arrays(
        [pa.array(numbers), pa.array(numbers % 7), pa.array(share)], schema=schema_of("channel")
    )


GROUPS = [channel(0, 500), channel(500, 3000), channel(3500, 1)]


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "channel.parquet", tmp_path / "channel.footers"


def grown(paths, groups):
    file = GrowingFile(*paths, "channel")
    for group in groups:
        file.add(group)
    return file


# Positions beyond one block of what stands for earlier row groups; the second one is no multiple of it.
@pytest.mark.parametrize("block", [16_777_216, 1000])
def test_a_file_that_grows_has_the_bytes_of_one_that_is_written_at_once(tmp_path, paths, monkeypatch, block):
    monkeypatch.setattr(growing_file, "_EARLIER", growing_file._EARLIER[:block])
    digest = grown(paths, GROUPS).end()
    write_groups(GROUPS, tmp_path / "at_once.parquet", "channel")
    assert paths[0].read_bytes() == (tmp_path / "at_once.parquet").read_bytes()
    assert digest == sha256_of(paths[0])
    assert not paths[1].exists()


def test_row_groups_can_be_read_while_the_file_grows(paths):
    file = grown(paths, GROUPS[:2])
    assert [group.to_pydict() for group in groups_so_far(*paths)] == [group.to_pydict() for group in GROUPS[:2]]
    assert [group.column_names for group in groups_so_far(*paths, ["busy_share"])] == [["busy_share"]] * 2
    file.add(GROUPS[2])
    file.end()
    assert pq.read_table(paths[0]).equals(pa.concat_tables(GROUPS))


@pytest.mark.parametrize("cut_off", [1, 1000])
def test_of_a_row_group_whose_footer_was_cut_off_nothing_is_read(paths, cut_off):
    grown(paths, GROUPS).close()
    paths[1].write_bytes(paths[1].read_bytes()[:-cut_off])
    assert [group.num_rows for group in groups_so_far(*paths)] == [500, 3000]


class Nearly(FileIO):
    """A file on a disk that is nearly full."""

    def write(self, content):
        return super().write(content[:100])


def test_a_disk_that_takes_a_few_bytes_at_a_time_loses_no_row_group(paths):
    file = grown(paths, [])
    file._footers.close()
    file._footers = Nearly(paths[1], "ab")
    for group in GROUPS:
        file.add(group)
    assert [group.num_rows for group in groups_so_far(*paths)] == [500, 3000, 1]
    file.end()
    assert pq.read_table(paths[0]).equals(pa.concat_tables(GROUPS))


def test_row_groups_that_are_lost_are_no_short_table(paths):
    file = grown(paths, GROUPS)
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    with pytest.raises(ResultsError, match="of the footers of 3 row groups, 2 can be read again"):
        file.end()
    file.close()


def test_a_file_that_is_not_complete_has_footers_at_every_instant(paths, monkeypatch):
    """A run can be killed between two files; without footers, the file would count as complete."""

    def killed(path, *arguments, **named):
        if path == paths[0]:
            assert paths[1].exists()
        return opened(path, *arguments, **named)

    opened = Path.open
    monkeypatch.setattr(Path, "open", killed)
    grown(paths, []).close()


def test_without_a_row_group_there_is_nothing_to_read(paths):
    grown(paths, []).close()
    assert list(groups_so_far(*paths)) == []
