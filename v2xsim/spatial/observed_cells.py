"""Places in the cells that a station observed."""

from numba import njit

from v2xsim.records import UNOBSERVED


@njit(cache=True, nogil=True)
def places_in(code, lower, cell_m, share, place_m):  # type: ignore[no-untyped-def]
    """Write the centres of some of the observed cells of a perception matrix; return whether there are any.

    Args:
        code: Codes of the matrix.
        lower: Index in the world grid of cell (0, 0).
        cell_m: Side length of a cell.
        share: For each place, the share (0 to 1) of the observed cells that lie before its cell, in rising order of x and
            then of y.
        place_m: Written: x and y of each place.
    """
    nx, ny = code.shape
    observed = 0
    for i in range(nx):
        for j in range(ny):
            observed += code[i, j] != UNOBSERVED
    if observed == 0:
        return False
    for n in range(len(share)):
        before = min(int(share[n] * observed), observed - 1)
        i = j = 0
        while before > 0 or code[i, j] == UNOBSERVED:
            before -= code[i, j] != UNOBSERVED
            j += 1
            if j == ny:
                i, j = i + 1, 0
        place_m[n, 0] = (i + lower[0] + 0.5) * cell_m
        place_m[n, 1] = (j + lower[1] + 0.5) * cell_m
    return True
