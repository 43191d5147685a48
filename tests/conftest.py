"""One control plane for the whole run, with our manifests applied."""

from tests.control_plane import control_plane

__all__ = ["control_plane"]
