"""Mean and variance of fading in decibels, against closed forms and integrals over the density."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import exp1
from scipy.stats import ncx2

from v2xsim.comms.channel.fading.decibels import faded_db

DB = 10.0 / np.log(10.0)
EULER = 0.5772156649015329
# digamma(1) = -gamma, digamma(1/2) = -gamma - 2 ln 2, digamma(3) = 3/2 - gamma; trigamma(1) = pi^2 / 6, trigamma(1/2) = pi^2 / 2,
# trigamma(3) = pi^2 / 6 - 5/4.
CASES = [
    (1.0, -EULER, np.pi**2 / 6.0),
    (0.5, -EULER - 2.0 * np.log(2.0) - np.log(0.5), np.pi**2 / 2.0),
    (3.0, 1.5 - EULER - np.log(3.0), np.pi**2 / 6.0 - 1.25),
]


@pytest.mark.parametrize(("shape", "log_mean", "log_variance"), CASES)
def test_mean_and_variance_are_those_of_the_logarithm_of_a_gamma_variable(shape, log_mean, log_variance):
    mean_db, variance_db2 = faded_db(np.array([shape]))
    assert mean_db[0] == pytest.approx(DB * log_mean, abs=1e-5)
    assert variance_db2[0] == pytest.approx(DB**2 * log_variance, rel=1e-5)


def test_a_link_without_fading_has_neither():
    mean_db, variance_db2 = faded_db(np.array([np.inf, 1.0]))
    assert (mean_db[0], variance_db2[0]) == (0.0, 0.0)


@pytest.mark.parametrize("k", [0.01, 1.0, 2.228, 30.0, 99.0, 101.0])
def test_mean_and_variance_of_a_rician_channel_are_those_of_the_logarithm_of_its_power(k):
    mean_db, variance_db2 = faded_db(np.array([-k]))
    log_mean = np.log(k / (k + 1.0)) + exp1(k)  # E[ln P] of a power P of mean 1
    assert mean_db[0] == pytest.approx(DB * log_mean, abs=1e-5)
    power = ncx2(2, 2.0 * k, scale=0.5 / (k + 1.0))
    spread = quad(lambda p: (np.log(p) - log_mean) ** 2 * power.pdf(p), 0.0, 12.0, points=[1e-3, 0.1, 1.0], limit=400)[
        0
    ]
    assert variance_db2[0] == pytest.approx(DB**2 * spread, rel=1e-3)


def test_a_rayleigh_channel_is_a_gamma_variable_of_shape_1():
    mean_db, variance_db2 = faded_db(np.array([0.0, -0.0, 1.0]))
    assert mean_db == pytest.approx([mean_db[2]] * 3)
    assert variance_db2 == pytest.approx([variance_db2[2]] * 3)


def test_a_steady_wave_alone_does_not_fade():
    mean_db, variance_db2 = faded_db(np.array([-np.inf, -1e30]))
    assert np.abs([mean_db, variance_db2]).max() < 1e-20
