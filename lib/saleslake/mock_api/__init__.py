"""A sales API that behaves, and on demand misbehaves, like a real one; for development, demonstrations and tests."""

from saleslake.mock_api.faults import Fault, parse_fault, parse_faults
from saleslake.mock_api.server import MockApi, serve

__all__ = ["Fault", "MockApi", "parse_fault", "parse_faults", "serve"]
