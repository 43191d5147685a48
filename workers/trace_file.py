"""Spans as JSON lines in a file that all agents of a stack append to, for stacks without a collector."""

import os
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class TraceFile(SpanExporter):
    """Appends each batch with one write, so that the lines of several processes never mix."""

    def __init__(self, path: Path) -> None:
        """Open the file for appending, made if it is not there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write these spans."""
        try:
            os.write(self._file, "".join(f"{span.to_json(indent=None)}\n" for span in spans).encode())
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        os.close(self._file)
