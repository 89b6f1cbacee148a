"""The real server, which kills itself (``kill -9``) before the step of an answer that a file names."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from calla.channels.slack.inbox import Inbox
from calla.channels.slack.letters import Letters
from calla.channels.slack.sending import Sender
from calla.store import ConversationStore

# In the data folder; its content is the step.
DIE_AT = "die_at"


@dataclass(frozen=True)
class Step:
    """A step between the arrival of a message and its end.

    Attributes:
        owner: whose call begins it.
        name: that call.
        times: at which of the calls made since it was told the server dies.
    """

    owner: Any
    name: str
    times: int = 1


STEPS = {
    "before the first is written down": Step(Inbox, "add"),
    "before the last is written down": Step(Inbox, "add", 3),
    "before it is understood": Step(Inbox, "is_open"),
    "before the first message is written to the outbox": Step(Letters, "add"),
    "before the second message is written to the outbox": Step(Letters, "add", 2),
    "before the conversation is stored": Step(ConversationStore, "save"),
    "before the first message is sent": Step(Sender, "send"),
    "before the second message is sent": Step(Sender, "send", 2),
    "before it is noted as sent": Step(Letters, "sent"),
    "before the first question is done": Step(Inbox, "done"),
    "before the last question is done": Step(Inbox, "done", 3),
}


def _is_told(file: Path, title: str) -> bool:
    return file.exists() and file.read_text() == title


def _dies_before(title: str, step: Step, file: Path) -> None:
    original: Callable[..., Any] = getattr(step.owner, step.name)
    calls = 0

    async def step_or_end(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        if _is_told(file, title):
            calls += 1
            if calls == step.times:
                os.kill(os.getpid(), signal.SIGKILL)
        return await original(*arguments, **named)

    setattr(step.owner, step.name, step_or_end)


if __name__ == "__main__":
    for title, step in STEPS.items():
        _dies_before(title, step, Path(os.environ["CALLA_DATA_FOLDER"]) / DIE_AT)
    from calla.server import main

    sys.exit(main())
