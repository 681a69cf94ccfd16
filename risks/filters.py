"""What lists can be narrowed by. A filter that does not validate shows its error and no rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django_filters import CharFilter, Filter, FilterSet, MultipleChoiceFilter, TypedChoiceFilter

from risks.enums import (
    ACTIVE_STATES,
    LEVEL_MARKS,
    PENDING_MITIGATION_STATES,
    Kind,
    Level,
    MitigationKind,
    MitigationState,
    Moved,
    State,
    Strategy,
)
from risks.models import Acceptance, Category, Mitigation, Register, User
from risks.models.mitigation import MitigationQuerySet
from risks.models.risk import RiskQuerySet
from risks.models.search import search_risks
from risks.queries.as_of import mitigations_at, search_versions
from risks.queries.changes import moved_risks, window_start
from risks.queries.overview import ENDING_SOON
from risks.queries.risk_list import Options

Choices = Sequence[tuple[str, Any]]

ME, NOBODY, NONE = "me", "none", "none"
ACTIVE = "active"
YES: Choices = [("1", _("Yes"))]
STEPS: Choices = [(str(index), str(index)) for index in range(1, 8)]
OPTION = (
    '<label class="choice"><input class="form-check-input" type="{}" name="{}" value="{}" data-submit{}>'
    "{}</label>"
)
"""In Python and not in the template, which takes four times as long for sixty options."""


@dataclass(frozen=True)
class Option:
    name: str
    value: str
    label: str | Promise
    chosen: bool
    child: bool = False

    @property
    def attributes(self) -> SafeString:
        return SafeString((" checked" if self.chosen else "") + (" data-child" if self.child else ""))  # nosec B703 - constants


@dataclass(frozen=True)
class Menu:
    """One filter with what it offers; `single` if one choice takes the place of another."""

    name: str
    label: str | Promise
    options: list[Option]
    single: bool

    @property
    def is_set(self) -> bool:
        return any(option.chosen for option in self.options)

    @cached_property
    def body(self) -> SafeString:
        """The options as inputs that send the form when they change."""
        kind = "radio" if self.single else "checkbox"
        anything = [Option(self.name, "", _("Any"), not self.is_set)] if self.single else []
        return format_html_join(
            "\n",
            OPTION,
            ((kind, each.name, each.value, each.attributes, each.label) for each in anything + self.options),
        )


@dataclass(frozen=True)
class Chip:
    """One value that narrows the list, valid or not, and the values of its filter without it."""

    name: str
    label: str | Promise
    value: str | Promise
    errors: list[str]
    others: list[str]


class ListFilter(FilterSet):
    """The base of all lists' filters. An empty parameter counts as absent; an invalid one leaves no rows."""

    base_filters: dict[str, Filter]

    def __init__(self, data: QueryDict, queryset: QuerySet[Any], *, user: User, **choices: Choices) -> None:
        """`choices` are those of filters whose choices are known at the time of the request only.

        The user's own id as an owner counts as "me".
        """
        self.user = user
        filled = QueryDict(mutable=True)
        for name, values in data.lists():
            filled.setlist(name, [value for value in values if value.strip()])
        own = str(user.pk)
        if own in filled.getlist("owner"):
            filled.setlist("owner", [ME if value == own else value for value in filled.getlist("owner")])
        self._choices = choices
        # Only what is asked for is copied and validated; a request seldom asks for more than two of a dozen.
        self.base_filters = {
            name: each for name, each in type(self).base_filters.items() if filled.getlist(name)
        }
        super().__init__(filled, queryset)
        for name in choices.keys() & self.filters.keys():
            self.filters[name].extra["choices"] = choices[name]

    def choices(self, name: str) -> Choices:
        given: Choices | None = self._choices.get(name)
        return type(self).base_filters[name].extra["choices"] if given is None else given

    @property
    def qs(self) -> QuerySet[Any]:
        if not hasattr(self, "_qs"):
            everything = self.queryset.all()
            self._qs = self.filter_queryset(everything) if self.is_valid() else self.queryset.none()
        return self._qs

    def menu(self, name: str) -> Menu:
        values = self.data.getlist(name)
        if name in self._choices:
            return _menu(type(self), name, self._choices[name], values)
        valid = dict(self.choices(name)).keys() & set(values)
        its_class: Any = type(self)
        return _fixed_menu(its_class, name, frozenset(valid), get_language())

    @property
    def problems(self) -> list[tuple[str | Promise, str]]:
        """What makes no sense: the filter's label and the message."""
        return [
            (self.filters[name].label, message) for name, errors in self.errors.items() for message in errors
        ]

    @property
    def chips(self) -> list[Chip]:
        """All that narrows the list now, but for the words searched for."""
        chips = []
        for name, its_filter in self.filters.items():
            if name == "q":
                continue
            values = list(dict.fromkeys(self.data.getlist(name)))
            labels = dict(self.choices(name))
            for value in values:
                errors = [] if value in labels else list(self.errors.get(name, []))
                others = [other for other in values if other != value]
                chips.append(Chip(name, its_filter.label, labels.get(value, value[:50]), errors, others))
        return chips


