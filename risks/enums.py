"""The product's fixed vocabularies, and the named sets of their members."""

from __future__ import annotations

from django.db.models import IntegerChoices, TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Role(TextChoices):
    READER = "reader", _("Reader")
    CONTRIBUTOR = "contributor", _("Contributor")
    MANAGER = "manager", _("Manager")
    ADMINISTRATOR = "administrator", _("Administrator")


WRITERS = frozenset({Role.CONTRIBUTOR, Role.MANAGER, Role.ADMINISTRATOR})
MANAGERS = frozenset({Role.MANAGER, Role.ADMINISTRATOR})


class Theme(TextChoices):
    AUTO = "auto", _("As the system")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class State(TextChoices):
    DRAFT = "draft", pgettext_lazy("risk state", "Draft")
    OPEN = "open", pgettext_lazy("risk state", "Open")
    TREATING = "treating", pgettext_lazy("risk state", "Treating")
    ACCEPTED = "accepted", pgettext_lazy("risk state", "Accepted")
    CLOSED = "closed", pgettext_lazy("risk state", "Closed")


ACTIVE_STATES = (State.OPEN, State.TREATING, State.ACCEPTED)
"""The states that count: neither proposed only nor over."""


class Strategy(TextChoices):
    AVOID = "avoid", pgettext_lazy("strategy", "Avoid")
    REDUCE = "reduce", pgettext_lazy("strategy", "Reduce")
    TRANSFER = "transfer", pgettext_lazy("strategy", "Transfer")
    SHARE = "share", pgettext_lazy("strategy", "Share or diversify")
    ACCEPT = "accept", pgettext_lazy("strategy", "Accept")


class Kind(TextChoices):
    """The three positions of a risk on the matrix."""

    INHERENT = "inherent", pgettext_lazy("assessment", "Inherent")
    RESIDUAL = "residual", pgettext_lazy("assessment", "Residual")
    TARGET = "target", pgettext_lazy("assessment", "Target")


class Level(IntegerChoices):
    """The band of a matrix cell. A matrix may use three of them; their order is the same in all."""

    LOW = 1, pgettext_lazy("level", "Low")
    MEDIUM = 2, pgettext_lazy("level", "Medium")
    HIGH = 3, pgettext_lazy("level", "High")
    CRITICAL = 4, pgettext_lazy("level", "Critical")


LEVEL_MARKS = {Level.LOW: "○", Level.MEDIUM: "◇", Level.HIGH: "▲", Level.CRITICAL: "■"}
"""A shape beside the word, so that a level is never told by its colour alone."""


class Tone(TextChoices):
    """Colours a level may have: each readable in both themes and told apart by colour-blind readers."""

    GREEN = "green", _("Green")
    YELLOW = "yellow", _("Yellow")
    ORANGE = "orange", _("Orange")
    RED = "red", _("Red")
    BLUE = "blue", _("Blue")
    PURPLE = "purple", _("Purple")
    GREY = "grey", _("Grey")


class Axis(TextChoices):
    PROBABILITY = "probability", _("Probability")
    IMPACT = "impact", _("Impact")


class Frequency(TextChoices):
    PROBABILITY = "probability", _("Yearly probability, at most one event")
    RATE = "rate", _("Events a year")


class MitigationKind(TextChoices):
    PREVENTION = "prevention", pgettext_lazy("mitigation", "Prevention")
    CONTINGENCY = "contingency", pgettext_lazy("mitigation", "Contingency")
    TRANSFER = "transfer", pgettext_lazy("mitigation", "Risk transfer")
    DIVERSIFICATION = "diversification", pgettext_lazy("mitigation", "Diversification")


class MitigationState(TextChoices):
    PLANNED = "planned", pgettext_lazy("mitigation", "Planned")
    UNDER_WAY = "under_way", pgettext_lazy("mitigation", "Under way")
    DONE = "done", pgettext_lazy("mitigation", "Done")
    DROPPED = "dropped", pgettext_lazy("mitigation", "Dropped")


PENDING_MITIGATION_STATES = (MitigationState.PLANNED, MitigationState.UNDER_WAY)


