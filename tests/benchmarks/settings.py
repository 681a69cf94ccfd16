"""The product's settings, with an empty page to compare with and the number of queries in a header."""

from riskreg.settings import *  # noqa: F403
from riskreg.settings import MIDDLEWARE

ROOT_URLCONF = "tests.benchmarks.urls"
MIDDLEWARE = ["tests.benchmarks.middleware.CountQueriesMiddleware", *MIDDLEWARE]
