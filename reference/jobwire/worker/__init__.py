"""Claim jobs, run their handlers, settle them."""

from .settings import WorkerSettings
from .worker import Worker

__all__ = ["Worker", "WorkerSettings"]
