"""The real server, which kills itself (``kill -9``) before the step of an answer that a file names."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any, Callable

from calla.channels.slack.inbox import Inbox
from calla.channels.slack.letters import Letters
from calla.channels.slack.sending import Sender

# Steps between the arrival of a message and its end, by the call that begins each.
STEPS: dict[str, tuple[Any, str]] = {
    "before it is written down": (Inbox, "add"),
    "before it is understood": (Inbox, "is_open"),
    "before it is written to the outbox": (Letters, "add"),
    "before it is sent": (Sender, "send"),
    "before it is noted as sent": (Letters, "sent"),
    "before the question is done": (Inbox, "done"),
}
# In the data folder; its content is the step.
DIE_AT = "die_at"


def _is_told(file: Path, step: str) -> bool:
    return file.exists() and file.read_text() == step


def _dies_before(step: str, owner: Any, name: str, file: Path) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    async def step_or_end(*arguments: Any, **named: Any) -> Any:
        if _is_told(file, step):
            os.kill(os.getpid(), signal.SIGKILL)
        return await original(*arguments, **named)

    setattr(owner, name, step_or_end)


if __name__ == "__main__":
    for step, (owner, name) in STEPS.items():
        _dies_before(step, owner, name, Path(os.environ["CALLA_DATA_FOLDER"]) / DIE_AT)
    from calla.server import main

    sys.exit(main())
