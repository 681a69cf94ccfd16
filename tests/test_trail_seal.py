"""The chain over the trail: sealed in batches, verified, and broken on purpose in every way."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from risks.enums import Origin, Verb
from risks.models import AuditEvent, Seal, SealedLine, Team
from risks.rules import Actor
from risks.services import seal
from risks.services.audit import build_event, record
from risks.services.schedule import SCHEDULES
from risks.services.seal import canonical, digest_of, is_unsealed, newest_seal, seal_events, verify_chain
from tests.threads import at_once
from tests.trail_guard import without_triggers

HOUR = timedelta(hours=1)


@pytest.fixture
def team(db):
    """A team whose chain has three seals of 3, 2 and 1 lines; the installation's own lines are sealed too."""
    team = Team.objects.create(slug="acme", name_en="Acme")
    for count in (3, 2, 1):
        write(team, count)
        seal_events(later())
    return team


def write(team, count=1, **values):
    by = Actor.system(team.pk if team else None, Origin.COMMAND)
    made = [build_event(Verb.CHANGED, team or Team(), by=by, label="Line", changes={"name_en": ["a", "b"]})
            for _number in range(count)]  # fmt: skip
    for event in made:
        for name, value in values.items():
            setattr(event, name, value)
        event.save()
    return made


def later(**delta):
    return timezone.now() + timedelta(**(delta or {"minutes": 5}))


def lines_of(team):
    return list(SealedLine.objects.filter(seal__team=team).order_by("seal__number", "position"))


def change(model, pk, **values):
    """What somebody could do who has the database: the triggers are theirs to drop."""
    with without_triggers():
        QuerySet(model).filter(pk=pk).update(**values)


def remove(model, **which):
    with without_triggers():
        QuerySet(model).filter(**which)._raw_delete("default")


# --- sealing


def test_seals_chain_every_line_of_a_team(team):
    seals = list(Seal.objects.filter(team=team).order_by("number"))
    lines = lines_of(team)

    assert [(each.number, each.lines) for each in seals] == [(1, 3), (2, 2), (3, 1)]
    assert [each.previous_digest for each in seals] == ["", seals[0].digest, seals[1].digest]
    assert [line.digest for line in lines if line.position == line.seal.lines] == [s.digest for s in seals]
    digest = ""
    for line in lines:
        digest = digest_of(digest, line.event)
        assert line.digest == digest
    assert newest_seal(team) == seals[-1]


def test_line_of_the_last_minute_waits(team):
    write(team)

    assert (seal_events(timezone.now()), is_unsealed(timezone.now())) == (0, False)
    assert is_unsealed(later()) is True
    assert seal_events(later()) == 1
    assert seal_events(later()) == 0


def test_line_whose_transaction_ended_late_is_sealed_after_newer_ones(team):
    late = AuditEvent.objects.create(
        pk=AuditEvent.objects.order_by("pk").first().pk - 1, team=team, verb=Verb.CHANGED,
        object_type="team", object_label="Late", happened_at=timezone.now(),
    )  # fmt: skip

    assert seal_events(later()) == 1
    assert lines_of(team)[-1].event == late
    assert verify_chain(team).broken is None


def test_lines_without_a_team_have_a_chain_of_their_own(team):
    write(None, 2)
    seal_events(later())

    assert newest_seal(None).number >= 1
    assert (verify_chain(None).broken, verify_chain(team).lines) == (None, 6)


def test_sealing_in_many_batches_is_one_chain(team, monkeypatch):
    monkeypatch.setattr(seal, "BATCH", 4)
    write(team, 10)

    assert seal_events(later()) == 10
    assert [each.lines for each in Seal.objects.filter(team=team).order_by("number")][3:] == [4, 4, 2]
    assert verify_chain(team).broken is None


def test_sealing_costs_the_same_queries_for_any_number_of_lines(team, count_queries):
    write(team, 2)
    few = count_queries(lambda: seal_events(later()))
    write(team, 40)

    assert count_queries(lambda: seal_events(later())) == few


def test_schedule_seals_every_few_minutes(team):
    [found] = [each for each in SCHEDULES if each.name == "seals"]
    write(team)

    assert found.wanted(later()) is True
    assert found.task.func is seal.seal_trail.func
    assert (later() - found.last_due(later())) <= timedelta(minutes=5)


