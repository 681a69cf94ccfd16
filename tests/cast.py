"""The people of the tests: one of each role in the team `acme`, and somebody of another team."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.test import Client

from risks.enums import Role
from risks.models import Matrix, Membership, Register, Risk, Team, User
from risks.rules import Actor
from risks.services.risk import create_risk
from risks.services.team import create_register, create_team
from tests.rows import create

PASSWORD = "correct horse battery"


@dataclass
class Cast:
    """`owner` is a contributor whom tests make owner of risks; `outsider` administers the team `other`."""

    team: Team
    reader: User
    contributor: User
    owner: User
    manager: User
    administrator: User

    other_team: Team
    outsider: User
    other_register: Register
    other_risk: Risk

    _clients: dict[int, Client] = field(default_factory=dict)

    def actor(self, user: User) -> Actor:
        """The person as the rules see them, in the one team they belong to."""
        return Actor.of(user.memberships.get())

    def client_for(self, user: User) -> Client:
        """A test client signed in as the person; the same one each time."""
        if user.pk not in self._clients:
            client = self._clients[user.pk] = Client()
            client.force_login(user)
        return self._clients[user.pk]

    @property
    def members(self) -> dict[str, User]:
        names = ("reader", "contributor", "owner", "manager", "administrator")
        return {name: getattr(self, name) for name in names}


def assemble_cast(matrix: Matrix) -> Cast:
    """Write both teams to the database, the other one with a register `OTHER` and its risk `OTHER-1`."""
    administrator, outsider = _user("administrator"), _user("outsider")
    team = create_team({"slug": "acme", "name_en": "Demo team"}, administrator=administrator).team
    other = create_team({"slug": "other", "name_en": "Other team"}, administrator=outsider)
    by = Actor.of(other)
    values = {"key": "OTHER", "name_en": "Other register", "matrix": matrix}
    other_register = create_register(other.team, values, by=by)
    return Cast(
        team=team,
        reader=_member(team, "reader", Role.READER),
        contributor=_member(team, "contributor", Role.CONTRIBUTOR),
        owner=_member(team, "owner", Role.CONTRIBUTOR),
        manager=_member(team, "manager", Role.MANAGER),
        administrator=administrator,
        other_team=other.team,
        outsider=outsider,
        other_register=other_register,
        other_risk=create_risk(other_register, {"title_en": "A risk of the other team"}, by=by),
    )


def _user(name: str) -> User:
    return User.objects.create_user(f"{name}@acme.example", PASSWORD, name=name.capitalize())


def _member(team: Team, name: str, role: Role) -> User:
    user = _user(name)
    create(Membership, team=team, user=user, role=role)
    return user
