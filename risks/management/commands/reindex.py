"""Rebuild the full-text index."""

from typing import Any

from django.core.management.base import BaseCommand

from risks.services.search import rebuild_index


class Command(BaseCommand):
    help = "Rebuilds the full-text index of all risks, for instance after rows were copied into the database."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{rebuild_index()} risks indexed")
