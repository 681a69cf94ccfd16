"""What has to happen once a day."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from risks.services.risk import expire_acceptances


class Command(BaseCommand):
    help = "Reopens risks whose acceptance has ended. Run it once a day."

    def handle(self, *args: Any, **options: Any) -> None:
        count = expire_acceptances(timezone.localdate())
        self.stdout.write(f"{count} acceptances ended")
