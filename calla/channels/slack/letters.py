"""Letters: messages on their way to Slack, kept in the database until Slack has taken them."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any, Container, Mapping, Optional

import sqlalchemy as sa

from calla.catalogue import REFERRAL_PREFIX, SHORT_REFERRAL_PREFIX
from calla.channels.slack.identity import IM, PRIVATE, Place, Question
from calla.channels.slack.inbox import hashed_key
from calla.channels.slack.ledger import LETTERS, Ledger

MESSAGE, EPHEMERAL, URL = "message", "ephemeral", "url"


@dataclass(frozen=True)
class Way:
    """One way in which a message can reach somebody.

    Attributes:
        kind: ``message`` (chat.postMessage), ``ephemeral`` (chat.postEphemeral) or
            ``url`` (a response_url, for the person alone).
        channel: id of the channel, or of the user for a direct message.
        thread: thread to post in.
        user: who shall see it (``ephemeral``).
        url: the response_url.
        show: whether everybody sees what goes to a response_url.
    """

    kind: str
    channel: str = ""
    thread: Optional[str] = None
    user: str = ""
    url: str = ""
    show: bool = False


def to_place(place: Place) -> list[Way]:
    """Return the ways to where everybody at a place reads a message, the best first."""
    ways = [Way(MESSAGE, place.channel, place.thread)]
    if place.kind == IM and place.thread:
        ways.append(Way(MESSAGE, place.channel))
    return ways if place.channel == place.user else [*ways, Way(MESSAGE, place.user)]


def directly(place: Place) -> list[Way]:
    """Return the ways for what must last and is for the person alone: a direct message before all."""
    if place.kind == IM:
        return to_place(place)
    return [Way(MESSAGE, place.user), *_unseen(place)]


def aside(place: Place) -> list[Way]:
    """Return the ways for what the person alone reads where they are, and that may vanish."""
    if place.kind == IM:
        return to_place(place)
    return [*_unseen(place), Way(MESSAGE, place.user)]


def _unseen(place: Place) -> list[Way]:
    ways = [Way(URL, place.channel, place.thread, url=place.response_url)] if place.response_url else []
    # Slack shows a private message inside a thread only if that had replies.
    return [*ways, Way(EPHEMERAL, place.channel, place.thread if place.open_thread else None, user=place.user)]


@dataclass
class Letter:
    """One message for Slack.

    Attributes:
        question: hashed key of what it answers.
        part: which part of that answer; a part is kept and sent once.
        person: for whom, hashed.
        team: in which workspace.
        name: named response that it says.
        text: what notifications and screen readers say.
        blocks: Block Kit.
        ways: ways to try, one after another.
        lane: letters of a lane arrive in order.
        then: letter to send once this one has arrived in the first of its ways.
        otherwise: letter to send if this one cannot arrive.
        accepted: seconds since the epoch.
        plainness: how much of the blocks is left out, since Slack found fault with them.
        id: goes out with the message, so that it can be found again.
    """

    question: str
    part: str
    person: str
    team: str
    name: str
    text: str
    blocks: list[dict[str, Any]]
    ways: list[Way]
    lane: str
    then: Optional[Letter] = None
    otherwise: Optional[Letter] = None
    accepted: float = field(default_factory=time.time)
    plainness: int = 0
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    # Whether an earlier attempt may have arrived although nobody heard so; not kept.
    uncertain: bool = False
    attempts: int = 0

    @property
    def referral(self) -> bool:
        """Whether it is a medical referral."""
        return self.name.startswith(REFERRAL_PREFIX)

    def as_json(self) -> str:
        """Return the letter as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Letter:
        """Read what ``as_json`` has written."""
        nested = {name: cls.from_dict(values[name]) if values.get(name) else None for name in ("then", "otherwise")}
        return cls(**{**values, "ways": [Way(**way) for way in values["ways"]], **nested})


def letter_for(
    question: Question, name: str, text: str, blocks: list[dict[str, Any]], ways: list[Way], number: int = 0
) -> Letter:
    """Return a letter that is part of the answer to a question.

    Args:
        question: what is answered.
        name: named response.
        text: what notifications and screen readers say.
        blocks: Block Kit.
        ways: ways to try.
        number: how many parts of the same name went before.
    """
    # Answered anew after a restart, a referral may come in its short form: it is the same one.
    part = f"{name.replace(SHORT_REFERRAL_PREFIX, f'{REFERRAL_PREFIX}/')[:140]}#{number}"
    place, first = question.place, ways[0]
    alone = place.kind in (IM, PRIVATE) or first.channel == place.user
    lane = f"person:{place.user}" if alone else place.channel
    return Letter(hashed_key(question.key), part, question.person, place.team, name, text, blocks, ways, lane)


