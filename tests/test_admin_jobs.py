"""What the operators see of mails, jobs and workers."""

import pytest
from django.urls import reverse
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from risks.models import Mail, Worker
from risks.services.jobs import beat
from risks.services.mailer import mail_due
from tests.admin_site import staff_client, superuser_client, url_of

pytestmark = [pytest.mark.django_db, pytest.mark.ignore_template_errors]


@pytest.fixture
def failed(cast):
    return Mail.objects.create(
        user=cast.owner, due_at=timezone.now(), attempts=8, failed_at=timezone.now(),
        error="SMTPServerDisconnected: lost",
    )  # fmt: skip


@pytest.fixture
def job():
    job = DBTaskResult.objects.get(pk=mail_due.enqueue().id)
    job.claim("a")
    job.set_failed(ValueError("no such thing"))
    return job


@pytest.mark.parametrize(
    ("fate", "count"), [("failed", 1), ("waiting", 0), ("sent", 0), ("nonsense", 1), ("", 1)]
)
def test_mails_given_up_are_listed_with_the_reason(failed, fate, count):
    html = superuser_client().get(f"/admin/risks/mail/?fate={fate}").content.decode()

    assert html.count("SMTPServerDisconnected: lost") == count


def test_jobs_are_listed_with_their_last_error(job):
    page = reverse("admin:django_tasks_database_dbtaskresult_changelist")
    html = superuser_client().get(page).content.decode()

    assert html.count("ValueError: no such thing") == 1
    assert html.count("mail_due") == 1


def test_workers_are_listed():
    beat("a")

    html = superuser_client().get("/admin/risks/worker/").content.decode()

    assert Worker.objects.get().host in html


def test_rows_can_be_looked_at_but_not_changed(failed, job):
    admin = superuser_client()

    for row in (failed, job):
        assert admin.get(url_of(row)).status_code == 200
        assert admin.post(url_of(row), {}).status_code == 403
        assert admin.post(url_of(row).replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_staff_who_are_not_superusers_see_none_of_it(failed, job):
    client = staff_client()

    for row in (failed, job):
        assert client.get(url_of(row)).status_code == 403
