"""Where a client looks when nobody says; apart, as the help of the command line tells it and loads nothing else."""

from __future__ import annotations

DEFAULT_NAMESPACE = "jobwire"
DEFAULT_URL = "redis://localhost:6379/0"
URL_VARIABLE = "JOBWIRE_REDIS_URL"
