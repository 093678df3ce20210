"""How many threads matrix products take."""

import os


def use_one_thread() -> None:
    """Make matrix products take one thread, unless the environment says otherwise.

    Libraries read this when they are loaded, so it must be called before anything imports numpy.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
