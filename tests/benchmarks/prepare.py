"""`python -m tests.benchmarks.prepare 1000`: a database with so many risks, where DATABASE_URL says."""

import gc
import sys

import django
from django.core.management import call_command

django.setup()

from django.db import connection  # noqa: E402 - models exist only after setup

from tests.benchmarks.seed import seed  # noqa: E402

for command in ("migrate", "load_library"):
    call_command(command, verbosity=0)
gc.disable()  # half a million rows and no cycle among them
seed(int(sys.argv[1]))
call_command("housekeeping", verbosity=0)  # what the product does once a day
if connection.vendor == "postgresql":  # what its autovacuum does within minutes
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
print(connection.display_name, ".".join(map(str, connection.get_database_version())))
