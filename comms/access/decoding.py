"""Whether a receiver decodes the packet that it is locked on, and the cause of loss if it does not."""

from numba import njit

from v2xsim.comms.access.packets import COLLISION, DELIVERED, PROPAGATION
from v2xsim.comms.phases import INLINED_PHASE
from v2xsim.comms.phy.error_rate import is_lost

# The received power is a running sum: ended packets are subtracted. Rounding leaves an error of up to a millionth of
# the noise.
ROUNDING_SHARE = 1e-6


@njit(**INLINED_PHASE)
def decoded(uniform, signal_mw, noise_mw, interference_mw, curve):  # type: ignore[no-untyped-def]
    """Return DELIVERED, PROPAGATION (lost to noise) or COLLISION (lost to interference) for one packet at one receiver.

    The same random number is compared with the error rate at the SNR and with the error rate at the SINR. So a packet
    is lost to a collision only if it would have arrived without interference.
    """
    if is_lost(uniform, signal_mw / noise_mw, curve):
        return PROPAGATION
    if interference_mw > 0.0 and is_lost(uniform, signal_mw / (noise_mw + interference_mw), curve):
        return COLLISION
    return DELIVERED
