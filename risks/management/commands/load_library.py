"""Add the library that comes with the product."""

from typing import Any

from django.core.management.base import BaseCommand

from risks.services.library import load_library


class Command(BaseCommand):
    help = "Adds the categories, matrices and risk templates that are missing; changes nothing that is there."

    def handle(self, *args: Any, **options: Any) -> None:
        added = load_library()
        self.stdout.write(", ".join(f"{count} {name}" for name, count in added.items()) + " added")
