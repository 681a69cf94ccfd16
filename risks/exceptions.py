"""What can go wrong in the domain, each with a sentence for the person who asked."""

from __future__ import annotations

from typing import Any


class DomainError(Exception):
    """A refused act. `message` is translated, says what is wrong and what to do."""

    def __init__(self, message: Any, *, field: str | None = None) -> None:
        super().__init__(str(message))
        self.message = message
        self.field = field


class NotAllowed(DomainError):
    """The person's role, or the state of the object, does not permit the act."""


class Invalid(DomainError):
    """What was asked for contradicts a rule; `field` names the input to mend where there is one."""


class Conflict(DomainError):
    """Somebody else saved first; nothing was written."""


class Gone(DomainError):
    """What was asked for was kept once, and is lost or damaged."""