class Moved(TextChoices):
    """What became of a risk in the last days."""

    NEW = "new", pgettext_lazy("change", "New")
    CLOSED = "closed", pgettext_lazy("change", "Closed")
    UP = "up", pgettext_lazy("change", "Up")
    DOWN = "down", pgettext_lazy("change", "Down")


class BadWhen(TextChoices):
    ABOVE = "above", _("Bad when above")
    BELOW = "below", _("Bad when below")


class Verb(TextChoices):
    """What an audit event says was done."""

    CREATED = "created", _("created")
    CHANGED = "changed", _("changed")
    ASSESSED = "assessed", _("assessed")
    MOVED = "moved", _("changed the state")
    DELETED = "deleted", _("deleted")
    UNDONE = "undone", _("undid a change")
    EXPORTED = "exported", _("exported")
    DOWNLOADED = "downloaded", _("downloaded")
    REFUSED = "refused", _("sent a file that was refused")
    COMMENTED = "commented", _("commented")
    SIGNED_IN = "signed_in", _("signed in")
    SIGN_IN_FAILED = "sign_in_failed", _("failed to sign in")
    SIGNED_OUT = "signed_out", _("signed out")
    SECURED = "secured", _("changed how they sign in")
    INVITED = "invited", _("invited")
    JOINED = "joined", _("joined the team")
    LEFT = "left", _("left the team")
    HANDED_OVER = "handed_over", _("handed over")
    ARCHIVED = "archived", _("archived")
    RESTORED = "restored", _("restored")
    REMOVED = "removed", _("removed for good")
    PSEUDONYMISED = "pseudonymised", _("pseudonymised")


class Secured(TextChoices):
    """What somebody changed about how they sign in; an event of the verb `secured` has it as `step`."""

    PASSWORD_CHANGED = "password_changed", _("password changed")
    PASSWORD_RESET = "password_reset", _("password reset by mail")
    ADDRESS_CHANGED = "address_changed", _("address changed")
    APP_ADDED = "app_added", _("authenticator app added")
    APP_REMOVED = "app_removed", _("authenticator app removed")
    PASSKEY_ADDED = "passkey_added", _("passkey added")
    PASSKEY_REMOVED = "passkey_removed", _("passkey removed")
    CODES_MADE = "codes_made", _("recovery codes made")
    CODES_REMOVED = "codes_removed", _("recovery codes removed")
    CODE_USED = "code_used", _("recovery code used")
    SESSIONS_ENDED = "sessions_ended", _("signed out elsewhere")
    PROVIDER_ADDED = "provider_added", _("single sign-on connected")
    PROVIDER_REMOVED = "provider_removed", _("single sign-on disconnected")


class Origin(TextChoices):
    """Where an act came from."""

    PERSON = "person", _("by hand")
    BULK = "bulk", _("many at once")
    IMPORT = "import", _("by import")
    COMMAND = "command", _("by a command")
    SCHEDULE = "schedule", _("by schedule")
    SIGN_ON = "sign_on", _("by single sign-on")
    DEMO = "demo", _("demonstration")


class NoticeKind(TextChoices):
    """What somebody is told of; each can be had at once, once a day or not at all by mail."""

    MENTION = "mention", _("Somebody mentions you")
    ASSIGNMENT = "assignment", _("You become owner of a risk or mitigation")
    COMMENT = "comment", _("A comment on a risk you follow")
    CHANGE = "change", _("A change of a risk you follow")
    DUE = "due", _("A review, mitigation or acceptance of yours is due")
    TEAM = "team", _("Your role or membership changes")


class Delivery(TextChoices):
    """How a notice goes out by mail. The inbox has it in any case."""

    AT_ONCE = "at_once", _("At once")
    DIGEST = "digest", _("Once a day")
    OFF = "off", _("Not by mail")


DEFAULT_DELIVERY = {
    NoticeKind.MENTION: Delivery.AT_ONCE,
    NoticeKind.ASSIGNMENT: Delivery.AT_ONCE,
    NoticeKind.COMMENT: Delivery.DIGEST,
    NoticeKind.CHANGE: Delivery.DIGEST,
    NoticeKind.DUE: Delivery.DIGEST,
    NoticeKind.TEAM: Delivery.AT_ONCE,
}
