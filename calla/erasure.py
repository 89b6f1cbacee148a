"""Forgetting a conversation, so that "done" is only said when it is.

Whatever keeps something of a conversation registers an eraser here. An erasure is written
down first, in a file that needs no database and no free space (``Tombstones``), and crossed
out when every eraser has confirmed. What could not be erased at once is retried until it is;
meanwhile nothing of that conversation is read or stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import mmap
import os
import time
from pathlib import Path
from typing import Awaitable, Callable, Iterator

from calla.status import STATUS

logger = logging.getLogger(__name__)

# An eraser returns when everything is gone for good, and raises if it cannot be sure.
Eraser = Callable[[str], Awaitable[None]]
# Seconds that one eraser may take while a person waits.
ERASER_DEADLINE = 4.0
# Seconds between two attempts at what could not be erased.
RETRY_EVERY = 10.0
# Looks at the lock of the tombstones' file, and seconds between two: it is held for a millisecond, and a
# process that hangs with it must not keep anybody from noting an erasure.
LOCK_ATTEMPTS, LOCK_WAIT = 30, 0.01


class ErasureError(RuntimeError):
    """An erasure could neither be done nor be written down."""


class Tombstones:
    """The conversations that are still to be erased, in a file of fixed size.

    The file is filled when it is made, so that noting an erasure works on a full disk too. It is
    read as it is now: the other server processes of this machine share it.

    Args:
        file: where it is.
        room: for how many erasures room is made beyond the usual 256, for good.
    """

    SLOT, SLOTS = 320, 256

    def __init__(self, file: Path, room: int = 0) -> None:
        self._file = file
        size = self.SLOT * (self.SLOTS + room)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Names are never written beyond the end, so two processes may both do this.
            known = os.fstat(descriptor).st_size
            if known < size:
                os.pwrite(descriptor, b"\0" * (size - known), known)
                os.fsync(descriptor)
            size = max(size, known - known % self.SLOT)
            self._content = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)

    def __contains__(self, conversation: object) -> bool:
        return isinstance(conversation, str) and self._slot_of(self._padded(conversation)) is not None

    def __len__(self) -> int:
        return len(self.all())

    def all(self) -> list[str]:
        """Return the conversations that are still to be erased."""
        content = self._content[:]
        slots = (content[at : at + self.SLOT].rstrip(b"\0") for at in range(0, len(content), self.SLOT))
        return [name.decode(errors="replace") for name in slots if name]

    def add(self, conversation: str) -> None:
        """Note an erasure, on disk when this returns.

        Raises:
            ErasureError: if there is no room, or the disk refuses.
        """
        name = self._padded(conversation)
        with self._open() as descriptor:
            if self._slot_of(name) is not None:
                return
            free = self._slot_of(self._padded(""))
            if free is None or len(name) > self.SLOT:
                raise ErasureError("no room for another tombstone")
            os.pwrite(descriptor, name, free)
            os.fsync(descriptor)

    def remove(self, conversation: str) -> None:
        """Cross out an erasure that has been done."""
        with self._open() as descriptor:
            slot = self._slot_of(self._padded(conversation))
            if slot is not None:
                os.pwrite(descriptor, self._padded(""), slot)
                os.fsync(descriptor)

    def _padded(self, conversation: str) -> bytes:
        return conversation.encode().ljust(self.SLOT, b"\0")

    def _slot_of(self, name: bytes) -> int | None:
        """Return where in the file a name stands."""
        at = self._content.find(name)
        while at >= 0 and at % self.SLOT:
            at = self._content.find(name, at + 1)
        return at if at >= 0 else None

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        """Open the file for this process alone."""
        try:
            descriptor = os.open(self._file, os.O_WRONLY)
            try:
                for _ in range(LOCK_ATTEMPTS):
                    try:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        time.sleep(LOCK_WAIT)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ErasureError(f"the tombstone could not be written ({error.strerror})") from None


class Erasure:
    """Erases conversations everywhere.

    Args:
        tombstones: where erasures are noted until they are done.
        remember: writes down that a conversation has been erased, for a restore (``calla.erased``); may raise
            ``OSError``.
    """

    def __init__(self, tombstones: Tombstones, remember: Callable[[str], None] = lambda _: None) -> None:
        self._tombstones = tombstones
        self._remember = remember
        self._erasers: dict[str, Eraser] = {}
        STATUS.facts["erasures_pending"] = lambda: self.number_pending

    @property
    def number_pending(self) -> int:
        """How many erasures are noted and not done."""
        return len(self._tombstones)

    def register(self, what: str, eraser: Eraser) -> None:
        """Add something that forgets.

        Args:
            what: name for log and ``/health``; the same name again replaces.
            eraser: erases all it has of a conversation; raises unless that is certain.
        """
        self._erasers[what] = eraser

    def pending(self, conversation: str) -> bool:
        """Say whether a conversation is still to be erased: nothing of it may be read or stored."""
        return conversation in self._tombstones

    async def erase(self, conversation: str) -> bool:
        """Erase a conversation; return whether everything has confirmed.

        If not, the erasure is noted and retried.

        Raises:
            ErasureError: if it was neither done nor could be noted.
        """
        noted = True
        try:
            self._tombstones.add(conversation)
        except ErasureError as problem:
            logger.error("An erasure could not be noted: %s", problem)
            noted = False
        done = await self._everywhere(conversation)
        if done:
            self._cross_out(conversation)
            return True
        STATUS.failed("erasure_failures", "an erasure was not confirmed")
        if not noted:
            raise ErasureError("neither erased nor noted")
        return False

    async def _everywhere(self, conversation: str) -> bool:
        confirmed = True
        for what, eraser in self._erasers.items():
            try:
                await asyncio.wait_for(eraser(conversation), ERASER_DEADLINE)
            except Exception as error:
                logger.error("Erasing from %s failed: %s", what, type(error).__name__)
                confirmed = False
        return confirmed

    def _cross_out(self, conversation: str) -> None:
        try:
            self._remember(conversation)
        except OSError as problem:
            # It is gone. The tombstone stays until that is written down, so that a restore does not undo it.
            logger.error("An erasure that is done could not be written down: %s", problem.strerror)
            return
        try:
            self._tombstones.remove(conversation)
        except ErasureError as problem:
            # Erased all the same; after a restart it is erased once more.
            logger.error("A tombstone could not be removed: %s", problem)

    async def retry(self) -> None:
        """Try again what is noted and not erased yet."""
        for conversation in self._tombstones.all():
            if await self._everywhere(conversation):
                self._cross_out(conversation)
