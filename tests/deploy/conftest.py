"""One control plane for all tests of this folder."""

from tests.control_plane import control_plane

__all__ = ["control_plane"]
