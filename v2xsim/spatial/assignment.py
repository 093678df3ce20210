"""Assignment of rows to columns at the least total cost, as a compiled function that holds no lock.

The method is that of shortest augmenting paths: rows are assigned one after the other, each along the path that adds the
least cost, given the assignments so far (Jonker and Volgenant, Computing 38, 1987; Crouse, IEEE TAES 52(4), 2016).

Equal to `scipy.optimize.linear_sum_assignment`, also where several assignments have the least cost: of equally cheap
columns, a free one is taken first, then the one that comes first in the list of open columns, which starts with the last
column. This version exists because kernels call it for many small matrices, without the interpreter.
"""

import numpy as np
from jaxtyping import Float, Int64
from numba import njit


@njit(cache=True, nogil=True)
def assigned_columns(cost: Float[np.ndarray, "rows columns"]) -> Int64[np.ndarray, " rows"]:
    """Return the column that is assigned to each row, -1 for a row without a column; as many rows as possible get one.

    Args:
        cost: Cost of assigning each row to each column; finite.

    Raises:
        ValueError: If a cost is not a number or infinite, so that no assignment is the cheapest.
    """
    rows, columns = cost.shape
    column_of = np.full(rows, -1, np.int64)
    if rows <= columns:
        row_of = _row_of_each_column(cost)
        for column in range(columns):
            if row_of[column] >= 0:
                column_of[row_of[column]] = column
    else:
        # Each column gets a row if there are more rows than columns.
        column_of[:] = _row_of_each_column(np.ascontiguousarray(cost.T))
    return column_of


@njit(cache=True, nogil=True)
def _row_of_each_column(cost: Float[np.ndarray, "rows columns"]) -> Int64[np.ndarray, " columns"]:
    """Return the row that is assigned to each column, -1 for none; there must be at least as many columns as rows."""
    rows, columns = cost.shape
    row_of, column_of = np.full(columns, -1, np.int64), np.full(rows, -1, np.int64)
    # Prices of rows and columns: no entry of cost - row price - column price is negative, and it is 0 where assigned.
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    path_cost, reached_from = np.empty(columns), np.empty(columns, np.int64)
    open_columns, is_closed = np.empty(columns, np.int64), np.empty(columns, np.bool_)
    visited = np.empty(rows, np.int64)
    for start in range(rows):
        for k in range(columns):
            open_columns[k] = columns - 1 - k
            path_cost[k] = np.inf
            is_closed[k] = False
        row, spent, visits, left, end = start, 0.0, 0, columns, -1
        while end < 0:
            visited[visits] = row
            visits += 1
            nearest, least = -1, np.inf
            for k in range(left):
                column = open_columns[k]
                there = spent + cost[row, column] - row_price[row] - column_price[column]
                if there < path_cost[column]:
                    path_cost[column] = there
                    reached_from[column] = row
                if path_cost[column] < least or (path_cost[column] == least and row_of[column] < 0):
                    least = path_cost[column]
                    nearest = k
            if nearest < 0 or least == np.inf:
                raise ValueError("costs of an assignment must be finite numbers")
            spent = least
            column = open_columns[nearest]
            if row_of[column] < 0:
                end = column
            else:
                row = row_of[column]
            is_closed[column] = True
            left -= 1
            open_columns[nearest] = open_columns[left]
        row_price[start] += spent
        for k in range(1, visits):
            row_price[visited[k]] += spent - path_cost[column_of[visited[k]]]
        for column in range(columns):
            if is_closed[column]:
                column_price[column] -= spent - path_cost[column]
        # Along the path, each row gives up its column to the row before it.
        column = end
        while True:
            row = reached_from[column]
            row_of[column] = row
            column, column_of[row] = column_of[row], column
            if row == start:
                break
    return row_of
