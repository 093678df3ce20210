"""Values that the schema allows, but with which a run means little: `check` and `run` warn of them.

Each value is possible in some study, so none is refused. A warning has the key, the number, the reason and a usual value.
"""

from v2xsim.doubtful.doubt import Doubt
from v2xsim.doubtful.exchange import exchange_doubts
from v2xsim.doubtful.foresight import foresight_doubts
from v2xsim.doubtful.matrices import matrix_doubts, unread_matrices
from v2xsim.doubtful.places import place_doubts
from v2xsim.doubtful.radio import radio_doubts
from v2xsim.doubtful.retelling import retelling_doubts
from v2xsim.doubtful.sensing import sensing_doubts
from v2xsim.doubtful.times import time_doubts
from v2xsim.notices import Notice
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.times import time_notices

__all__ = ["Doubt", "unread_matrices", "value_notices"]


def value_notices(scenario: Scenario) -> tuple[Notice, ...]:
    """Return the notices about values of a scenario with which its run means little, or something else than one may expect."""
    doubts = (
        *time_doubts(scenario), *place_doubts(scenario), *sensing_doubts(scenario), *radio_doubts(scenario),
        *exchange_doubts(scenario), *matrix_doubts(scenario), *foresight_doubts(scenario),
        *retelling_doubts(scenario),
    )  # fmt: skip
    return (*time_notices(scenario), *(doubt.notice() for doubt in doubts))
