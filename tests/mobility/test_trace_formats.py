"""Files that are no trace, or a damaged one: the message says what they are and what to do."""

import bz2
import gzip
import lzma

import pytest

from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.fcd import FcdMobility

CAR = "<vehicle id='{}' x='{}' y='0' angle='90' type='car'{}/>"


def trace(name="a", speed=" speed='5'", steps=10, begin_s=0):
    rows = "".join(f"<timestep time='{begin_s + i}'>{CAR.format(name, 5 * i, speed)}</timestep>" for i in range(steps))
    return f"<fcd-export>{rows}</fcd-export>"


def opened(folder, content, **options):
    (folder / "t.xml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return FcdMobility(folder / "t.xml", Names(), **options)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (trace()[:300], "ends too early"),
        (trace().replace("</fcd-export>", ""), "ends too early"),
        (bz2.compress(trace().encode()), "packed with bzip2"),
        (lzma.compress(trace().encode()), "packed with xz"),
        (b"PK\x03\x04abc", "packed with zip"),
        (b"\x28\xb5\x2f\xfdabc", "packed with zstd"),
        (b'{"a": 1}', "looks like JSON"),
        (b"<configuration/>", r"name it in traffic\.sumocfg"),
        (trace("Müller").encode("latin-1"), "must name the encoding"),
        (gzip.compress(trace().encode())[:90], "damaged gzip file"),
    ],
    ids=[
        "empty",
        "blank",
        "empty gzip",
        "cut in a tag",
        "cut after a step",
        "bzip2",
        "xz",
        "zip",
        "zstd",
        "JSON",
        "configuration",
        "Latin-1",
        "cut gzip",
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_what_it_is(tmp_path, content, words):
    with pytest.raises(MobilityError, match=rf"t\.xml: .*{words}"):
        opened(tmp_path, content)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_a_trace_is_read_in_the_encoding_that_it_names(tmp_path, encoding):
    text = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>{trace("Müller")}'
    traffic = opened(tmp_path, gzip.compress(text.encode(encoding)))
    assert traffic.name_of(int(traffic.snapshot(0).agent[0])) == "Müller"


def notices(folder, content, end_us=3_000_000):
    traffic = opened(folder, content, step_us=1_000_000, run_us=(0, end_us))
    for time_us in range(0, end_us, 1_000_000):
        traffic.snapshot(time_us)
    return {notice.subject: notice for notice in traffic.notices()}


@pytest.mark.parametrize("speed", ["nan", "inf", "-1073741824.00"])
def test_a_speed_that_is_no_number_is_reported(tmp_path, speed):
    found = notices(tmp_path, trace(speed=f" speed='{speed}'"))
    assert set(found) == {"trace.bad_speeds"}
    assert "1 road user with a speed that is not a number ('a')" in found["trace.bad_speeds"].text


def test_missing_speeds_are_noted(tmp_path):
    found = notices(tmp_path, trace(speed=""))
    assert set(found) == {"trace.no_speeds"}
    assert not found["trace.no_speeds"].is_warning


def test_missing_speeds_and_speeds_that_are_no_numbers_are_counted_apart(tmp_path):
    others = "".join(CAR.format(name, 0, speed) for name, speed in (("b", " speed='nan'"), ("c", ""), ("d", "")))
    found = notices(tmp_path, trace().replace("</timestep>", f"{others}</timestep>"))
    assert (found["trace.bad_speeds"].count, found["trace.no_speeds"].count) == (1, 2)


def test_elements_that_sumo_does_not_have_are_counted(tmp_path):
    walker = "<pedestrian id='p' x='1' y='9' angle='0'/><pedestrian id='q' x='3' y='9' angle='0'/><bicycle id='b' x='1' y='20' angle='0'/></timestep>"
    found = notices(tmp_path, trace().replace("</timestep>", walker))
    assert "4 <bicycle>, 8 <pedestrian>" in found["trace.unknown_elements"].text


def test_the_sign_of_a_time_in_hours_counts_for_all_of_it(tmp_path):
    text = f"<fcd-export><timestep time='-00:00:01'>{CAR.format('a', 0, '')}</timestep><timestep time='00:00:01'>{CAR.format('a', 10, '')}</timestep></fcd-export>"
    traffic = opened(tmp_path, text)
    assert traffic.snapshot(-1_000_000).boxes.center_m[0, 0] == -2.5
    assert traffic.snapshot(0).boxes.center_m[0, 0] == 2.5


def test_a_trace_that_ends_before_0_s_is_refused_with_a_repair_that_is_possible(tmp_path):
    with pytest.raises(MobilityError, match=r"the trace ends at -11 s, before 0 s.*add a number to all its times"):
        notices(tmp_path, trace(begin_s=-20))


def test_persons_who_all_shuffle_in_degrees_are_refused(tmp_path):
    rows = "".join(
        f"<timestep time='{i}'>"
        + "".join(
            f"<person id='p{k}' x='{9.7 + k * 1e-4 + i * 1e-5:.6f}' y='50.8' angle='90' speed='0.8'/>" for k in range(3)
        )
        + "</timestep>"
        for i in range(20)
    )
    with pytest.raises(MobilityError, match="longitude and latitude"):
        opened(tmp_path, f"<fcd-export>{rows}</fcd-export>")
