"""The trail in words: lines with the names, texts, choices and dates of the reader's language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import QuerySet
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from risks import formatting
from risks.enums import Axis, Frequency, Kind, Level, MitigationState, Origin, Secured, State, Verb
from risks.models import Assessment, AuditEvent, Indicator, Mitigation, StateChange, User
from risks.models.translated import Text
from risks.queries.matrix import LoadedMatrix
from risks.queries.risk_list import people_by_id

LONGEST = 240
"""Characters of a text that are shown of it."""

Key = tuple[Any, ...]
Texts = Mapping[Key, Text]
People = Mapping[int, User]

_HERE = {
    ("risk", Verb.CREATED): gettext_lazy("logged this risk"),
    ("risk", Verb.CHANGED): gettext_lazy("changed this risk"),
    ("risk", Verb.ASSESSED): gettext_lazy("scored this risk"),
    ("risk", Verb.MOVED): gettext_lazy("changed the state"),
    ("risk", Verb.UNDONE): gettext_lazy("undid a change"),
    ("mitigation", Verb.CREATED): gettext_lazy("added the mitigation “%(name)s”"),
    ("mitigation", Verb.CHANGED): gettext_lazy("changed the mitigation “%(name)s”"),
    ("mitigation", Verb.UNDONE): gettext_lazy("undid a change of the mitigation “%(name)s”"),
    ("mitigation", Verb.DELETED): gettext_lazy("deleted the mitigation “%(name)s”"),
    ("indicator", Verb.CREATED): gettext_lazy("added the indicator “%(name)s”"),
    ("indicator", Verb.CHANGED): gettext_lazy("changed the indicator “%(name)s”"),
    ("indicator", Verb.UNDONE): gettext_lazy("undid a change of the indicator “%(name)s”"),
    ("indicator", Verb.DELETED): gettext_lazy("deleted the indicator “%(name)s”"),
    ("comment", Verb.COMMENTED): gettext_lazy("commented"),
    ("comment", Verb.CHANGED): gettext_lazy("edited a comment"),
    ("comment", Verb.DELETED): gettext_lazy("deleted a comment"),
    ("attachment", Verb.CREATED): gettext_lazy("added the file “%(name)s”"),
    ("attachment", Verb.DOWNLOADED): gettext_lazy("downloaded the file “%(name)s”"),
    ("attachment", Verb.DELETED): gettext_lazy("deleted the file “%(name)s”"),
}
"""Acts, on the page of the risk that they concern."""

_ANYWHERE = {
    Verb.CREATED: gettext_lazy("created the %(kind)s %(name)s"),
    Verb.CHANGED: gettext_lazy("changed the %(kind)s %(name)s"),
    Verb.ASSESSED: gettext_lazy("scored the %(kind)s %(name)s"),
    Verb.MOVED: gettext_lazy("changed the state of the %(kind)s %(name)s"),
    Verb.DELETED: gettext_lazy("deleted the %(kind)s %(name)s"),
    Verb.UNDONE: gettext_lazy("undid a change of the %(kind)s %(name)s"),
    Verb.EXPORTED: gettext_lazy("exported %(name)s"),
    Verb.DOWNLOADED: gettext_lazy("downloaded %(name)s"),
    Verb.REFUSED: gettext_lazy("sent the file %(name)s, which was refused"),
    Verb.COMMENTED: gettext_lazy("commented on %(name)s"),
    Verb.INVITED: gettext_lazy("invited somebody to the team"),
    Verb.HANDED_OVER: gettext_lazy("handed over what %(name)s owned"),
    Verb.ARCHIVED: gettext_lazy("archived the %(kind)s %(name)s"),
    Verb.RESTORED: gettext_lazy("restored the %(kind)s %(name)s"),
    Verb.REMOVED: gettext_lazy("removed the %(kind)s %(name)s for good"),
    Verb.PSEUDONYMISED: gettext_lazy("pseudonymised %(name)s"),
}
_MEMBERS = {
    Verb.CREATED: gettext_lazy("added %(name)s to the team"),
    Verb.JOINED: gettext_lazy("added %(name)s to the team"),
    Verb.CHANGED: gettext_lazy("changed the membership of %(name)s"),
    Verb.LEFT: gettext_lazy("ended the membership of %(name)s"),
    Verb.SIGN_IN_FAILED: gettext_lazy("failed to sign in as %(name)s"),
}
"""Acts on a member by somebody else. By themselves, the verb alone says it."""

_COMMENTS = {
    Verb.CHANGED: gettext_lazy("edited a comment on %(name)s"),
    Verb.DELETED: gettext_lazy("deleted a comment on %(name)s"),
}
_ASKED = {
    "month": gettext_lazy("Month"),
    "language": gettext_lazy("Language"),
    "format": gettext_lazy("Format"),
    "query": gettext_lazy("Asked for"),
    "until_date": gettext_lazy("Until"),
    "approver": gettext_lazy("Approved by"),
    "step": gettext_lazy("Step"),
    "copy_of": gettext_lazy("Copy of"),
    "risks": gettext_lazy("Risks"),
    "mitigations": gettext_lazy("Mitigations"),
    "rows": gettext_lazy("Rows"),
}
"""What is not a field of the object that the line is about."""

_SHARES = frozenset({"impact_low", "impact_likely", "impact_high"})
_HIDDEN = frozenset({("comment", "body")})  # a digest, which proves but does not tell
_PARTS = {
    ("template", "mitigations"): "templatemitigation",
    ("template", "indicators"): "templateindicator",
    ("template", "references"): "templatereference",
    ("matrix", "steps"): "matrixstep",
    ("matrix", "levels"): "matrixlevel",
    ("matrix", "cells"): "matrixcell",
}
"""Rows that belong to a record: their fields are named `<part>.<place>.<field>` in its lines."""


class Named(NamedTuple):
    """What an object is called now, and the address of its page if it has one."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Reader:
    """What a page knows of the things its lines tell of; what it does not know is fetched.

    `objects`: those that the lines are about, by type and id. None: the page is that of the one risk that
    they concern, and does not name it. `undo`: fields of events, by the event's id, that can be taken back,
    each with the reason why the reader may not, empty if they may; it is done below `undo_path`.
    """

    matrix_of: Callable[[int | None], LoadedMatrix | None]
    team_id: int | None = None
    people: People | None = None
    texts: Texts = field(default_factory=dict)
    objects: Mapping[tuple[str, int], Named] | None = None
    undo: Mapping[tuple[int, str], str] = field(default_factory=dict)
    undo_path: str = ""


