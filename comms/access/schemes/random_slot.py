"""Every packet is sent in a random slot of its window without sensing: the baseline for the schemes that sense."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from v2xsim.comms.access.scheme import AccessLayer, AccessScheme, RadioSettings
from v2xsim.parts import part


@part("random_slot")
@dataclass(frozen=True)
class RandomSlotAccess(AccessScheme):
    """Every packet is sent in a random slot of its window; stations do not listen before they send."""

    spreads_periods: ClassVar[bool] = True
    acknowledges: ClassVar[bool] = True
    draws_fading: ClassVar[bool] = False

    def layer(self, settings: RadioSettings, time_us: int) -> AccessLayer:
        """Return the access layer of the scheme."""
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.comms.access.random_slot import RandomSlot, RandomSlotParams
        from v2xsim.comms.phy.noise import receiver_of

        heard = receiver_of(
            settings.noise_dbm,
            settings.sensitivity_dbm + settings.wider_db,
            settings.busy_threshold_dbm + settings.wider_db,
        )
        params = RandomSlotParams(
            heard, settings.bandwidth_mhz, settings.slot_us, settings.window_us, settings.ack_timeout_us
        )
        return RandomSlot(0, params, time_us, np.zeros(0, np.uint64))
