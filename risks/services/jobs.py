"""Background jobs: the one place that knows the library, which becomes part of Django with its next LTS.

A service marks its function with `task` and hands it over with `.enqueue(…)` inside the transaction of the
act: the job exists if and only if the act does. `manage.py worker` does the jobs.
"""

from django_tasks import task

__all__ = ["task"]
