"""What a template suggests."""

from __future__ import annotations

from risks.enums import Frequency
from risks.models import Template
from risks.quant.matrix import Grid
from risks.quant.ranges import geometric_middle, probability_of_rate


def suggested_cell(template: Template, grid: Grid) -> tuple[int, int] | None:
    """Indices (probability, impact) where the template's ranges lie on a matrix; None without ranges.

    The frequency counts by the geometric middle of its range, the impact by its most likely value.
    """
    if template.frequency_low is None or template.frequency_high is None or template.impact_likely is None:
        return None
    frequency = geometric_middle(template.frequency_low, template.frequency_high)
    if template.frequency_kind == Frequency.RATE:
        frequency = probability_of_rate(frequency)
    return grid.locate("probability", frequency), grid.locate("impact", template.impact_likely)
