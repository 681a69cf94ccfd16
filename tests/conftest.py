"""What all tests share: the library, the cast, a register, and makers of risks and mitigations.

The library (taxonomy, matrices, templates) is in every test's database; nobody has to load it. Tests of pages
whose templates come from elsewhere (admin, allauth) carry the mark `ignore_template_errors`, because those
templates rely on variables that do not exist; ours may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import hypothesis
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models.signals import post_migrate
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone, translation

from risks.enums import Kind, MitigationKind, State
from risks.models import (
    Category,
    Matrix,
    MatrixCell,
    MatrixLevel,
    MatrixStep,
    Mitigation,
    Register,
    Risk,
    Template,
    TemplateIndicator,
    TemplateMitigation,
    TemplateReference,
    User,
)
from risks.models.translated import Text
from risks.queries import matrix as matrix_queries
from risks.rules import MOVES_BY_NAME
from risks.services.library import load_library
from risks.services.mitigation import add_mitigation
from risks.services.risk import create_risk, move_risk
from risks.services.team import create_register
from tests.cast import Cast, assemble_cast
from tests.threads import own_connections  # noqa: F401  # a fixture
from tests.trail_guard import Writes, tracked_models, without_triggers
from tests.world import world  # noqa: F401  # a fixture

hypothesis.settings.register_profile("suite", deadline=None)  # no test is timed
hypothesis.settings.load_profile("suite")

LIBRARY = (
    Category, Matrix, MatrixStep, MatrixLevel, MatrixCell,
    Template, TemplateMitigation, TemplateIndicator, TemplateReference,
    Category.history.model, Matrix.history.model, Template.history.model,
)  # fmt: skip


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Load the library once, and put its rows back whenever a transactional test has emptied the database.

    Such tests (and those with `live_server`) end with a flush, after which Django sends post_migrate.
    """
    with django_db_blocker.unblock():
        load_library()
        rows = {model: list(model._default_manager.order_by("pk")) for model in LIBRARY}

    def restore(**kwargs: Any) -> None:
        for model, instances in rows.items():
            stamps = [
                (field, stamp) for field in model._meta.fields for stamp in ("auto_now", "auto_now_add")
                if getattr(field, stamp, False)
            ]  # fmt: skip
            for field, stamp in stamps:  # the rows come back as they were, as their versions do
                setattr(field, stamp, False)
            model._default_manager.bulk_create(instances, ignore_conflicts=True)
            for field, stamp in stamps:
                setattr(field, stamp, True)

    empty = connection.ops.execute_sql_flush

    def empty_with_the_trail(statements: list[str]) -> None:
        with without_triggers():
            empty(statements)

    connection.ops.execute_sql_flush = empty_with_the_trail  # type: ignore[method-assign]
    post_migrate.connect(restore, sender=apps.get_app_config("risks"), weak=False)
    yield
    post_migrate.disconnect(restore, sender=apps.get_app_config("risks"))
    connection.ops.execute_sql_flush = empty  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _no_write_past_the_history(request: pytest.FixtureRequest, _django_db_marker: None) -> Iterator[None]:
    """A test fails if a tracked table does not agree with its history at its end, whatever wrote it.

    `@pytest.mark.past_history("why")` for those that write past it on purpose. Costs nothing where none of
    the tables was written. Other threads have connections of their own; what they wrote is looked at too.
    """
    marker, names = request.node.get_closest_marker("django_db"), set(request.fixturenames)
    transactional = bool({"transactional_db", "live_server"} & names) or (
        marker is not None and marker.kwargs.get("transaction", False)
    )
    if not (marker or transactional or "db" in names):
        yield
        return
    writes = Writes()
    request.getfixturevalue("_django_db_helper")  # so that this looks before the rows are rolled back
    with connection.execute_wrapper(writes):
        yield
    if request.node.get_closest_marker("past_history") or connection.needs_rollback:
        return
    if transactional:
        writes.tables.update(tracked_models())
    assert writes.past_history() == []


@pytest.fixture(scope="session", autouse=True)
def _settings_of_tests() -> Iterator[None]:
    """Fast, in memory, over plain http, and outside demonstration mode whatever the environment says."""
    with override_settings(
        DEMO=False,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        SESSION_COOKIE_SECURE=False,
        CSRF_COOKIE_SECURE=False,
        LANGUAGE_COOKIE_SECURE=False,
        STORAGES=settings.STORAGES
        | {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}},  # attachment
        WHITENOISE_AUTOREFRESH=True,  # looks a file up when asked, instead of listing all for each client
    ):
        yield


