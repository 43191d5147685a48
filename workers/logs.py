"""Structured logs: every record of ours and of every library, one line, with who, which incident, which trace."""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from signals.display import terminal
from workers.settings import Settings

LONGEST = 4000
"""Characters of one text in a line for a terminal."""


def start(settings: Settings, agent: str) -> None:
    """Send everything that is logged in this process to standard error, as the settings say.

    Standard output belongs to commands and their `-o json`.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _Named(agent),
        _traced,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=True)]
        if settings.log_format == "json"
        else [
            _harmless,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback),
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # loggers that were made before this call must obey it
    )


@contextmanager
def about(incident: str) -> Iterator[None]:
    """Name the incident in every record within."""
    with structlog.contextvars.bound_contextvars(incident=incident):
        yield


class _Named:
    """Says which agent speaks; a context variable would not reach the threads of libraries."""

    def __init__(self, agent: str) -> None:
        self._agent = agent

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event.setdefault("agent", self._agent)
        return event


def _traced(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event.setdefault("trace_id", format(context.trace_id, "032x"))
        event.setdefault("span_id", format(context.span_id, "016x"))
    return event


def _harmless(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Keep text from alerts from moving the cursor of whoever reads the log."""
    return {
        key: terminal(value, LONGEST) if isinstance(value, str) else value for key, value in event.items()
    }


def _traceback(out: TextIO, failure: ExcInfo) -> None:
    """Write a traceback without local variables, which may hold what must not be logged."""
    lines = "".join(traceback.format_exception(*failure)).splitlines()
    out.write("\n" + "\n".join(terminal(line, LONGEST) for line in lines))
