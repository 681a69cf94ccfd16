"""What is kept. One module per concept; import models from here."""

from risks.models.assessment import Assessment, LevelTally
from risks.models.audit import AuditEvent
from risks.models.library import (
    Category,
    Template,
    TemplateIndicator,
    TemplateMitigation,
    TemplateReference,
)
from risks.models.matrix import Matrix, MatrixCell, MatrixLevel, MatrixStep
from risks.models.mitigation import Mitigation
from risks.models.register import Register
from risks.models.risk import Acceptance, Indicator, Risk, StateChange
from risks.models.saved_view import SavedView
from risks.models.team import Membership, Team, User

__all__ = [
    "Acceptance",
    "Assessment",
    "AuditEvent",
    "Category",
    "Indicator",
    "LevelTally",
    "Matrix",
    "MatrixCell",
    "MatrixLevel",
    "MatrixStep",
    "Membership",
    "Mitigation",
    "Register",
    "Risk",
    "SavedView",
    "StateChange",
    "Team",
    "Template",
    "TemplateIndicator",
    "TemplateMitigation",
    "TemplateReference",
    "User",
]
