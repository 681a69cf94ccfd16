"""Expected losses from ranges, against closed forms and a simulation with a fixed seed."""

from math import exp, isclose, log
from random import Random
from statistics import fmean, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risks.quant.ranges import expected_annual_loss, geometric_middle, lognormal_mean, probability_of_rate


@pytest.mark.parametrize(("rate", "probability"), [(0, 0), (1, 1 - exp(-1)), (0.01, 0.00995016625)])
def test_probability_of_rate_is_that_of_at_least_one_event(rate, probability):
    assert probability_of_rate(rate) == pytest.approx(probability)


def test_probability_of_rate_below_zero_is_refused():
    with pytest.raises(ValueError, match="not negative"):
        probability_of_rate(-0.1)


def test_lognormal_mean_of_a_single_value_is_that_value():
    assert lognormal_mean(0.05, 0.05) == pytest.approx(0.05)


def test_lognormal_mean_agrees_with_a_simulation_of_its_interval():
    low, high = 1.0, 20.0
    mu, sigma = (log(low) + log(high)) / 2, (log(high) - log(low)) / (2 * 1.6448536269514722)
    random = Random(7)
    losses = [random.lognormvariate(mu, sigma) for _ in range(200_000)]

    ends = quantiles(losses, n=20)

    assert (ends[0], ends[-1]) == (pytest.approx(low, rel=0.02), pytest.approx(high, rel=0.02))
    assert lognormal_mean(low, high) == pytest.approx(fmean(losses), rel=0.01)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (2, 1)])
def test_lognormal_mean_of_no_interval_is_refused(low, high):
    with pytest.raises(ValueError, match="0 < low <= high"):
        lognormal_mean(low, high)


@given(st.floats(1e-6, 1e3), st.floats(1, 1e3), st.floats(1e-3, 1e3))
def test_lognormal_mean_scales_with_its_unit(low, ratio, unit):
    assert isclose(lognormal_mean(low * unit, low * ratio * unit), unit * lognormal_mean(low, low * ratio))


@given(st.floats(1e-6, 1e3), st.floats(1, 1e3))
def test_lognormal_mean_lies_at_or_above_the_middle(low, ratio):
    high = low * ratio

    assert lognormal_mean(low, high) >= geometric_middle(low, high) * (1 - 1e-12)


def test_expected_annual_loss_is_middle_frequency_times_mean_severity():
    assert expected_annual_loss(0.1, 0.3, 0.05, 0.05) == pytest.approx(0.01)


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.2), (0.3, 0.2)])
def test_expected_annual_loss_of_no_frequency_range_is_refused(low, high):
    with pytest.raises(ValueError, match="0 <= low <= high"):
        expected_annual_loss(low, high, 1, 2)


@pytest.mark.parametrize(("low", "high", "middle"), [(0.02, 0.08, 0.04), (0, 0.02, 0.01)])
def test_geometric_middle_is_the_representative_of_a_band(low, high, middle):
    assert geometric_middle(low, high) == pytest.approx(middle)
