"""The clock, the queue behind it, and what the calendar tells people."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from risks.enums import MitigationState, NoticeKind
from risks.models import Acceptance, Mail, Notice, Risk, ScheduledRun, User, Worker
from risks.services import jobs
from risks.services.housekeeping import keep_house, remind_of_due, tidy_up
from risks.services.mailer import mail_due
from risks.services.notice import notify
from risks.services.reminder import remind
from risks.services.schedule import SCHEDULES, Schedule, tick
from tests.rows import change
from tests.threads import at_once

DAILY = Schedule("daily", "10 5 * * *", mail_due)
TODAY = date(2026, 11, 23)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- the clock


@pytest.mark.parametrize(
    ("zone", "at", "due"),
    [
        ("UTC", "2026-11-23 05:09:59", "2026-11-22 05:10"),
        ("UTC", "2026-11-23 05:10:00", "2026-11-23 05:10"),
        ("Asia/Shanghai", "2026-11-23 05:09", "2026-11-22 21:10"),
        ("Europe/Berlin", "2026-03-29 12:00", "2026-03-29 03:10"),
        ("Europe/Berlin", "2026-03-28 12:00", "2026-03-28 04:10"),
    ],
)
def test_last_due_is_of_the_installations_time_zone(settings, zone, at, due):
    settings.TIME_ZONE = zone
    assert DAILY.last_due(moment(at)) == moment(due)


def test_tick_hands_over_once_for_each_time_due(db):
    at = moment("2026-11-23 05:10")
    later = at + timedelta(hours=20)
    assert [tick(each, [DAILY]) for each in (at, at, later)] == [["daily"], [], []]
    assert tick(at + timedelta(days=1), [DAILY]) == ["daily"]
    assert DBTaskResult.objects.count() == 2


def test_tick_after_a_week_without_a_worker_makes_up_for_the_last_time_only(db):
    tick(moment("2026-11-16 06:00"), [DAILY])
    tick(moment("2026-11-23 06:00"), [DAILY])
    assert list(ScheduledRun.objects.values_list("due_at", flat=True)) == [
        moment("2026-11-23 05:10"),
        moment("2026-11-16 05:10"),
    ]


def test_tick_that_fails_to_queue_leaves_no_row(db):
    class Broken:
        @staticmethod
        def enqueue():
            raise RuntimeError("full disk")

    with pytest.raises(RuntimeError):
        tick(moment("2026-11-23 06:00"), [Schedule("daily", "10 5 * * *", Broken)])
    assert ScheduledRun.objects.count() == 0


def test_tick_of_the_mail_waits_for_something_to_send(cast, make_risk):
    at = timezone.now()
    mail = [schedule for schedule in SCHEDULES if schedule.name == "mail"]
    assert tick(at, mail) == []
    notify(NoticeKind.MENTION, [cast.owner], by=cast.actor(cast.manager), risk=make_risk(), at=at)
    assert tick(at, mail) == ["mail"]


def test_schedules_have_names_of_their_own_and_can_be_queued(db):
    assert len({schedule.name for schedule in SCHEDULES}) == len(SCHEDULES)
    for schedule in SCHEDULES:
        schedule.task.enqueue()
        assert schedule.last_due(timezone.now()) <= timezone.now()


def test_three_clocks_at_once_hand_over_once(own_connections):
    at = moment("2026-11-23 06:00")
    assert at_once(*[lambda: tick(at, [DAILY])] * 3) == [None] * 3
    assert (ScheduledRun.objects.count(), DBTaskResult.objects.count()) == (1, 1)


# --- jobs of workers that have died


@pytest.fixture
def running(db):
    """`running("a", "b")`: a job that worker b is doing, after a."""

    def make(*workers: str) -> DBTaskResult:
        job = DBTaskResult.objects.get(pk=mail_due.enqueue().id)
        for worker in workers:
            job.claim(worker)
        return job

    return make


def test_job_of_a_living_worker_is_left_alone(running):
    jobs.beat("a")
    job = running("a")
    assert jobs.take_back_jobs(timezone.now()) == 0
    job.refresh_from_db()
    assert job.status == TaskResultStatus.RUNNING


@pytest.mark.parametrize("known", [True, False])
def test_job_of_a_silent_worker_goes_back_into_the_queue(running, known):
    job = running("a")
    if known:
        jobs.beat("a")
    assert jobs.take_back_jobs(timezone.now() + jobs.SILENT) == 1
    job.refresh_from_db()
    assert (job.status, job.started_at) == (TaskResultStatus.READY, None)
    assert Worker.objects.count() == 0


def test_job_that_outlives_no_worker_is_given_up_with_a_reason(running):
    job = running("a", "b", "c")
    assert jobs.take_back_jobs(timezone.now()) == 1
    job.refresh_from_db()
    assert job.status == TaskResultStatus.FAILED
    assert job.traceback == "The worker that did this job died; so did 2 before it, and it is given up."
    assert jobs.take_back_jobs(timezone.now()) == 0


def test_worker_that_departs_gives_its_job_back_at_once(running):
    jobs.beat("a")
    running("a")
    jobs.depart("a")
    assert (Worker.objects.count(), jobs.is_job_ready()) == (0, True)


def test_two_that_take_back_at_once_do_it_once(own_connections, running):
    running("a")
    counts = []
    ends = at_once(*[lambda: counts.append(jobs.take_back_jobs(timezone.now()))] * 3)
    assert (ends, sorted(counts)) == ([None] * 3, [0, 0, 1])


def test_old_jobs_are_deleted_and_failed_ones_kept_for_longer(running):
    now = timezone.now()
    for status, days in [("SUCCESSFUL", 8), ("SUCCESSFUL", 6), ("FAILED", 8), ("FAILED", 61)]:
        job = running("a")
        DBTaskResult.objects.filter(pk=job.pk).update(status=status, finished_at=now - timedelta(days=days))
    assert jobs.delete_old_jobs(now) == 2
    assert DBTaskResult.objects.count() == 2


def test_worker_once_does_what_is_due_and_takes_its_row_away(own_connections, cast, make_risk, mailoutbox):
    notify(NoticeKind.MENTION, [cast.owner], by=cast.actor(cast.manager), risk=make_risk())
    call_command("worker", "--once", stdout=io.StringIO())
    assert [message.to for message in mailoutbox] == [[cast.owner.email]]
    assert {job.status for job in DBTaskResult.objects.all()} == {"SUCCESSFUL"}
    assert set(ScheduledRun.objects.values_list("name", flat=True)) >= {"housekeeping", "reminders"}
    assert Worker.objects.count() == 0


# --- what the calendar tells


@pytest.fixture(autouse=True)
def today():
    with time_machine.travel("2026-11-23 05:10Z", tick=False):
        yield


def told() -> list[tuple[str, str, str]]:
    rows = Notice.objects.filter(kind=NoticeKind.DUE).order_by("pk")
    return [(each.user.name, each.details["what"], each.details.get("date", "")) for each in rows]


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [(0, 1), (-1, 1), (-30, 1), (-31, 0), (1, 0)],
)
def test_review_that_is_due_is_told_to_the_owner(cast, make_risk, ahead, expected):
    day = TODAY + timedelta(days=ahead)
    make_risk(owner=cast.owner, next_review_date=day)
    assert remind(TODAY) == expected
    assert told() == [("Owner", "review", day.isoformat())] * expected


def test_reminder_comes_once_for_each_date(cast, make_risk):
    risk = make_risk(owner=cast.owner, next_review_date=TODAY)
    assert [remind(TODAY), remind(TODAY), remind(TODAY + timedelta(days=1))] == [1, 0, 0]
    change(Risk.objects.filter(pk=risk.pk), next_review_date=TODAY + timedelta(days=5))
    assert remind(TODAY + timedelta(days=5)) == 1


def test_reminder_does_not_come_again_after_it_was_deleted(cast, make_risk):
    make_risk(owner=cast.owner, next_review_date=TODAY)
    remind(TODAY)
    Notice.objects.all().delete()
    assert remind(TODAY + timedelta(days=180)) == 0


@pytest.mark.parametrize("state", ["draft", "closed"])
def test_review_of_a_risk_that_does_not_count_is_not_told(cast, make_risk, state):
    risk = make_risk(owner=cast.owner, state=state)
    change(Risk.objects.filter(pk=risk.pk), next_review_date=TODAY)
    assert remind(TODAY) == 0


def test_review_in_an_archived_register_is_not_told(cast, register, make_risk):
    make_risk(owner=cast.owner, next_review_date=TODAY)
    change(type(register).objects.filter(pk=register.pk), archived_at=timezone.now())
    assert remind(TODAY) == 0


def test_owner_who_has_left_or_is_switched_off_is_not_told(cast, make_risk):
    make_risk(owner=cast.owner, next_review_date=TODAY)
    change(cast.owner.memberships.all(), is_active=False)
    make_risk(owner=cast.reader, next_review_date=TODAY)
    User.objects.filter(pk=cast.reader.pk).update(is_active=False)
    assert remind(TODAY) == 0


def test_late_mitigation_is_told_to_its_owner_else_to_the_risks(cast, make_risk, make_mitigation):
    risk = make_risk(owner=cast.owner, next_review_date=TODAY + timedelta(days=9))
    yesterday = TODAY - timedelta(days=1)
    make_mitigation(risk, owner=cast.contributor, due_date=yesterday)
    make_mitigation(risk, due_date=yesterday)
    make_mitigation(risk, owner=cast.contributor, due_date=TODAY)
    make_mitigation(risk, owner=cast.contributor, due_date=yesterday, state=MitigationState.DONE)
    assert remind(TODAY) == 2
    assert told() == [("Contributor", "mitigation", "2026-11-22"), ("Owner", "mitigation", "2026-11-22")]


def test_acceptance_that_ends_is_told_two_weeks_and_three_days_before(cast, make_risk):
    risk = make_risk(owner=cast.owner, state="accepted", next_review_date=TODAY + timedelta(days=99))
    end = Acceptance.objects.get(risk=risk).until_date
    counts = {left: remind(end - timedelta(days=left)) for left in (15, 14, 13, 4, 3, 2, 0)}
    assert counts == {15: 0, 14: 2, 13: 0, 4: 0, 3: 2, 2: 0, 0: 0}
    assert set(told()) == {(name, "acceptance", end.isoformat()) for name in ("Owner", "Manager")}


def test_acceptance_that_has_ended_is_told_to_the_owner_with_the_reopening(cast, make_risk):
    risk = make_risk(owner=cast.owner, state="accepted")
    Acceptance.objects.filter(risk=risk).update(until_date=TODAY - timedelta(days=1))
    assert tidy_up(timezone.now())["acceptances"] == 1
    assert told() == [("Owner", "ended", "")]
    assert tidy_up(timezone.now())["acceptances"] == 0
    assert len(told()) == 1


def test_jobs_of_the_night_can_be_done_twice(cast, make_risk):
    make_risk(owner=cast.owner, next_review_date=TODAY)
    assert [remind_of_due.call(), remind_of_due.call()] == [1, 0]
    first, second = keep_house.call(), keep_house.call()
    assert set(second.values()) == {0}
    assert set(first) == set(second)


def test_two_reminders_at_once_tell_once(own_connections, cast, make_risk):
    for _turn in range(5):
        make_risk(owner=cast.owner, next_review_date=TODAY)
    assert at_once(*[lambda: remind(TODAY)] * 2) == [None] * 2
    assert len(told()) == 5


def test_reminders_cost_the_same_queries_for_one_and_for_thirty(cast, make_risk, count_queries):
    make_risk(owner=cast.owner, next_review_date=TODAY)
    one = count_queries(lambda: remind(TODAY))
    for _turn in range(29):
        make_risk(owner=cast.owner, next_review_date=TODAY)
    assert count_queries(lambda: remind(TODAY)) == one


def test_old_mails_are_deleted_and_their_notices_not_mailed_again(cast, make_risk, mailoutbox):
    notify(NoticeKind.MENTION, [cast.owner], by=cast.actor(cast.manager), risk=make_risk())
    mail_due.call()
    with time_machine.travel("2026-12-24 05:10Z", tick=False):
        assert tidy_up(timezone.now())["mails"] == 1
        mail_due.call()
    assert (len(mailoutbox), Mail.objects.count(), Notice.objects.count()) == (1, 0, 1)
