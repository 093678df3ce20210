"""The linear recurrence in compiled loops for the CPU: one pass forward, one pass backward."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def run_forward(decay, entry, initial, states):  # type: ignore[no-untyped-def]
    """Write h_t = decay_t h_(t-1) + entry_t into `states`; the parts of a complex channel have the same decay."""
    batch, time, parts, dim = entry.shape
    for b in range(batch):
        for p in range(parts):
            h = initial[b, p].copy()
            for t in range(time):
                for j in range(dim):
                    h[j] = decay[b, t, j] * h[j] + entry[b, t, p, j]
                    states[b, t, p, j] = h[j]


@njit(cache=True, nogil=True, error_model="numpy")
def run_backward(decay, states, initial, grad, grad_decay, grad_entry, grad_initial):  # type: ignore[no-untyped-def]
    """Write the gradients of all inputs, given the gradient `grad` of `states`; `grad_decay` must be zero at the start."""
    batch, time, parts, dim = states.shape
    for b in range(batch):
        for p in range(parts):
            later = np.zeros(dim, states.dtype)
            for t in range(time - 1, -1, -1):
                before = states[b, t - 1, p] if t else initial[b, p]
                for j in range(dim):
                    here = grad[b, t, p, j] + later[j]
                    grad_entry[b, t, p, j] = here
                    grad_decay[b, t, j] += here * before[j]
                    later[j] = decay[b, t, j] * here
            for j in range(dim):
                grad_initial[b, p, j] = later[j]
