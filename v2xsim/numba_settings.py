"""Settings of numba that must not come from a file in the working folder.

When numba is imported, and again whenever it compiles, it reads `.numba_config.yaml` of the working folder. Its `cache_dir` names a folder
with pickles, which numba loads, and `cache_locator_classes` names a module, which numba imports. So such a file in a downloaded study
would run code of its author. A variable in the environment has precedence over the file, and child processes inherit it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

# Empty means numba's own rule: compiled kernels are kept beside the modules in `__pycache__`, or, if this cannot be written, in the
# user's own cache folder. Whoever can write there can change the modules too.
_USUAL = {"NUMBA_CACHE_DIR": "", "NUMBA_CACHE_LOCATOR_CLASSES": ""}
_FILE = ".numba_config.yaml"


def keep_out_the_working_folder() -> None:
    """Set what numba must not read from a file, unless the user's environment sets it; call this before numba is imported.

    If there is such a file, no other setting in it has an effect either, because some settings write to files that the file names.
    """
    for name, value in _USUAL.items():
        os.environ.setdefault(name, value)
    if "numba" in sys.modules or os.path.lexists(_FILE):
        _read_no_file()


def _read_no_file() -> None:
    """Import numba without its reading a file, and let it read none later."""
    try:
        with _in_root_folder():
            config = import_module("numba.core.config")
            vars(config)["_config_fname"] = "/nonexistent/numba_config.yaml"
            config.reload_config()
    except (ImportError, AttributeError, OSError):
        pass  # The environment variables remain.


@contextmanager
def _in_root_folder() -> Iterator[None]:
    """Make the root folder the working folder during a block: it surely exists, and ordinary users cannot write there."""
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir("/")
        yield
    finally:
        os.fchdir(here)
        os.close(here)
