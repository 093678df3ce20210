"""The validation of the radio: test vectors, and every published configuration whose file is available."""

from collections.abc import Callable, Iterator
from pathlib import Path

from v2xsim.errors import UserError
from v2xsim.validation import ieee80211p, sidelink
from v2xsim.validation.compare import Comparison

FILES = (sidelink.LTE_FILE, ieee80211p.FILE, sidelink.NR_FILE)


def absent(reference: Path | None) -> list[str]:
    """Return the names of the files of published curves that a folder lacks; all of them if `reference` is None."""
    return [name for name in FILES if reference is None or not (reference / name).is_file()]


def runs(reference: Path | None, seed: int = 1) -> Iterator[tuple[str, Callable[[], Comparison]]]:
    """Yield the name of each available published configuration, and a function that simulates it.

    Raises:
        UserError: If a file of curves does not have the expected form.
    """
    if reference is None:
        return
    missing = absent(reference)
    kinds: tuple[tuple[str, Callable[..., Iterator[object]], Callable[..., Comparison]], ...] = (
        (sidelink.LTE_FILE, sidelink.lte_configurations, sidelink.run),
        (ieee80211p.FILE, ieee80211p.configurations, ieee80211p.run),
        (sidelink.NR_FILE, sidelink.nr_configurations, sidelink.run),
    )
    for name, listed, run in kinds:
        if name in missing:
            continue
        try:
            configurations = list(listed(reference / name, seed))
        except (KeyError, ValueError, IndexError, UnicodeDecodeError) as error:
            raise UserError(
                f"{reference / name}: must be a table of published curves with the columns of its source ({error!r})"
            ) from None
        for configuration in configurations:
            title = configuration.reference.name  # type: ignore[attr-defined]
            yield title, _bound(run, configuration)


def _bound(run: Callable[..., Comparison], configuration: object) -> Callable[[], Comparison]:
    return lambda: run(configuration)