@pytest.fixture(autouse=True)
def _own_language_and_matrices() -> Iterator[None]:
    """End in English, and without cached matrices: after a rollback SQLite gives their ids out again."""
    held = matrix_queries._load.cache_info().currsize
    yield
    translation.activate("en")
    if matrix_queries._load.cache_info().currsize != held:
        matrix_queries._load.cache_clear()


@pytest.fixture
def matrix(db: None) -> Matrix:
    """The default matrix: 5×5 on a log scale, score 2–10; level 1 up to 4, 2 up to 6, 3 up to 8, 4 above."""
    return Matrix.objects.get(key="log-5x5")


@pytest.fixture
def cast(matrix: Matrix) -> Cast:
    return assemble_cast(matrix)


@pytest.fixture
def register(cast: Cast, matrix: Matrix) -> Register:
    """`VOICE` of the team `acme`; the process has its matrix in memory, as after the first request."""
    matrix_queries.load_matrix(matrix)
    values = {
        "key": "VOICE", "name_en": "Voice assistant", "name_zh": "语音助手", "matrix": matrix,
        "budget_amount": 10_000_000, "currency": "CNY",
    }  # fmt: skip
    return create_register(cast.team, values, by=cast.actor(cast.administrator))


@pytest.fixture
def make_risk(cast: Cast, register: Register) -> Callable[..., Risk]:
    """`make_risk(title_en="…", residual=(4, 3), state="closed", by=cast.contributor, at=…, owner=…)`.

    Open and logged by the manager unless told otherwise; every other keyword is a field of the risk.
    """

    def make(
        *,
        register: Register = register,
        by: User | None = None,
        state: State | str | None = None,
        inherent: tuple[int, int] | None = None,
        residual: tuple[int, int] | None = None,
        target: tuple[int, int] | None = None,
        at: Any = None,
        **values: Any,
    ) -> Risk:
        person = by or (cast.contributor if state == State.DRAFT else cast.manager)
        positions = {Kind.INHERENT: inherent, Kind.RESIDUAL: residual, Kind.TARGET: target}
        risk = create_risk(
            register,
            {"title_en": f"Risk {register.next_number}"} | values,
            by=cast.actor(person),
            positions={kind: position for kind, position in positions.items() if position},
            reason=Text("First look"),
            at=at,
        )
        return _bring_to(risk, State(state), cast, at) if state else risk

    return make


def _bring_to(risk: Risk, state: State, cast: Cast, at: Any) -> Risk:
    if risk.state == state:
        return risk
    name = {"open": "confirm", "treating": "treat", "accepted": "accept", "closed": "close"}[state]
    demands: dict[str, Any] = {"reason": Text("Decided in the meeting", "会议决定")}
    if state == State.ACCEPTED:
        demands |= {"approver": cast.manager, "until": timezone.localdate() + timedelta(days=90)}
    move_risk(risk, MOVES_BY_NAME[name], by=cast.actor(cast.manager), at=at, **demands)
    risk.refresh_from_db()
    return risk


@pytest.fixture
def make_mitigation(cast: Cast) -> Callable[..., Mitigation]:
    """`make_mitigation(risk, kind="contingency", trigger_en="…", due_date=…, state=…)`."""

    def make(risk: Risk, *, by: User | None = None, **values: Any) -> Mitigation:
        defaults = {"kind": MitigationKind.PREVENTION, "title_en": "Test with more speakers"}
        return add_mitigation(risk, defaults | values, by=cast.actor(by or cast.manager))

    return make


@pytest.fixture
def htmx_headers() -> Callable[[str], dict[str, str]]:
    """`client.get(url, headers=htmx_headers("risk-table"))` asks as htmx does for the element of this id."""
    return lambda target: {"HX-Request": "true", "HX-Target": target}


@pytest.fixture
def count_queries() -> Callable[[Callable[[], Any]], int]:
    """`count_queries(lambda: client.get(url))`: how many queries a call makes."""

    def count(call: Callable[[], Any]) -> int:
        with CaptureQueriesContext(connection) as queries:
            call()
        return len(queries)

    return count
