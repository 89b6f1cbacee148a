"""A new model beside the old one, swapped between two messages.

A signal (SIGHUP) makes the server load the model of the present state while it goes on answering
with the one it has. The new one is tried before it answers anybody; if it is missing, damaged or
answers wrongly, the old one stays. A message is answered to its end by the model that began it;
no conversation, connection or queue is touched.

What it is doing stands in a small file a process (``servers/<pid>.json`` in the data folder), which
``make reload`` waits for. The model that serves is noted too: after a crash in the middle of an edit
the server comes back with it.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import hashlib
import json
import logging
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Optional

from rasa.core.channels.channel import UserMessage
from rasa.shared.core.trackers import DialogueStateTracker

from calla.agent import WARM_UP, GuardedAgent
from calla.catalogue import Catalogue
from calla.content.sources import table
from calla.model import ModelMissingError, latest_model
from calla.plan import PLAN
from calla.processor import CallaProcessor
from calla.settings import ROOT
from calla.status import STATUS

logger = logging.getLogger(__name__)

SERVERS, SERVING = "servers", "serving.json"
# What a running process cannot change: then only a restart helps.
_HOUSE = ("calla/**/*.py", "actions/**/*.py", "config.yml", "artefacts/**/*.json", "data/safety/*.yml")
# Texts among them, which a model carries.
_TEXTS = frozenset({"referrals.yml", "contacts.yml"})
# What a model must answer before it answers people: a finding with its referral, and a question.
TRIALS = (("my report says BI-RADS 4", True), ("what is vitamin K2?", False), (WARM_UP, True))


class BrokenModelError(RuntimeError):
    """A model does not do what every model must; the message says what."""


def house(root: Path = ROOT) -> str:
    """Return a hash over what a reload cannot change: code, configuration, the screen's vocabulary."""
    digest = hashlib.sha256()
    for pattern in _HOUSE:
        for file in sorted(root.glob(pattern)):
            if file.name not in _TEXTS:
                digest.update(str(file.relative_to(root)).encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def served_before(folder: Path) -> Optional[Path]:
    """Return the model that served last, if the rest is as it was then: for a start in the middle of an edit."""
    try:
        noted = json.loads((folder / SERVING).read_text())
        model = Path(noted["model"])
        return model if noted["house"] == house() and model.is_file() else None
    except (OSError, ValueError, KeyError):
        return None


def try_out(processor: CallaProcessor) -> None:
    """Let a model answer what every model must.

    Raises:
        BrokenModelError: if it does not.
    """
    for text, finding in TRIALS:
        # Beside the queue of those who ask: this runs in a thread of its own.
        nobody = DialogueStateTracker.from_events("trial", [])
        parsed: dict[str, Any] = processor._parse_message_with_graph(UserMessage(text), nobody, True)
        plan = parsed.get(PLAN) or {}
        if bool(plan.get("referrals")) != finding:
            raise BrokenModelError("the new model finds a referral where none is owed, or none where one is")
        names = [*(r["response"] for r in plan["referrals"]), *plan["responses"]]
        if not names or any(name not in processor.domain.responses for name in names):
            raise BrokenModelError("the new model has no text for its own answer")


class Reloader:
    """Reloads the model of a running server.

    Args:
        agent: answers; its model is swapped.
        model: the model that it answers with.
        folder: the data folder.
    """

    def __init__(self, agent: GuardedAgent, model: Path, folder: Path) -> None:
        self._agent = agent
        self._model = model
        self._folder = folder
        self._house = house()
        self._file = folder / SERVERS / f"{os.getpid()}.json"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reload")
        self._asked = asyncio.Event()
        self._failed = ""
        self._number = 0
        STATUS.facts["model"] = lambda: self._model.name
        STATUS.facts["reloads"] = lambda: self._number
        STATUS.facts["reload_failed"] = lambda: self._failed

    async def run(self) -> None:
        """Reload whenever that is asked for, for as long as the server runs."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        _clear_away(self._folder / SERVERS)
        self._note()
        try:
            while True:
                await self._asked.wait()
                self._asked.clear()
                await self.reload()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
            self._file.unlink(missing_ok=True)

    async def reload(self) -> None:
        """Load the model of the present state and swap it in, or say why not and keep the old one."""
        began = time.monotonic()
        try:
            model, processor = await asyncio.get_running_loop().run_in_executor(self._thread, self._build)
        except Exception as error:
            known = isinstance(error, (ModelMissingError, BrokenModelError))
            self._failed = str(error) if known else f"the new model cannot be loaded ({type(error).__name__})"
            logger.error("The model was not changed: %s", self._failed)
        else:
            self._failed = ""
            if processor is not None:
                # From here to the end nothing waits: no message comes between.
                self._agent.adopt(processor)
                self._model = model
                logger.info("The model was changed to %s in %.1f s.", model.name, time.monotonic() - began)
        self._number += 1
        self._note()
        self._thread.submit(_give_back_memory)

    def _build(self) -> tuple[Path, Optional[CallaProcessor]]:
        """Return the model of the present state, loaded and tried; nothing if it is the one that serves."""
        if house() != self._house:
            raise BrokenModelError(
                "code, configuration or the screen's vocabulary have changed too: restart Calla instead"
            )
        model = latest_model()
        if model == self._model:
            return model, None
        # Answers that are being given have their sources already.
        table.cache_clear()
        processor = self._agent.build(model)
        Catalogue(processor.domain.responses)
        try_out(processor)
        return model, processor

    def _note(self) -> None:
        """Write down what serves, in files that are whole or not there."""
        state = {"pid": os.getpid(), "model": self._model.name, "reloads": self._number, "failed": self._failed}
        try:
            self._file.parent.mkdir(exist_ok=True)
            _write(self._file, state)
            _write(self._folder / SERVING, {"model": str(self._model), "house": self._house})
        except OSError as error:
            logger.error("What serves could not be noted: %s", error.strerror)


def _write(file: Path, content: dict[str, Any]) -> None:
    half = file.with_suffix(f".{os.getpid()}")
    half.write_text(json.dumps(content))
    os.replace(half, file)


def _clear_away(folder: Path) -> None:
    """Delete what processes left behind that were killed."""
    for file in folder.glob("*.json"):
        if not is_running(int(file.stem)):
            file.unlink(missing_ok=True)


def is_running(pid: int) -> bool:
    """Say whether a process runs that is one of Calla's."""
    try:
        return b"calla.server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _give_back_memory() -> None:
    """Let go of the old model's memory, as far as the C library will."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return
