"""Whether a packet that the receiver follows is decoded, and if not, why not."""

from numba import njit

from v2xsim.comms.access.packets import COLLISION, DELIVERED, PROPAGATION
from v2xsim.comms.phases import INLINED_PHASE
from v2xsim.comms.phy.error_rate import is_lost

# Powers on the air are sums from which packets are taken again. Rounding leaves up to a millionth of the noise there.
ROUNDING_SHARE = 1e-6


@njit(**INLINED_PHASE)
def decoded(uniform, signal_mw, noise_mw, interference_mw, curve):  # type: ignore[no-untyped-def]
    """Return DELIVERED, PROPAGATION or COLLISION.

    One random number per packet and receiver is compared with the error rate of the SNR and with that of the SINR. So a packet is
    lost to a collision only if it would have arrived without interference.
    """
    if is_lost(uniform, signal_mw / noise_mw, curve):
        return PROPAGATION
    if interference_mw > 0.0 and is_lost(uniform, signal_mw / (noise_mw + interference_mw), curve):
        return COLLISION
    return DELIVERED
