"""Check that no line of the trail was changed, removed or added afterwards."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from risks.models import Team
from risks.services.seal import Chain, seal_events, verify_all


class Command(BaseCommand):
    help = (
        "Computes the chain of every team anew from its lines and names the first that does not hold. "
        "Keep the printed digests elsewhere: with --anchor they prove later that nothing before them changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--team", metavar="SLUG", help="only this team's chain")
        parser.add_argument("--anchor", metavar="DIGEST", default="", help="a digest kept from before")
        parser.add_argument("--seal-now", action="store_true", help="first seal the lines that are waiting")

    def handle(self, *args: Any, **options: Any) -> None:
        team = Team.objects.filter(slug=options["team"]).first() if options["team"] else None
        if options["team"] and team is None:
            raise CommandError(f"There is no team “{options['team']}”.")
        if options["seal_now"]:
            self.stdout.write(f"{seal_events()} lines sealed")
        chains = list(verify_all(team=team, anchor=options["anchor"]))
        for chain in chains:
            self._tell(chain)
        if options["anchor"] and not any(chain.has_anchor for chain in chains):
            raise CommandError("The anchor is in no chain: the trail was written anew since it was kept.")
        if any(chain.broken for chain in chains):
            raise CommandError("The trail does not hold.")

    def _tell(self, chain: Chain) -> None:
        name = chain.team.slug if chain.team else "installation"
        if chain.broken:
            broken = chain.broken
            parts = [
                f"line {broken.event_id}" if broken.event_id else "",
                f"of {broken.happened_at:%Y-%m-%d %H:%M:%S %Z}" if broken.happened_at else "",
                f"seal {broken.seal}" if broken.seal else "",
            ]
            where = ", ".join(part for part in parts if part)
            self.stdout.write(
                f"{name}: BROKEN: {broken.problem} ({where}; {chain.lines} lines before it hold)"
            )
        else:
            until = f"{chain.sealed_at:%Y-%m-%d %H:%M:%S %Z}" if chain.sealed_at else "never"
            digest = chain.digest or "-"
            self.stdout.write(f"{name}: {chain.lines} lines hold, sealed {until}, digest {digest}")