class Letters:
    """Keeps letters.

    Args:
        ledger: the database.
        owner: name of this process.
    """

    def __init__(self, ledger: Ledger, owner: str) -> None:
        self._ledger = ledger
        self._engine = ledger.engine
        self._owner = owner

    async def add(self, letter: Letter) -> bool:
        """Write a letter down; ``False`` if the same part is there already."""
        return await self._ledger.keep(lambda: self._add(letter))

    def _add(self, letter: Letter) -> bool:
        try:
            with self._engine.begin() as connection:
                connection.execute(LETTERS.insert(), self._row(letter))
        except sa.exc.IntegrityError:
            return False
        return True

    def _row(self, letter: Letter) -> dict[str, Any]:
        return {
            "id": letter.id,
            "question": letter.question,
            "part": letter.part,
            "person": letter.person,
            "team": letter.team,
            "letter": letter.as_json(),
            "referral": letter.referral,
            "lost": False,
            "owner": self._owner,
            "accepted": letter.accepted,
        }

    async def changed(self, letter: Letter) -> None:
        """Note that a letter goes another way."""
        query = LETTERS.update().where(LETTERS.c.id == letter.id).where(LETTERS.c.letter.isnot(None))
        await self._ledger.note(lambda: self._engine.execute(query.values(letter=letter.as_json())))

    async def sent(self, letter: Letter, channel: Optional[str], ts: Optional[str]) -> None:
        """Note that Slack has a letter, and what follows it, in one step."""
        # Also whose it is: on its way while everything of the person was erased, it can be deleted in Slack still.
        place = {"channel": channel, "ts": ts, "person": letter.person}
        await self._close(letter, {**place, "lost": False}, letter.then)

    async def lost(self, letter: Letter) -> None:
        """Note that a letter cannot arrive, and what is said instead, in one step."""
        await self._close(letter, {"lost": True}, letter.otherwise)

    async def _close(self, letter: Letter, values: dict[str, Any], following: Optional[Letter]) -> None:
        def close() -> None:
            with self._engine.begin() as connection:
                mine = LETTERS.c.id == letter.id
                done = connection.execute(LETTERS.update().where(mine).values(letter=None, **values))
                if not done.rowcount:
                    # The database did not take it when it was written.
                    connection.execute(LETTERS.insert(), {**self._row(letter), "letter": None, **values})
                known = (
                    following
                    and connection.execute(
                        sa.select((LETTERS.c.id,))
                        .where(LETTERS.c.question == following.question)
                        .where(LETTERS.c.part == following.part)
                    ).fetchone()
                )
                if following is not None and known is None:
                    connection.execute(LETTERS.insert(), self._row(following))

        await self._ledger.note(close)

    async def take_over(self, alive: Container[str] = ()) -> list[Letter]:
        """Take the open letters of processes that are gone, oldest first; they may have arrived.

        Args:
            alive: owners that are still running and keep theirs.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer.
        """
        left = await self._ledger.take_over(LETTERS.c.letter, self._owner, alive)
        letters = [Letter.from_dict(json.loads(letter)) for letter in left]
        for letter in letters:
            letter.uncertain = True
        return letters

    async def state(self, letter: Letter) -> str:
        """Return what became of the same part of the same answer: ``waiting``, ``sent`` or ``lost``."""
        query = sa.select((LETTERS.c.letter, LETTERS.c.lost)).where(
            (LETTERS.c.question == letter.question) & (LETTERS.c.part == letter.part)
        )

        def look() -> str:
            with self._engine.begin() as connection:
                row = connection.execute(query).fetchone()
            if row is None or row.letter is not None:
                return "waiting"
            return "lost" if row.lost else "sent"

        return await self._ledger.ask(look, "waiting")

    async def withdrawn(self, letter: Letter) -> bool:
        """Say whether a letter was withdrawn while it waited."""
        query = sa.select((LETTERS.c.letter,)).where(LETTERS.c.id == letter.id)

        def look() -> bool:
            with self._engine.begin() as connection:
                row = connection.execute(query).fetchone()
            return row is not None and row.letter is None

        return await self._ledger.ask(look, False)

    async def withdraw(self, question: str) -> None:
        """Drop what waits as answer to a question, by its key; a referral stays."""
        whose = LETTERS.c.question == hashed_key(question)
        query = LETTERS.update().where(whose).where(LETTERS.c.referral.is_(False)).values(letter=None)
        await self._ledger.note(lambda: self._engine.execute(query))

    async def posted(self, person: str) -> list[tuple[str, str, str]]:
        """Return id, channel and timestamp of all messages that a person got, oldest first.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer.
        """
        query = (
            sa.select((LETTERS.c.id, LETTERS.c.channel, LETTERS.c.ts))
            .where(LETTERS.c.person == person)
            .where(LETTERS.c.ts.isnot(None))
            .order_by(LETTERS.c.accepted)
        )

        def look() -> list[tuple[str, str, str]]:
            with self._engine.begin() as connection:
                return [(row.id, row.channel, row.ts) for row in connection.execute(query).fetchall()]

        return await self._ledger.sure(look)

    async def lost_referrals(self) -> int:
        """Return how many referrals could not be delivered.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer.
        """
        query = sa.select((sa.func.count(),)).select_from(LETTERS).where(LETTERS.c.lost & LETTERS.c.referral)

        def look() -> int:
            with self._engine.begin() as connection:
                return int(connection.execute(query).scalar() or 0)

        return await self._ledger.sure(look)
