"""Forms of the list of risks: one value in place, many risks at once, and the name of a view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.core import signing
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from risks.forms.renderer import Form
from risks.models import Category, Risk, Team, User
from risks.models.translated import Text
from risks.queries.risk_list import Options
from risks.rules import MOVES, Move

MAX_SELECTED = 1000
"""Risks that may be changed at once."""
REASON_MAX_LENGTH = 2000
_KEEP = ("", _("No change"))
_NONE = "none"
_LARGEST_ID = 2**63 - 1


def _day_field(label: Any, help_text: Any = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=help_text,
    )


def _reason_field() -> forms.CharField:
    return forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=REASON_MAX_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


def _move_choices(moves: Iterable[Move]) -> list[tuple[str, Any]]:
    """Moves that a name and a reason are enough for; accepting has a page of its own."""
    return [(move.name, move.label) for move in moves if not move.needs_approval]


# --- one value in place


class FieldForm(Form):
    """One value of one risk; `version` is the one the person looked at."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)
    value: Any

    def __init__(
        self, *args: Any, risk: Risk, options: Options, moves: Sequence[Move], **kwargs: Any
    ) -> None:
        super().__init__(*args, initial={"version": risk.version, **self.initial_of(risk)}, **kwargs)
        self.prepare(options, moves)

    def initial_of(self, risk: Risk) -> dict[str, Any]:
        return {}

    def prepare(self, options: Options, moves: Sequence[Move]) -> None:
        """Set what can be chosen."""


class OwnerForm(FieldForm):
    owner = forms.TypedChoiceField(label=_("Owner"), required=False, coerce=int, empty_value=None)

    def initial_of(self, risk: Risk) -> dict[str, Any]:
        return {"owner": risk.owner_id}

    def prepare(self, options: Options, moves: Sequence[Move]) -> None:
        self.people = options.people_with([self.initial["owner"]])
        _offer(self, "owner", [("", _("Nobody")), *_people(self.people)])

    @property
    def changes(self) -> dict[str, User | None]:
        pk = self.cleaned_data["owner"]
        return {"owner": self.people[pk] if pk else None}


class ReviewForm(FieldForm):
    next_review_date = _day_field(_("Next review"))

    def initial_of(self, risk: Risk) -> dict[str, Any]:
        return {"next_review_date": risk.next_review_date}

    @property
    def changes(self) -> dict[str, date | None]:
        return {"next_review_date": self.cleaned_data["next_review_date"]}


class StateForm(FieldForm):
    move = forms.ChoiceField(label=_("Change the state"))
    reason = _reason_field()

    def prepare(self, options: Options, moves: Sequence[Move]) -> None:
        _offer(self, "move", _move_choices(moves))
        self.moves = {move.name: move for move in moves}

    @property
    def chosen_move(self) -> Move:
        return self.moves[self.cleaned_data["move"]]

    @property
    def reason_text(self) -> Text:
        return Text.of(self.cleaned_data["reason"])


FIELD_FORMS: dict[str, type[FieldForm]] = {"owner": OwnerForm, "review": ReviewForm, "state": StateForm}


def _offer(form: Form, name: str, choices: Iterable[tuple[Any, Any]]) -> None:
    form.fields[name].choices = list(choices)  # type: ignore[attr-defined]


def _people(people: Mapping[int, User]) -> list[tuple[int, str]]:
    return [(pk, str(person)) for pk, person in people.items()]


# --- many risks at once


@dataclass(frozen=True)
class Selection:
    """Which risks: those ticked, or all that the list holds."""

    ids: list[int]
    everything: bool
    total: int

    @classmethod
    def of(cls, data: QueryDict, total: int) -> Selection:
        """As it was sent; what is no id is left out."""
        texts = dict.fromkeys(data.getlist("risk"))
        ids = [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 20]
        return cls([pk for pk in ids if pk <= _LARGEST_ID], data.get("all") == "1", total)

    @property
    def count(self) -> int:
        return self.total if self.everything else len(self.ids)

    @property
    def may_be_everything(self) -> bool:
        return len(self.ids) < self.total <= MAX_SELECTED

    @property
    def problem(self) -> str:
        """Why these cannot be changed at once; empty if they can."""
        if not self.count:
            return gettext("Tick the risks to change first.")
        if self.count > MAX_SELECTED:
            return gettext("At most %(count)d risks can be changed at once; narrow the list.") % {
                "count": MAX_SELECTED
            }
        return ""


class BulkForm(Form):
    """What to change; an empty field stays as it is with each risk."""

    owner = forms.ChoiceField(label=_("Owner"), required=False)
    category = forms.ChoiceField(label=_("Category"), required=False)
    next_review_date = _day_field(_("Next review"))
    move = forms.ChoiceField(label=_("State"), required=False, choices=[_KEEP, *_move_choices(MOVES)])
    reason = _reason_field()

    def __init__(self, *args: Any, options: Options, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.options = options
        self.fields["reason"].help_text = _("Needed to end an acceptance, to close, to reopen or to stop.")
        _offer(self, "owner", [_KEEP, (_NONE, _("Nobody")), *_people(options.people)])
        _offer(self, "category", [_KEEP, (_NONE, _("No category")), *self._categories()])

    def _categories(self) -> list[tuple[str, Any]]:
        choices: list[tuple[str, Any]] = []
        for parent, children in self.options.tree:
            choices.append((str(parent.pk), parent.name))
            choices += [(str(child.pk), f"{parent.name} › {child.name}") for child in children]
        return choices

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        move = self.chosen_move
        if move and move.needs_reason and not data.get("reason"):
            self.add_error("reason", _("Give a reason; it stays with the risk."))
        if not self.errors and not move and not self.changes:
            raise forms.ValidationError(_("Choose what to change."))
        return data

    @property
    def chosen_move(self) -> Move | None:
        return next((move for move in MOVES if move.name == self.cleaned_data.get("move")), None)

    @property
    def reason_text(self) -> Text:
        return Text.of(self.cleaned_data.get("reason", ""))

    @property
    def changes(self) -> dict[str, Any]:
        """Fields and their new values, only those chosen."""
        data = self.cleaned_data
        changes: dict[str, Any] = {}
        if data.get("owner"):
            changes["owner"] = None if data["owner"] == _NONE else self.options.people[int(data["owner"])]
        if data.get("category"):
            changes |= self._category_changes(data["category"])
        if data.get("next_review_date"):
            changes["next_review_date"] = data["next_review_date"]
        return changes

    def _category_changes(self, value: str) -> dict[str, Category | None]:
        if value == _NONE:
            return {"category": None, "subcategory": None}
        chosen = self.options.taxonomy[int(value)]
        if chosen.parent_id is None:
            return {"category": chosen, "subcategory": None}
        return {"category": self.options.taxonomy[chosen.parent_id], "subcategory": chosen}


def seal_versions(team: Team, versions: Mapping[int, int]) -> str:
    """The versions of risks that a page shows, by id, as a mark that only we can have made."""
    return signing.dumps(versions, salt=f"versions {team.pk}", compress=True)


def unseal_versions(team: Team, token: str) -> dict[int, int] | None:
    """None if it cannot be told what was seen."""
    try:
        versions = signing.loads(token, salt=f"versions {team.pk}")
    except (signing.BadSignature, ValueError):
        return None
    return {int(pk): version for pk, version in versions.items()}


class SaveViewForm(Form):
    name = forms.CharField(label=_("Name of the view"), max_length=60)
