"""What has to happen once a day, for those who run no worker."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from risks.services.housekeeping import tidy_up

LINES = {
    "acceptances": "{} acceptances ended",
    "files": "{} files of nothing deleted",
    "notices": "{} old notices deleted",
    "mails": "{} old mails deleted",
    "sessions": "{} ended sessions deleted",
    "jobs": "{} old jobs deleted",
}


class Command(BaseCommand):
    help = (
        "Reopens risks whose acceptance has ended, and deletes what nobody needs any more. The worker does it"
        " every night; run it once a day only where there is no worker."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for name, count in tidy_up(timezone.now()).items():
            self.stdout.write(LINES[name].format(count))
