"""Audit events in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import QuerySet
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from risks import formatting
from risks.enums import Frequency, Kind, MitigationState, Origin, State, Verb
from risks.models import Assessment, AuditEvent, Indicator, Mitigation, Risk, StateChange
from risks.models.translated import Text
from risks.queries.matrix import LoadedMatrix

LONGEST = 240
Texts = Mapping[tuple[str, Any], Text]
"""Characters of a text that are shown of it."""

_ACTS = {
    ("risk", Verb.CREATED): gettext_lazy("logged this risk"),
    ("risk", Verb.CHANGED): gettext_lazy("changed this risk"),
    ("risk", Verb.ASSESSED): gettext_lazy("scored this risk"),
    ("risk", Verb.MOVED): gettext_lazy("changed the state"),
    ("mitigation", Verb.CREATED): gettext_lazy("added the mitigation “%(name)s”"),
    ("mitigation", Verb.CHANGED): gettext_lazy("changed the mitigation “%(name)s”"),
    ("mitigation", Verb.DELETED): gettext_lazy("deleted the mitigation “%(name)s”"),
    ("indicator", Verb.CREATED): gettext_lazy("added the indicator “%(name)s”"),
    ("indicator", Verb.CHANGED): gettext_lazy("changed the indicator “%(name)s”"),
    ("indicator", Verb.DELETED): gettext_lazy("deleted the indicator “%(name)s”"),
    ("comment", Verb.COMMENTED): gettext_lazy("commented"),
    ("comment", Verb.CHANGED): gettext_lazy("changed a comment"),
    ("comment", Verb.DELETED): gettext_lazy("deleted a comment"),
    ("attachment", Verb.CREATED): gettext_lazy("added the file “%(name)s”"),
    ("attachment", Verb.DELETED): gettext_lazy("deleted the file “%(name)s”"),
    ("attachment", Verb.DOWNLOADED): gettext_lazy("downloaded the file “%(name)s”"),
    ("attachment", Verb.REFUSED): gettext_lazy("sent the file “%(name)s”, which holds a virus"),
}
_MODELS: dict[str, type[models.Model]] = {"risk": Risk, "mitigation": Mitigation, "indicator": Indicator}
_SHARES = frozenset({"impact_low", "impact_likely", "impact_high"})


@dataclass(frozen=True)
class Change:
    label: str
    before: str
    after: str

    @property
    def html(self) -> str:
        before = f'<del dir="auto">{escape(self.before)}</del> → ' if self.before else ""
        after = f'<ins dir="auto">{escape(self.after)}</ins>' if self.after else ""
        after = after or f'<span class="muted">{escape(_("empty"))}</span>'
        return f'<li><span class="muted">{escape(self.label)}:</span> {before}{after}</li>'


@dataclass(frozen=True)
class Line:
    """One event: who did what when, why, and what changed by it."""

    event: AuditEvent
    who: str
    act: str
    reason: str
    changes: list[Change]

    @property
    def html(self) -> SafeString:
        """Written here, not by a template: there are twenty on a page."""
        event, when = self.event, timezone.localtime(self.event.happened_at)
        parts = [
            f"<p><b>{escape(self.who)}</b> {escape(self.act)} "
            f'<time class="muted" datetime="{when:%Y-%m-%dT%H:%M%z}" title="{formatting.moment(when)}">'
            f"{formatting.ago(when)}</time>"
        ]
        if event.origin not in (Origin.PERSON, Origin.DEMO):
            parts.append(f' <span class="tag">{escape(Origin(event.origin).label)}</span>')
        parts.append("</p>")
        if self.reason:
            parts.append(f'<blockquote dir="auto">{escape(self.reason)}</blockquote>')
        if self.changes:
            parts += ['<ul class="changes">', *(change.html for change in self.changes), "</ul>"]
        return mark_safe("".join(parts))  # noqa: S308  # nosec B308 B703 - what people typed is escaped


def known_texts(
    assessments: Iterable[Assessment], mitigations: Iterable[Mitigation], indicators: Iterable[Indicator]
) -> Texts:
    """The texts of rows that a page has loaded anyway, as `describe` looks for them."""
    return {
        **{(each.kind, each.assessed_at): Text(each.reason_en, each.reason_zh) for each in assessments},
        **{("mitigation", each.pk): Text(each.title_en, each.title_zh) for each in mitigations},
        **{("indicator", each.pk): Text(each.name_en, each.name_zh) for each in indicators},
    }


def describe(events: Sequence[AuditEvent], matrix: LoadedMatrix, known: Texts | None = None) -> list[Line]:
    """Events of one risk in the reader's language; positions in the words of its matrix.

    Events keep the words of whoever acted; what they tell of may have both languages. One query for those
    texts that are not `known`, none if all are.
    """
    known = known or {}
    texts = {**known, **_texts(events, known)}
    return [
        _line(
            event,
            _in_reader_language(event.object_label, texts.get((event.object_type, event.object_id))),
            _in_reader_language(event.reason, texts.get((_subject(event), event.happened_at))),
            matrix,
        )
        for event in events
    ]


def _in_reader_language(kept: str, text: Text | None) -> str:
    """The text if it is what was kept, in one language or the other; else what was kept."""
    return str(text) if text and kept in (text.en, text.zh) else kept


def _subject(event: AuditEvent) -> str:
    """The kind of position that was scored, or `state` where that was changed."""
    return next(iter(event.changes), "")


def _texts(events: Sequence[AuditEvent], known: Texts) -> Texts:
    """Reasons by subject and moment, names of mitigations and indicators by type and id: one query."""
    told = [e for e in events if e.reason and e.verb in (Verb.ASSESSED, Verb.MOVED)]
    named = [e for e in events if e.object_type in ("mitigation", "indicator")]
    wanted: set[tuple[str, Any]] = {(_subject(e), e.happened_at) for e in told}
    wanted |= {(e.object_type, e.object_id) for e in named}
    sought: defaultdict[str, list[Any]] = defaultdict(list)
    for subject, key in wanted - known.keys():
        sought[subject if subject in _SOURCES else "scores"].append(key)
    sources = [_SOURCES[name](events[0].risk_id, keys) for name, keys in sorted(sought.items())]
    if not sources:
        return {}
    rows = sources[0].union(*sources[1:], all=True) if len(sources) > 1 else sources[0]
    return {(subject, at or pk): Text(en, zh) for subject, at, pk, en, zh in rows}


def _scores(risk_id: int | None, moments: list[datetime]) -> QuerySet[Any, Any]:
    rows = Assessment.objects.filter(risk=risk_id, assessed_at__in=moments).order_by()
    return rows.values_list("kind", "assessed_at", "pk", "reason_en", "reason_zh")


def _moves(risk_id: int | None, moments: list[datetime]) -> QuerySet[Any, Any]:
    rows = StateChange.objects.filter(risk=risk_id, moved_at__in=moments).order_by()
    return rows.values_list(models.Value("state"), "moved_at", "pk", "reason_en", "reason_zh")


def _mitigations(risk_id: int | None, ids: list[int | None]) -> QuerySet[Any, Any]:
    rows = Mitigation.objects.filter(risk=risk_id, pk__in=[pk for pk in ids if pk]).order_by()
    return rows.values_list(models.Value("mitigation"), _NEVER, "pk", "title_en", "title_zh")


def _indicators(risk_id: int | None, ids: list[int | None]) -> QuerySet[Any, Any]:
    rows = Indicator.objects.filter(risk=risk_id, pk__in=[pk for pk in ids if pk]).order_by()
    return rows.values_list(models.Value("indicator"), _NEVER, "pk", "name_en", "name_zh")


_NEVER = Cast(models.Value(None), models.DateTimeField())  # PostgreSQL wants the type of a NULL in a union
_SOURCES: dict[str, Callable[[int | None, list[Any]], QuerySet[Any, Any]]] = {
    "scores": _scores, "state": _moves, "mitigation": _mitigations, "indicator": _indicators,
}  # fmt: skip
"""What has texts in both languages, by the subject that an event names."""


def _line(event: AuditEvent, name: str, reason: str, matrix: LoadedMatrix) -> Line:
    act = _ACTS.get((event.object_type, Verb(event.verb)))
    words = str(act) % {"name": name} if act else event.get_verb_display()
    changes = [
        _change(event.object_type, field, before, after, matrix)
        for field, (before, after) in event.changes.items()
        if event.object_type != "comment"  # a digest of its text says nothing to people
    ]
    return Line(event, str(event.actor or _("The system")), words, reason, changes)


def _change(kind: str, name: str, before: Any, after: Any, matrix: LoadedMatrix) -> Change:
    if kind == "risk" and name in Kind.values:
        return Change(str(Kind(name).label), _position(before, matrix), _position(after, matrix))
    label, write = _label(kind, name), _writer(kind, name)
    return Change(label, _short(write(before)), _short(write(after)))


def _label(kind: str, name: str) -> str:
    if kind == "risk" and name.rpartition("_")[0] in ("frequency", "impact"):
        return str(_RANGES[name])
    field = _field(kind, name)
    label = str(field.verbose_name) if field else name
    return label[:1].upper() + label[1:]


_RANGES = {
    "frequency_kind": gettext_lazy("Frequency as"),
    "frequency_low": gettext_lazy("Frequency from"),
    "frequency_high": gettext_lazy("Frequency to"),
    "impact_low": gettext_lazy("Impact from"),
    "impact_likely": gettext_lazy("Impact, most likely"),
    "impact_high": gettext_lazy("Impact to"),
}


def _field(kind: str, name: str) -> models.Field[Any, Any] | None:
    try:
        return _MODELS[kind]._meta.get_field(name)  # type: ignore[return-value]
    except (KeyError, FieldDoesNotExist):
        return None


def _writer(kind: str, name: str) -> Callable[[Any], str]:
    """How a value of this field is written."""
    if kind == "risk" and name in _SHARES:
        return formatting.share
    if name == "progress":
        return lambda value: "" if value is None else formatting.share(value / 100)
    choices = _choices(kind, name)
    if choices:
        return lambda value: str(choices.get(value, value or ""))
    if isinstance(_field(kind, name), models.DateField):
        return _day
    return lambda value: "" if value is None else str(value)


def _choices(kind: str, name: str) -> Mapping[Any, Any]:
    if name == "state":
        return dict(State.choices if kind == "risk" else MitigationState.choices)
    if name == "frequency_kind":
        return dict(Frequency.choices)
    field = _field(kind, name)
    return dict(field.flatchoices) if field is not None else {}


def _day(value: Any) -> str:
    try:
        return formatting.day(date.fromisoformat(value))
    except (TypeError, ValueError):
        return ""


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _position(cell: list[int] | None, matrix: LoadedMatrix) -> str:
    """The words of a cell; its numbers if the matrix has changed since and knows it no longer."""
    if not cell:
        return ""
    probability, impact = cell
    try:
        level = matrix.level_at(probability, impact)
    except KeyError:
        return f"{probability} × {impact}"
    words = matrix.probabilities[probability - 1].name, matrix.impacts[impact - 1].name
    return f"{words[0]} × {words[1]} ({level.name})"
