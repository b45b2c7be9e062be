"""Fixtures: a loopback server that records what it gets, and an environment without a key."""

from tests.http.conftest import no_environment, server

__all__ = ["no_environment", "server"]
