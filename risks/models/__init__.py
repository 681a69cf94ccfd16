"""What is kept. One module per concept; import models from here."""

from risks.models.assessment import Assessment, LevelTally
from risks.models.attachment import Attachment
from risks.models.audit import AuditEvent, Seal, SealedLine
from risks.models.cache import CacheEntry
from risks.models.discussion import Comment, CommentVersion, Follow, RiskLink
from risks.models.job import ScheduledRun, Worker
from risks.models.library import (
    Category,
    Template,
    TemplateIndicator,
    TemplateMitigation,
    TemplateReference,
)
from risks.models.matrix import Matrix, MatrixCell, MatrixLevel, MatrixStep
from risks.models.mitigation import Mitigation
from risks.models.notice import Mail, Notice
from risks.models.register import Register
from risks.models.risk import Acceptance, Indicator, Risk, StateChange
from risks.models.saved_view import SavedView
from risks.models.team import Invitation, Membership, Team, User

__all__ = [
    "Acceptance",
    "Assessment",
    "Attachment",
    "AuditEvent",
    "CacheEntry",
    "Category",
    "Comment",
    "CommentVersion",
    "Follow",
    "Indicator",
    "Invitation",
    "LevelTally",
    "Mail",
    "Matrix",
    "MatrixCell",
    "MatrixLevel",
    "MatrixStep",
    "Membership",
    "Mitigation",
    "Notice",
    "Register",
    "Risk",
    "RiskLink",
    "SavedView",
    "ScheduledRun",
    "Seal",
    "SealedLine",
    "StateChange",
    "Team",
    "Template",
    "TemplateIndicator",
    "TemplateMitigation",
    "TemplateReference",
    "User",
    "Worker",
]