@dataclass(frozen=True)
class Change:
    """`undo`: None if it cannot be taken back, empty if the reader may do so, else why they may not."""

    label: str
    before: str
    after: str
    name: str = ""
    undo: str | None = None

    def html(self, undo_url: str) -> str:
        before = f'<del dir="auto">{escape(self.before)}</del> → ' if self.before else ""
        after = f'<ins dir="auto">{escape(self.after)}</ins>' if self.after else ""
        after = after or f'<span class="muted">{escape(_("empty"))}</span>'
        button = self._button(undo_url)
        label = escape(self.label + pgettext("after a label", ": "))
        return f'<li><span class="muted">{label}</span>{before}{after}{button}</li>'

    def _button(self, url: str) -> str:
        if self.undo is None:
            return ""
        words = f'{escape(_("Undo"))}<span class="visually-hidden"> {escape(self.label)}</span>'
        if self.undo:
            why = escape(self.undo)
            return f' <button class="undo" type="button" disabled title="{why}">{words}</button>'
        return (
            f' <button class="undo" type="submit" form="undo" formaction="{escape(url)}"'
            f' name="field" value="{escape(self.name)}">{words}</button>'
        )

    @property
    def text(self) -> str:
        return _("%(label)s: %(before)s → %(after)s") % {
            "label": self.label, "before": self.before or _("empty"), "after": self.after or _("empty"),
        }  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One event: who did what when, why, and what changed by it. `act` is HTML, the rest is text."""

    event: AuditEvent
    who: str
    act: str
    reason: str
    changes: list[Change]
    name: str
    undo_url: str

    @property
    def html(self) -> SafeString:
        """Written here, not by a template: there are up to fifty on a page."""
        event, when = self.event, timezone.localtime(self.event.happened_at)
        parts = [
            f"<p><b>{escape(self.who)}</b> {self.act} "
            f'<time class="muted" datetime="{when:%Y-%m-%dT%H:%M%z}" title="{formatting.moment(when)}">'
            f"{formatting.ago(when)}</time>"
        ]
        if event.origin not in (Origin.PERSON, Origin.DEMO):
            parts.append(f' <span class="tag">{escape(Origin(event.origin).label)}</span>')
        parts.append("</p>")
        if self.reason:
            parts.append(f'<blockquote dir="auto">{escape(self.reason)}</blockquote>')
        if self.changes:
            parts.append('<ul class="changes">')
            parts += [change.html(self.undo_url) for change in self.changes]
            parts.append("</ul>")
        return mark_safe("".join(parts))  # noqa: S308  # nosec B308 B703 - what people typed is escaped


def known_texts(
    assessments: Iterable[Assessment], mitigations: Iterable[Mitigation], indicators: Iterable[Indicator]
) -> Texts:
    """The texts of rows that a page has loaded anyway, as `describe` looks for them."""
    return {
        **{(a.risk_id, a.kind, a.assessed_at): Text(a.reason_en, a.reason_zh) for a in assessments},
        **{("mitigation", each.pk): Text(each.title_en, each.title_zh) for each in mitigations},
        **{("indicator", each.pk): Text(each.name_en, each.name_zh) for each in indicators},
    }


def people_in(events: Iterable[AuditEvent]) -> set[int]:
    """Ids of all whom the lines name: who acted, to whom it was done, and in what changed."""
    found: set[int] = set()
    for event in events:
        found |= {pk for pk in (event.actor_id, event.subject_id) if pk}
        for pair in event.changes.values():
            found |= {value["user"] for value in pair if isinstance(value, dict) and "user" in value}
    return found


def describe(events: Sequence[AuditEvent], reader: Reader) -> list[Line]:
    """Events in the reader's language; positions in the words of their register's matrix.

    Events keep the words of whoever acted; what they tell of may have both languages. One query for the
    people and one for the texts that the page does not know, none if it knows all.
    """
    people = reader.people
    if people is None:
        people = people_by_id(people_in(events), reader.team_id)
    texts = {**reader.texts, **_texts(events, reader)}
    return [_line(event, reader, people, texts) for event in events]


# --- texts in both languages


def _in_reader_language(kept: str, text: Text | None) -> str:
    """The text if it is what was kept, in one language or the other; else what was kept."""
    return str(text) if text and kept in (text.en, text.zh) else kept


def _reason_key(event: AuditEvent) -> Key:
    """Risk, the kind of position that was scored or `state` where that was changed, and the moment."""
    subject = next((name for name in event.changes if name == "state" or name in Kind.values), "")
    return event.risk_id, subject, event.happened_at


def _texts(events: Sequence[AuditEvent], reader: Reader) -> dict[Key, Text]:
    """Reasons by risk, subject and moment; names of mitigations and indicators by type and id. One query."""
    wanted = {_reason_key(e) for e in events if e.reason and e.verb in (Verb.ASSESSED, Verb.MOVED)}
    if reader.objects is None:
        wanted |= {(e.object_type, e.object_id) for e in events if e.object_type in _NAMED}
    sought: defaultdict[str, list[Key]] = defaultdict(list)
    for key in wanted - reader.texts.keys():
        sought[key[0] if key[0] in _NAMED else "state" if key[1] == "state" else "scores"].append(key)
    sources = [_SOURCES[name](keys) for name, keys in sorted(sought.items())]
    if not sources:
        return {}
    rows = sources[0].union(*sources[1:], all=True) if len(sources) > 1 else sources[0]
    return {
        (subject, pk) if at is None else (pk, subject, at): Text(en, zh) for subject, at, pk, en, zh in rows
    }


def _scores(keys: list[Key]) -> QuerySet[Any, Any]:
    risks, moments = {key[0] for key in keys}, {key[2] for key in keys}
    rows = Assessment.objects.filter(risk__in=risks, assessed_at__in=moments).order_by()
    return rows.values_list("kind", "assessed_at", "risk_id", "reason_en", "reason_zh")


def _moves(keys: list[Key]) -> QuerySet[Any, Any]:
    risks, moments = {key[0] for key in keys}, {key[2] for key in keys}
    rows = StateChange.objects.filter(risk__in=risks, moved_at__in=moments).order_by()
    return rows.values_list(models.Value("state"), "moved_at", "risk_id", "reason_en", "reason_zh")


def _mitigations(keys: list[Key]) -> QuerySet[Any, Any]:
    rows = Mitigation.objects.filter(pk__in=[pk for _type, pk in keys if pk]).order_by()
    return rows.values_list(models.Value("mitigation"), _NEVER, "pk", "title_en", "title_zh")


def _indicators(keys: list[Key]) -> QuerySet[Any, Any]:
    rows = Indicator.objects.filter(pk__in=[pk for _type, pk in keys if pk]).order_by()
    return rows.values_list(models.Value("indicator"), _NEVER, "pk", "name_en", "name_zh")


_NEVER = Cast(models.Value(None), models.DateTimeField())  # PostgreSQL wants the type of a NULL in a union
_SOURCES: dict[str, Callable[[list[Key]], QuerySet[Any, Any]]] = {
    "scores": _scores, "state": _moves, "mitigation": _mitigations, "indicator": _indicators,
}  # fmt: skip
"""What has texts in both languages, by the subject that an event names."""
_NAMED = ("mitigation", "indicator")


# --- one line


def _line(event: AuditEvent, reader: Reader, people: People, texts: Texts) -> Line:
    kind = event.object_type
    actor = people.get(event.actor_id or 0)
    if actor:
        who = str(actor)
    else:
        who = _("Somebody") if event.verb == Verb.SIGN_IN_FAILED else _("The system")
    if reader.objects is None:
        name = Named(_in_reader_language(event.object_label, texts.get((kind, event.object_id))))
    else:
        name = _name(event, reader.objects, people)
    return Line(
        event=event,
        who=who,
        act=_act(event, name, here=reader.objects is None),
        reason=_in_reader_language(event.reason, texts.get(_reason_key(event))),
        changes=[
            _change(event, name, before, after, reader, people)
            for name, (before, after) in sorted(event.changes.items(), key=lambda item: _place(kind, item[0]))
            if (kind, name) not in _HIDDEN
        ],
        name=name.text,
        undo_url=f"{reader.undo_path}{event.pk}/undo/",
    )


def _name(event: AuditEvent, objects: Mapping[tuple[str, int], Named], people: People) -> Named:
    """Whom or what it was done to: as it is called now if it is still there, else as it was called then."""
    if event.subject_id:
        return Named(str(people.get(event.subject_id, "")))
    if event.verb in (Verb.EXPORTED, Verb.DOWNLOADED):
        return Named(event.object_label)
    return objects.get((event.object_type, event.object_id or 0), Named(event.object_label))


def _act(event: AuditEvent, name: Named, *, here: bool) -> str:
    """What was done, as HTML."""
    verb, kind = Verb(event.verb), event.object_type
    phrase: Any = _HERE.get((kind, verb)) if here else None
    if phrase is None and kind in ("membership", "user"):
        by_themselves = event.actor_id == event.subject_id
        phrase = verb.label if by_themselves or not event.subject_id else _MEMBERS.get(verb)
    elif phrase is None and kind == "comment":
        phrase = _COMMENTS.get(verb)
    phrase = phrase or _ANYWHERE.get(verb, verb.label)
    shown: str = escape(name.text)
    if name.url:
        shown = f'<a href="{escape(name.url)}" dir="auto">{shown}</a>'
    words = {"kind": escape(kind_label(kind)), "name": shown}
    return mark_safe(str(escape(phrase)) % words)  # noqa: S308  # nosec B308 B703 - all of it is escaped


@cache
def _model(kind: str) -> type[models.Model] | None:
    try:
        return apps.get_model("risks", kind)
    except (LookupError, ValueError):
        return None


def kind_label(kind: str) -> str:
    """A type of object in words, such as “risk template”."""
    model = _model(kind)
    return str(model._meta.verbose_name) if model else kind


# --- one change


@lru_cache(maxsize=1000)
def _place(kind: str, name: str) -> tuple[Any, ...]:
    """Where a field stands among the others: as in the model, whatever order the database kept them in."""
    model = _model(kind)
    names = [each.name for each in model._meta.fields] if model else []
    place = [(len(part), part) for part in name.split(".")]  # the tenth row after the second
    return names.index(name) if name in names else len(names), place


def _change(event: AuditEvent, name: str, before: Any, after: Any, reader: Reader, people: People) -> Change:
    kind = event.object_type
    if kind == "risk" and name in Kind.values:
        matrix = reader.matrix_of(event.register_id)
        return Change(str(Kind(name).label), _position(before, matrix), _position(after, matrix))
    old, new = (_short(_in_words(kind, name, value, people)) for value in (before, after))
    return Change(_label(kind, name), old, new, name, reader.undo.get((event.pk, name)))


def _label(kind: str, name: str) -> str:
    if "." in name:
        return _part_label(kind, name)
    if kind in ("risk", "template") and name in _RANGES:
        return str(_RANGES[name])
    column = _field(kind, name)
    label = str(column.verbose_name) if column is not None else str(_ASKED.get(name, name))
    return label[:1].upper() + label[1:]


_RANGES = {
    "frequency_kind": gettext_lazy("Frequency as"),
    "frequency_low": gettext_lazy("Frequency from"),
    "frequency_high": gettext_lazy("Frequency to"),
    "impact_low": gettext_lazy("Impact from"),
    "impact_likely": gettext_lazy("Impact, most likely"),
    "impact_high": gettext_lazy("Impact to"),
}


def _part_label(kind: str, name: str) -> str:
    """`mitigations.2.title_en` → Suggested mitigation 2: what is done (English)."""
    part, *place, column = name.split(".")
    model = _PARTS.get((kind, part), part)
    if part == "steps":
        where = f"{Axis(place[0]).label} {place[1]}"
    elif part == "levels":
        where = str(Level(int(place[0])).label)
    else:
        where = " × ".join(place)
    column_label = _label(model, column)
    words = {
        "what": kind_label(model), "place": where, "field": column_label[:1].lower() + column_label[1:],
    }  # fmt: skip
    label = str(pgettext_lazy("part of a record", "%(what)s %(place)s, %(field)s")) % words
    return label[:1].upper() + label[1:]


@lru_cache(maxsize=1000)
def _field(kind: str, name: str) -> models.Field[Any, Any] | None:
    """The model's field; of a part, the part's."""
    part, dot, rest = name.partition(".")
    if dot:
        kind, name = _PARTS.get((kind, part), ""), rest.rpartition(".")[2]
    model = _model(kind)
    try:
        found = model._meta.get_field(name) if model else None
    except FieldDoesNotExist:
        return None
    return found if isinstance(found, models.Field) else None


def _in_words(kind: str, name: str, value: Any, people: People) -> str:
    """How a value of this field is written."""
    if value is None or value == "":
        return ""
    if isinstance(value, dict):
        if "user" in value:
            return str(people.get(value["user"]) or _("Somebody"))
        return str(Text(value.get("en", ""), value.get("zh", "")))
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if name in _SHARES and isinstance(value, float | int):
        return formatting.share(value)
    if name == "progress":
        return formatting.share(value / 100)
    if name == "month":
        return formatting.month(date.fromisoformat(f"{value}-01"))
    if name == "language":
        return str(dict(settings.LANGUAGES).get(value, value))
    choices = _choices(kind, name)
    if choices:
        return str(choices.get(value, value))
    return _typed(_field(kind, name), value)


def _typed(column: models.Field[Any, Any] | None, value: Any) -> str:
    if isinstance(column, models.DecimalField):
        return _amount(value)
    if isinstance(column, models.TextField | models.CharField):
        return str(value)
    if isinstance(value, str):
        return _moment(value)
    if isinstance(value, float):
        return str(number_format(f"{value:.6g}", use_l10n=True))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _amount(value: Any) -> str:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    whole = amount == amount.to_integral_value()
    return str(number_format(amount, 0 if whole else 2, use_l10n=True, force_grouping=True))


def _choices(kind: str, name: str) -> Mapping[Any, Any]:
    if name == "state":
        return dict(State.choices if kind == "risk" else MitigationState.choices)
    if name == "frequency_kind":
        return dict(Frequency.choices)
    if (kind, name) == ("user", "step"):
        return dict(Secured.choices)
    column = _field(kind, name)
    return dict(column.flatchoices) if column is not None else {}


def _moment(text: str) -> str:
    """ISO dates and moments as the language writes them; any other text as it is."""
    try:
        return formatting.day(date.fromisoformat(text))
    except ValueError:
        pass
    try:
        return formatting.moment(datetime.fromisoformat(text))
    except ValueError:
        return text


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _position(cell: list[int] | None, matrix: LoadedMatrix | None) -> str:
    """The words of a cell; its numbers if the matrix has changed since and knows it no longer."""
    if not cell:
        return ""
    probability, impact = cell
    if matrix is None or (probability, impact) not in matrix.grid.cells:
        return f"{probability} × {impact}"
    words = matrix.probabilities[probability - 1].name, matrix.impacts[impact - 1].name
    level = matrix.level_at(probability, impact).name
    return _("%(cell)s (%(level)s)") % {"cell": f"{words[0]} × {words[1]}", "level": level}