def _menu(filters: type[ListFilter], name: str, choices: Choices, values: Collection[str]) -> Menu:
    its_filter = filters.base_filters[name]
    options = [Option(name, value, label, value in values) for value, label in choices]
    return Menu(name, its_filter.label, options, isinstance(its_filter, TypedChoiceFilter))


@lru_cache(maxsize=256)
def _fixed_menu(filters: Any, name: str, values: frozenset[str], language: str | None) -> Menu:
    """A menu whose choices are the same for everybody, kept for each language with its HTML."""
    return _menu(filters, name, filters.base_filters[name].extra["choices"], values)


class RiskFilter(ListFilter):
    """Filters of the list of risks. Their names are addresses that other pages link to."""

    q = CharFilter(label=_("Search"), max_length=200, method="search")
    state = MultipleChoiceFilter(
        label=_("State"),
        choices=[(ACTIVE, pgettext_lazy("risks", "Active")), *State.choices],
        method="in_states",
    )
    level = MultipleChoiceFilter(
        label=_("Level"),
        choices=[
            *(
                (str(level.value), format_lazy("{} {}", LEVEL_MARKS[level], level.label))
                for level in reversed(Level)
            ),
            ("0", _("Not assessed")),
        ],
        method="at_levels",
    )
    category = MultipleChoiceFilter(label=_("Category"), method="in_categories")
    subcategory = MultipleChoiceFilter(label=_("Subcategory"), method="in_subcategories")
    owner = MultipleChoiceFilter(label=_("Owner"), method="owned_by")
    strategy = MultipleChoiceFilter(
        label=_("Strategy"),
        choices=[*Strategy.choices, (NONE, pgettext_lazy("strategy", "None yet"))],
        method="with_strategies",
    )
    mine = TypedChoiceFilter(label=_("Mine"), choices=YES, method="only_mine")
    late = TypedChoiceFilter(
        label=_("Late"),
        choices=[
            ("any", _("A mitigation or the review")),
            ("mitigation", _("A mitigation")),
            ("review", _("The review")),
        ],
        method="is_late",
    )
    unassessed = TypedChoiceFilter(label=_("Not assessed"), choices=YES, method="only_unassessed")
    ending = TypedChoiceFilter(label=_("Acceptance ends soon"), choices=YES, method="is_ending")
    moved = TypedChoiceFilter(label=_("Last 30 days"), choices=Moved.choices, method="has_moved")
    kind = TypedChoiceFilter(label=_("Position"), choices=Kind.choices, method="of_kind")
    probability = TypedChoiceFilter(label=_("Probability"), choices=STEPS, method="at_step")
    impact = TypedChoiceFilter(label=_("Impact"), choices=STEPS, method="at_step")

    def __init__(
        self,
        data: QueryDict,
        queryset: RiskQuerySet,
        *,
        user: User,
        registers: Sequence[Register],
        options: Options,
        today: date,
        until: datetime | None = None,
    ) -> None:
        """`queryset` holds risks of `registers` only; `options` what can be chosen in their team.

        For a past day `today` is that day, `until` the moment just after it, and `queryset` of versions.
        """
        self.registers, self.options, self.today, self.until = registers, options, today, until
        super().__init__(
            data,
            queryset,
            user=user,
            category=[(parent.key, parent.name) for parent, children in options.tree],
            subcategory=[
                (subcategory_key(parent, child), f"{parent.name} › {child.name}")
                for parent, children in options.tree
                for child in children
            ],
            owner=[
                (ME, _("Me")),
                (NOBODY, _("Nobody")),
                *(
                    (str(pk), str(person))
                    for pk, person in options.people_with(data.getlist("owner")).items()
                    if pk != user.pk
                ),
            ],
        )

    def menu(self, name: str) -> Menu:
        """As ever, but that below each category stand its subcategories."""
        menu = super().menu(name)
        if name != "category":
            return menu
        given, options = set(self.data.getlist("subcategory")), []
        for category, (parent, children) in zip(menu.options, self.options.tree, strict=True):
            options.append(category)
            for child in children:
                key = subcategory_key(parent, child)
                options.append(Option("subcategory", key, child.name, key in given, child=True))
        return replace(menu, options=options)

    def search(self, risks: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        return search_versions(risks, value) if self.until else search_risks(risks, value)

    def in_states(self, risks: RiskQuerySet, name: str, values: list[str]) -> RiskQuerySet:
        states = {state for state in values if state != ACTIVE}
        if ACTIVE not in values:
            return risks.filter(state__in=states)
        if states <= set(ACTIVE_STATES):
            return risks.active()
        return risks.filter(state__in=states | set(ACTIVE_STATES))

    def at_levels(self, risks: RiskQuerySet, name: str, values: list[str]) -> RiskQuerySet:
        """By the rank, which every index of positions begins with, instead of the level."""
        column = f"{self._kind}_rank"
        wanted = Q()
        for first, last in _runs(sorted(int(value) for value in values)):
            if first == last == 0:
                wanted |= Q(**{column: 0})
            else:
                wanted |= Q(**{f"{column}__gte": first * 1000, f"{column}__lt": (last + 1) * 1000})
        return risks.filter(wanted)

    def in_categories(self, risks: RiskQuerySet, name: str, values: list[str]) -> RiskQuerySet:
        return risks.filter(category__in=[p.pk for p, children in self.options.tree if p.key in values])

    def in_subcategories(self, risks: RiskQuerySet, name: str, values: list[str]) -> RiskQuerySet:
        chosen = [
            child.pk
            for parent, children in self.options.tree
            for child in children
            if subcategory_key(parent, child) in values
        ]
        return risks.filter(subcategory__in=chosen)

    def owned_by(self, risks: RiskQuerySet, name: str, values: list[str]) -> RiskQuerySet:
        owners = [self.user.pk if value == ME else int(value) for value in values if value != NOBODY]
        nobody = Q(owner=None) if NOBODY in values else Q()
        return risks.filter(Q(owner__in=owners) | nobody if owners else nobody)

    def with_strategies(self, risks: RiskQuerySet, name: str, values: list[str]) -> RiskQuerySet:
        return risks.filter(strategy__in=["" if value == NONE else value for value in values])

    def only_mine(self, risks: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        return risks.owned_by(self.user)

    def is_late(self, risks: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        if value == "review":
            return risks.review_due(self.today)
        if self.until:
            mitigations = mitigations_at(self.until, risk__in=self.queryset.values("id"))
        else:
            mitigations = Mitigation.objects.filter(register__in=[each.pk for each in self.registers])
        late = Q(id__in=mitigations.late(self.today).values("risk"))
        if value == "mitigation":
            return risks.filter(late)
        # Two sets of keys: SQLite reads each off an index, which it would not with conditions joined by OR.
        return risks.filter(late | Q(id__in=self.queryset.review_due(self.today).values("id")))

    def only_unassessed(self, risks: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        return risks.unassessed()

    def is_ending(self, risks: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        """Those whose owner or approver the user is."""
        ending = Acceptance.objects.running(self.until).filter(until_date__lte=self.today + ENDING_SOON)
        ids = ending.order_by().values("risk")
        approved = Q(id__in=ids.filter(approver=self.user))
        return risks.filter(approved | Q(id__in=ids, owner=self.user))

    def has_moved(self, risks: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        return moved_risks(risks, self.registers, value, window_start(self.today), self.until)

    def of_kind(self, risks: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        """Says which of the three positions level, probability and impact mean; narrows nothing itself."""
        return risks

    def at_step(self, risks: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        return risks.filter(**{f"{self._kind}_{name}": int(value)})

    @property
    def _kind(self) -> str:
        return str(self.form.cleaned_data.get("kind") or Kind.RESIDUAL.value)


def subcategory_key(parent: Category, child: Category) -> str:
    """A subcategory in an address: `technical-data`."""
    return f"{parent.key}-{child.key}"


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Neighbouring numbers as ranges, 0 for itself: 0, 2, 3 → (0, 0), (2, 3)."""
    runs = []
    unique = sorted(set(numbers))
    for _key, run in groupby(enumerate(unique), lambda pair: (pair[1] == 0, pair[1] - pair[0])):
        members = [number for _index, number in run]
        runs.append((members[0], members[-1]))
    return runs


PENDING = "pending"


class MitigationFilter(ListFilter):
    """Filters of the list and the board of mitigations."""

    q = CharFilter(label=_("Search"), max_length=200, method="search")
    kind = MultipleChoiceFilter(label=_("Kind"), choices=MitigationKind.choices, method="of_kinds")
    state = MultipleChoiceFilter(
        label=_("State"),
        choices=[(PENDING, pgettext_lazy("mitigations", "Not finished")), *MitigationState.choices],
        method="in_states",
    )
    owner = MultipleChoiceFilter(label=_("Owner"), method="owned_by")
    late = TypedChoiceFilter(label=_("Late"), choices=YES, method="only_late")

    def __init__(
        self,
        data: QueryDict,
        queryset: MitigationQuerySet,
        *,
        user: User,
        people: Sequence[User],
        today: date,
    ) -> None:
        self.today = today
        asked = data.getlist("owner")
        others = [
            (str(person.pk), str(person))
            for person in people
            if person != user and (not person.has_left or str(person.pk) in asked)
        ]
        super().__init__(data, queryset, user=user, owner=[(ME, _("Me")), (NOBODY, _("Nobody")), *others])

    def search(self, found: MitigationQuerySet, name: str, value: str) -> MitigationQuerySet:
        for word in value.split():
            found = found.filter(Q(title_en__icontains=word) | Q(title_zh__icontains=word))
        return found

    def of_kinds(self, found: MitigationQuerySet, name: str, values: list[str]) -> MitigationQuerySet:
        return found.filter(kind__in=values)

    def in_states(self, found: MitigationQuerySet, name: str, values: list[str]) -> MitigationQuerySet:
        states = {state for state in values if state != PENDING}
        if PENDING not in values:
            return found.filter(state__in=states)
        if states <= set(PENDING_MITIGATION_STATES):
            return found.pending()
        return found.filter(state__in=states | set(PENDING_MITIGATION_STATES))

    def owned_by(self, found: MitigationQuerySet, name: str, values: list[str]) -> MitigationQuerySet:
        owners = [self.user.pk if value == ME else int(value) for value in values if value != NOBODY]
        nobody = Q(owner=None) if NOBODY in values else Q()
        return found.filter(Q(owner__in=owners) | nobody if owners else nobody)

    def only_late(self, found: MitigationQuerySet, name: str, value: str) -> MitigationQuerySet:
        return found.late(self.today)
