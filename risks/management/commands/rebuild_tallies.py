"""Rebuild the monthly tallies of all registers."""

from typing import Any

from django.core.management.base import BaseCommand

from risks.models import Register
from risks.services.tally import rebuild_tally


class Command(BaseCommand):
    help = "Computes the levels over time of every register anew from its history."

    def handle(self, *args: Any, **options: Any) -> None:
        registers = list(Register.objects.all())
        for register in registers:
            rebuild_tally(register)
        self.stdout.write(f"{len(registers)} registers counted anew")
