"""The number of threads that matrix products use."""

import os


def use_one_thread() -> None:
    """Make matrix products run on one thread, unless the environment sets another number.

    Libraries read the setting when they are loaded, so call this before anything imports numpy.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
