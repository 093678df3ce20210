"""The effective ground of a path-loss model, which must be below every antenna: only heights above it count."""

from collections.abc import Callable

import numpy as np

from v2xsim.engine.stations.fleet import Fleet
from v2xsim.errors import UserError
from v2xsim.scenario.schema_radio import Radio


class EffectiveGround:
    """Refuses antennas that are not above the effective ground of the radio's models.

    Args:
        radio: Section `radio` of the scenario.
        name_of: Function that returns the name of a station.
    """

    def __init__(self, radio: Radio, name_of: Callable[[int], str]) -> None:
        models = {"radio.channel": radio.channel, "radio.propagation.building_loss": radio.propagation.building_loss}
        # What a parameter of a part of one's own means is not known.
        grounds = [
            (float(getattr(model, "environment_height_m", 0.0)), key)
            for key, model in models.items()
            if model.file is None
        ]
        self._ground_m, self._key = max(grounds, default=(0.0, ""))
        self._name_of = name_of

    def check(self, fleet: Fleet) -> None:
        """Check the antennas of the stations of a tick.

        Raises:
            UserError: If one is not above the effective ground.
        """
        if self._ground_m == 0.0:
            return
        low = np.flatnonzero(fleet.antenna_m[:, 2] <= self._ground_m)
        if len(low):
            name, height_m = self._name_of(int(fleet.agent[low[0]])), fleet.antenna_m[low[0], 2]
            others = f" and {len(low) - 1} more" if len(low) > 1 else ""
            raise UserError(
                f"{self._key}.environment_height_m: must be below every antenna, because only heights above it count, got {self._ground_m:g} m; that of "
                f"{name!r}{others} is {height_m:.3g} m above ground (stations.antennas, stations.roadside, or the height of its body); use 0, or another model"
            )
