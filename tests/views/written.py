"""Results as files, to be compared with those of another run."""


def same_bytes(results, folder, expected):
    """Check that results written into a folder have the bytes of an earlier run."""
    results.write(folder)
    names = sorted(file.name for file in expected.iterdir() if file.name != "timing.json")
    assert len(names) > 15
    for name in names:
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name
