"""Whether every file is there, and is the one that was added."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from risks.models import Attachment
from risks.queries.attachment import broken_attachments, orphaned_files


class Command(BaseCommand):
    help = (
        "Reads every file and compares it with the SHA-256 kept of it. Names those that are missing or "
        "changed, and stored files that belong to nothing. Fails if a file is missing or changed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        attachments = Attachment.objects.select_related("risk")
        for attachment, problem in broken_attachments(attachments):
            broken += 1
            where = f"({attachment.file}, id {attachment.pk})"
            self.stdout.write(f"{problem}: {attachment.risk.code} “{attachment.name}” {where}")
        for name in orphaned_files(timezone.now() - timedelta(days=1)):
            self.stdout.write(f"belongs to nothing: {name}")
        count = attachments.count()
        if broken:
            raise CommandError(f"{broken} of {count} files are missing or changed")
        self.stdout.write(f"all {count} files are as they were added")
