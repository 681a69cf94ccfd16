"""From ranges to expected losses.

Units: a frequency is a yearly probability (0 to 1, at most one event) or a rate (events a year); a severity
is a share of the yearly budget or an amount, given as the ends of its 90 % interval. Closed forms only;
`ValueError` for a range that is not one.
"""

from __future__ import annotations

from math import exp, log, sqrt

_Z95 = 1.6448536269514722  # standard normal quantile of 0.95


def probability_of_rate(rate: float) -> float:
    """Probability of at least one event in a year when events come at `rate` a year (Poisson)."""
    if rate < 0:
        raise ValueError("a rate is not negative")
    return 1.0 - exp(-rate)


def lognormal_mean(low: float, high: float) -> float:
    """Mean of the log-normal loss whose 5th and 95th percentiles are `low` and `high`, in their unit."""
    if not 0 < low <= high:
        raise ValueError("a 90 % interval needs 0 < low <= high")
    mu = (log(low) + log(high)) / 2
    sigma = (log(high) - log(low)) / (2 * _Z95)
    return exp(mu + sigma * sigma / 2)


def expected_annual_loss(frequency_low: float, frequency_high: float, low: float, high: float) -> float:
    """Expected loss of a year, in the severity's unit: middle of the frequency range times mean severity.

    The middle is the mean of a frequency known only to lie in the range; it holds for a probability and for a
    rate alike, because the expected number of events is linear in both.
    """
    if not 0 <= frequency_low <= frequency_high:
        raise ValueError("a frequency range needs 0 <= low <= high")
    return (frequency_low + frequency_high) / 2 * lognormal_mean(low, high)


def geometric_middle(low: float, high: float) -> float:
    """The representative of a band on a log scale; the arithmetic middle where the band begins at zero."""
    return sqrt(low * high) if low > 0 else high / 2
