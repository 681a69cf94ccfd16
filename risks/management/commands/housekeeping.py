"""What has to happen once a day."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from risks.services.attachment import delete_orphans
from risks.services.risk import expire_acceptances


class Command(BaseCommand):
    help = "Reopens risks whose acceptance has ended, deletes files of nothing. Run it once a day."

    def handle(self, *args: Any, **options: Any) -> None:
        count = expire_acceptances(timezone.localdate())
        self.stdout.write(f"{count} acceptances ended")
        orphans = delete_orphans(timezone.now() - timedelta(days=1))
        self.stdout.write(f"{orphans} files of nothing deleted")