def test_canonical_form_is_the_same_however_the_line_was_read(team):
    [event] = write(team, changes={"b": [1.0, None], "a": ["é中", {"z": 1, "y": 2.5}]})
    text = canonical(AuditEvent.objects.get(pk=event.pk)).decode()

    assert '"changes":{"a":["é中",{"y":2.5,"z":1}],"b":[1,null]}' in text
    assert re.search(r'"happened_at":"[\d-]{10}T[\d:]{8}\.\d{6}\+00:00"', text)
    assert "undoes" not in text


def test_two_sealers_at_once_make_one_chain(own_connections, monkeypatch):
    monkeypatch.setattr(seal, "BATCH", 10)
    team = Team.objects.create(slug="acme", name_en="Acme")
    write(team, 30)
    write(None, 30)

    counts = []

    assert at_once(*[lambda: counts.append(seal_events(later()))] * 3) == [None] * 3
    assert sum(counts) == AuditEvent.objects.count()
    for each in (team, None):
        assert verify_chain(each).broken is None
        assert len(lines_of(each)) == AuditEvent.objects.filter(team=each).count()


# --- broken on purpose


def test_chain_that_nobody_touched_holds(team):
    chain = verify_chain(team)

    assert (chain.lines, chain.broken, chain.digest) == (6, None, newest_seal(team).digest)


@pytest.mark.parametrize(
    "values",
    [
        {"reason": "Because"},
        {"changes": {"name_en": ["a", "c"]}},
        {"actor": None, "object_label": "Other"},
        {"happened_at": timezone.now() - HOUR},
    ],
    ids=lambda values: next(iter(values)),
)
def test_line_that_was_changed_is_named(team, values):
    line = lines_of(team)[3]
    change(AuditEvent, line.event_id, **values)
    broken = verify_chain(team).broken

    assert (broken.problem, broken.event_id, broken.seal) == ("The line was changed.", line.event_id, 2)
    assert broken.happened_at == AuditEvent.objects.get(pk=line.event_id).happened_at


def test_line_given_to_another_team_is_named(team):
    other = Team.objects.create(slug="other", name_en="Other")
    line = lines_of(team)[0]
    change(AuditEvent, line.event_id, team=other)

    assert verify_chain(team).broken.event_id == line.event_id


def test_line_that_was_removed_is_named(team):
    line = lines_of(team)[1]
    remove(AuditEvent, pk=line.event_id)
    chain = verify_chain(team)

    assert (chain.broken.problem, chain.broken.event_id) == ("The line is missing.", line.event_id)
    assert chain.lines == 1


def test_line_that_was_removed_with_its_seal_s_line_is_noticed(team):
    line = lines_of(team)[1]
    remove(SealedLine, pk=line.event_id)
    remove(AuditEvent, pk=line.event_id)

    assert verify_chain(team).broken.problem == "A sealed line was taken out of the seal."


def test_last_line_that_was_removed_with_its_seal_s_line_is_noticed(team):
    line = lines_of(team)[2]
    remove(SealedLine, pk=line.event_id)
    remove(AuditEvent, pk=line.event_id)
    broken = verify_chain(team).broken

    assert (broken.problem, broken.seal) == ("The seal was changed, or lines were taken out of it.", 1)


def test_line_that_was_put_in_between_is_named(team):
    long_ago = timezone.now() - 5 * HOUR
    [event] = write(team, recorded_at=long_ago, happened_at=long_ago)

    assert seal_events(later()) == 0
    broken = verify_chain(team).broken
    assert (broken.problem, broken.event_id) == ("The line is in no seal though it is old.", event.pk)


def test_lines_that_only_wait_are_no_break(team):
    write(team)

    assert verify_chain(team).broken is None


def test_seal_that_was_changed_is_noticed(team):
    change(Seal, Seal.objects.get(team=team, number=2).pk, digest="0" * 64)

    assert verify_chain(team).broken.seal == 2


def test_chain_that_was_cut_is_noticed(team):
    change(Seal, Seal.objects.get(team=team, number=2).pk, previous_digest="0" * 64)
    broken = verify_chain(team).broken

    assert broken.problem == "Seal 2 does not follow from the one before it."


