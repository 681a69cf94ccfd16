"""Teams, their first account, registers, and what people keep for themselves."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, count
from secrets import compare_digest
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import Role, Verb
from risks.exceptions import Invalid, NotAllowed
from risks.models import Assessment, Membership, Register, SavedView, Team, User
from risks.rules import Actor
from risks.services.audit import changes_between, record, values_of
from risks.services.history import save_tracked
from risks.services.merge import hold
from risks.services.register_life import check_key_is_new

REGISTER_FIELDS = (
    "name_en", "name_zh", "description_en", "description_zh", "matrix", "budget_amount", "currency",
)  # fmt: skip


def is_empty_installation() -> bool:
    """Nobody has an account yet: the first visitor may make the first one."""
    return not User.objects.exists()


@transaction.atomic
def set_up_installation(
    *, code: str, email: str, password: str, name: str, team: Mapping[str, Any], register: Mapping[str, Any]
) -> Membership:
    """Make the first account, team and register, if nobody has one and the console's code is right."""
    if not is_empty_installation():
        raise NotAllowed(_("This installation is set up already. Sign in."))
    if not settings.SETUP_CODE or not compare_digest(code.strip().encode(), settings.SETUP_CODE.encode()):
        raise Invalid(
            _("This is not the code that the console printed when the server started."), field="code"
        )
    user = User.objects.create_superuser(email, password, name=name)
    membership = create_team(team, administrator=user)
    create_register(membership.team, register, by=Actor.of(membership))
    return membership


@transaction.atomic
def create_team(values: Mapping[str, Any], *, administrator: User) -> Membership:
    """Make a team; without a slug it gets one made from its name."""
    team = Team(**values)
    team.slug = team.slug or _free_slug(team.name_en or team.name_zh)
    team.full_clean()
    team.save()
    membership = Membership(team=team, user=administrator, role=Role.ADMINISTRATOR)
    by = Actor.of(membership)
    save_tracked(membership, by=by)
    record(Verb.CREATED, team, by=by)
    changes = {"role": [None, membership.role]}
    record(Verb.JOINED, membership, by=by, subject=administrator, label="", changes=changes)
    return membership


def _free_slug(name: str) -> str:
    """What addresses can hold of the name, numbered if another team has it; a Chinese name gives `team`."""
    base = slugify(name)[:30].strip("-_") or "team"
    taken = set(Team.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    numbered = (f"{base}-{number}" for number in count(2))
    return next(slug for slug in chain([base], numbered) if slug not in taken)


@transaction.atomic
def create_register(team: Team, values: Mapping[str, Any], *, by: Actor) -> Register:
    register = Register(team=team, **values)
    rules.check_can_administer(by, register)
    check_key_is_new(team, register.key)
    register.full_clean()
    save_tracked(register, by=by)
    record(Verb.CREATED, register, by=by, register=register)
    return register


def update_register(register: Register, values: Mapping[str, Any], *, by: Actor) -> Register:
    """Change a register. Its matrix stays once something is scored on it: old scores keep their meaning."""
    unknown = set(values) - set(REGISTER_FIELDS)
    if unknown:
        raise TypeError(f"not editable: {sorted(unknown)}")
    with hold(register) as current:
        rules.check_can_edit_register(by, current)
        if "matrix" in values and values["matrix"] != current.matrix and has_assessments(current):
            raise Invalid(
                _("Risks of this register are scored on its matrix, so it cannot be exchanged."),
                field="matrix",
            )
        before = values_of(current, values)
        for name, value in values.items():
            setattr(current, name, value)
        current.full_clean()
        changes = changes_between(before, values_of(current, values))
        if changes:
            current.version += 1
            save_tracked(current, by=by)
            record(Verb.CHANGED, current, by=by, register=current, changes=changes)
    return current


def has_assessments(register: Register) -> bool:
    return Assessment.objects.filter(register=register).exists()


def save_view(team: Team, user: User, name: str, query: str) -> SavedView:
    """Keep a list's address under a name, for oneself; the same name replaces it."""
    view = SavedView(team=team, user=user, name=name.strip(), query=query)
    view.clean_fields()
    saved, _created = SavedView.objects.update_or_create(
        team=team, user=user, name=view.name, defaults={"query": view.query}
    )
    return saved


def delete_view(view: SavedView) -> None:
    view.delete()


def set_preferences(user: User, **values: str) -> None:
    """Language, theme and name of oneself."""
    for name, value in values.items():
        setattr(user, name, value)
    user.clean_fields()
    user.save(update_fields=list(values))
