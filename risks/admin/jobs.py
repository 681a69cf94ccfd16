"""What the worker does and did, for those who run the installation: mails, jobs, workers; only to look at."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_tasks_db import admin as library_admin  # noqa: F401  # registers its model, or we could not
from django_tasks_db.models import DBTaskResult

from risks.admin.base import ReadOnlyAdmin
from risks.formatting import moment
from risks.models import Mail, Worker

admin.site.unregister(DBTaskResult)


class FateFilter(admin.SimpleListFilter):
    title, parameter_name = _("state"), "fate"
    fates: ClassVar[dict[str, dict[str, Any]]] = {
        "waiting": {"sent_at": None, "failed_at": None},
        "sent": {"sent_at__isnull": False},
        "failed": {"failed_at__isnull": False},
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("waiting", _("waiting")), ("sent", _("sent")), ("failed", _("given up"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Mail]) -> QuerySet[Mail]:
        return queryset.filter(**self.fates.get(self.value() or "", {}))


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    """Without its text: that is the business of whom it is for."""

    list_display = ("due_at", "user", "in_digest", "attempts", "sent_at", "failed_at", "error")
    list_filter = (FateFilter, "in_digest")
    list_select_related = ("user",)
    search_fields = ("user__email", "error")
    fields = ("id", *list_display[:4], "attempted_at", "held_until", *list_display[4:])
    readonly_fields = fields


@admin.register(DBTaskResult)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("enqueued", "job", "status", "tries", "started", "finished", "why")
    list_filter = ("status",)
    search_fields = ("task_path",)
    fields = ("id", *list_display[:-1], "args_kwargs", "return_value", "exception_class_path", "traceback")
    readonly_fields = fields
    ordering = ("-enqueued_at",)

    @admin.display(description=_("queued"), ordering="enqueued_at")
    def enqueued(self, job: DBTaskResult) -> str:
        return moment(job.enqueued_at)

    @admin.display(description=_("started"), ordering="started_at")
    def started(self, job: DBTaskResult) -> str:
        return moment(job.started_at)

    @admin.display(description=_("finished"), ordering="finished_at")
    def finished(self, job: DBTaskResult) -> str:
        return moment(job.finished_at)

    @admin.display(description=_("job"), ordering="task_path")
    def job(self, job: DBTaskResult) -> str:
        return job.task_path.rpartition(".")[2]

    @admin.display(description=_("tries"))
    def tries(self, job: DBTaskResult) -> int:
        return len(job.worker_ids)

    @admin.display(description=_("error"))
    def why(self, job: DBTaskResult) -> str:
        """The last line of what went wrong."""
        return job.traceback.strip().rpartition("\n")[2][:200]


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("host", "process", "started_at", "beat_at")
    fields = readonly_fields = list_display