def test_seal_that_was_removed_is_noticed(team):
    found = Seal.objects.get(team=team, number=2)
    remove(SealedLine, seal=found)
    remove(Seal, pk=found.pk)

    assert verify_chain(team).broken.problem == "Seal 2 is missing."


def test_trail_written_anew_holds_but_not_against_an_anchor(team):
    anchor = newest_seal(team).digest
    line = lines_of(team)[1]
    remove(SealedLine, seal__team=team)
    remove(Seal, team=team)
    remove(AuditEvent, pk=line.event_id)
    seal_events(later())

    assert (verify_chain(team).broken, verify_chain(team).lines) == (None, 5)
    assert verify_chain(team, anchor=anchor).has_anchor is False


# --- the command


def verify(*arguments):
    out = StringIO()
    call_command("verify_trail", *arguments, stdout=out)
    return out.getvalue()


def test_command_prints_the_digest_of_each_team(team):
    Team.objects.create(slug="other", name_en="Other")
    out = verify()

    assert f"acme: 6 lines hold, sealed {newest_seal(team).sealed_at:%Y-%m-%d %H:%M:%S}" in out
    assert f"digest {newest_seal(team).digest}\n" in out
    assert "other: 0 lines hold, sealed never, digest -" in out
    assert out.startswith("installation: ")


def test_command_seals_first_if_asked(team):
    write(team, recorded_at=timezone.now() - HOUR)

    assert verify("--team", "acme", "--seal-now").splitlines()[0] == "1 lines sealed"


def test_command_finds_its_anchor(team):
    anchor = lines_of(team)[2].digest

    assert "6 lines hold" in verify("--team", "acme", "--anchor", anchor)
    with pytest.raises(CommandError, match="The anchor is in no chain"):
        verify("--team", "acme", "--anchor", "0" * 64)


def test_command_names_the_first_broken_line_and_fails(team):
    line = lines_of(team)[3]
    change(AuditEvent, line.event_id, reason="Because")
    out = StringIO()
    with pytest.raises(CommandError, match="The trail does not hold"):
        call_command("verify_trail", "--team", "acme", stdout=out)

    assert f"acme: BROKEN: The line was changed. (line {line.event_id}, of " in out.getvalue()
    assert "seal 2; 3 lines before it hold)" in out.getvalue()


def test_command_with_an_unknown_team_says_so(db):
    with pytest.raises(CommandError, match="There is no team “nobody”"):
        verify("--team", "nobody")


# --- the database refuses


@pytest.mark.parametrize("model", [AuditEvent, Seal, SealedLine])
@pytest.mark.parametrize("act", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"])
def test_database_refuses_to_change_or_remove(team, model, act):
    statement = act.format(table=model._meta.db_table, column=model._meta.pk.column)
    count = model.objects.count()
    with pytest.raises(Error, match="never changed or removed"), transaction.atomic():
        connection.cursor().execute(statement)

    assert model.objects.count() == count > 0


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite knows REPLACE")
@pytest.mark.parametrize("model", [AuditEvent, Seal, SealedLine])
def test_database_refuses_to_replace(team, model):
    table = model._meta.db_table
    with pytest.raises(Error, match="never changed or removed"), transaction.atomic():
        connection.cursor().execute(f"REPLACE INTO {table} SELECT * FROM {table}")  # noqa: S608


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")
@pytest.mark.parametrize("model", [AuditEvent, Seal, SealedLine])
def test_database_refuses_to_truncate(team, model):
    connection.check_constraints()  # or it is refused for those that are still to be checked
    with pytest.raises(Error, match="never changed or removed"), transaction.atomic():
        connection.cursor().execute(f"TRUNCATE {model._meta.db_table} CASCADE")


@pytest.mark.parametrize("model", [AuditEvent, Seal, SealedLine])
def test_models_refuse_to_change_or_remove(team, model):
    row = model.objects.first()

    for attempt in (row.save, row.delete, model.objects.all().delete, lambda: model.objects.update(pk=1)):
        with pytest.raises(TypeError):
            attempt()


def test_act_that_fails_leaves_no_line(team):
    before = AuditEvent.objects.count()

    def act():
        with transaction.atomic():
            record(Verb.CHANGED, team, by=Actor.system(team.pk))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        act()

    assert AuditEvent.objects.count() == before
