"""The true delivery of links: error curve, sensitivity, and the mean over fading."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import gamma, rice

import v2xsim
from v2xsim.comms.access.scheme import error_points_of
from v2xsim.comms.phy.error_points import delivery_at
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.engine.channel.true_delivery import TrueDelivery

RADIO = v2xsim.load("demo", ["radio.sensitivity_dbm=-93"]).radio
NOISE_DBM = noise_dbm(10, 9.0)


def unfaded(power_dbm):
    curve = error_points_of(RADIO.access, RADIO.mcs, 10)
    return float(delivery_at(np.array([power_dbm - NOISE_DBM]), curve)[0]) if power_dbm >= -93.0 else 0.0


@pytest.mark.parametrize("power_dbm", [-120.0, -93.01, -92.99, -88.0, -60.0])
def test_without_fading_delivery_is_that_of_the_error_curve_and_nothing_below_the_sensitivity(power_dbm):
    found = TrueDelivery(RADIO).at(np.array([power_dbm]), np.array([np.inf]))
    assert found == pytest.approx([unfaded(power_dbm)])


@pytest.mark.parametrize("shape", [1.0, 3.0, -4.0])
@pytest.mark.parametrize("power_dbm", [-95.0, -90.0, -84.0])
def test_with_fading_delivery_is_the_mean_over_the_power_of_packets(shape, power_dbm):
    if shape > 0.0:
        density = gamma(shape, scale=1.0 / shape).pdf
    else:
        # The amplitude of a Rician channel with K = 4 and a mean power of 1.
        amplitude = rice(np.sqrt(2 * -shape), scale=np.sqrt(0.5 / (1 - shape)))
        density = lambda gain: amplitude.pdf(np.sqrt(gain)) / (2 * np.sqrt(gain))  # noqa: E731  # one line, used once
    mean, _ = quad(
        lambda gain: density(gain) * unfaded(power_dbm + 10 * np.log10(gain)), 1e-6, 30, limit=800, points=[0.5, 1, 3]
    )
    assert TrueDelivery(RADIO).at(np.array([power_dbm]), np.array([shape])) == pytest.approx([mean], abs=0.01)


@pytest.mark.parametrize("shape", [-1e30, 1e300, -np.inf, -2e6])
def test_a_channel_that_hardly_fades_has_the_delivery_without_fading(shape):
    power_dbm = np.array([-93.5, -92.0, -60.0])
    steady = TrueDelivery(RADIO).at(power_dbm, np.full(3, np.inf))
    assert TrueDelivery(RADIO).at(power_dbm, np.full(3, shape)) == pytest.approx(steady, abs=1e-6)
