"""Load the demonstration."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from risks.exceptions import NotAllowed
from risks.services.demo import load_demo


class Command(BaseCommand):
    help = "Makes the demonstration team with its registers, if it is not there. Needs RISKREG_DEMO=1."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = load_demo()
        except NotAllowed as refusal:
            raise CommandError(str(refusal.message)) from refusal
        self.stdout.write("demonstration loaded" if made else "demonstration is there already")
