"""The state of hand-offs in one database, as several processes see it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from calla.database import Database
from calla.handoff.delivery import Delivery
from calla.handoff.inboxes import InboxError, Remember
from calla.handoff.ledger import ENDED, OFFERED, TAKEN, WAITING, Handoff, HandoffLedger, Letter

pytestmark = pytest.mark.asyncio


@pytest.fixture
def ledgers(tmp_path: Path) -> list[HandoffLedger]:
    """Those of four processes."""
    return [HandoffLedger(Database(f"sqlite:///{tmp_path}/calla.db")) for _ in range(4)]


async def waiting(ledger: HandoffLedger, conversation: str = "web_one") -> Handoff:
    """Return a hand-off that waits, with its request written down."""
    await ledger.offer(conversation, ["hello"])
    offered = await ledger.of(conversation, [OFFERED])
    assert offered is not None and offered.passed == ["hello"]
    assert await ledger.change(offered.id, [OFFERED], ("request", "requested", {"passed": ["hello"]}), state=WAITING)
    found = await ledger.get(offered.id)
    assert found is not None
    return found


async def test_of_several_that_try_the_same_one_succeeds(ledgers: list[HandoffLedger]) -> None:
    one = await waiting(ledgers[0])
    done = await asyncio.gather(*(ledger.change(one.id, [WAITING], state=ENDED) for ledger in ledgers))
    assert sorted(done) == [False, False, False, True]
    told = await waiting(ledgers[0], "web_two")
    assert sorted(await asyncio.gather(*(ledger.tell_once(told.id) for ledger in ledgers))) == [False] * 3 + [True]
    new = await asyncio.gather(*(ledger.is_new(told.id, "message") for ledger in ledgers))
    assert sorted(new) == [False, False, False, True]


async def test_an_event_is_one_processs_and_comes_in_order(ledgers: list[HandoffLedger]) -> None:
    one = await waiting(ledgers[0])
    await ledgers[1].write(one.id, "message:1", "message", {"text": "first"})
    # The same message, repeated by the browser to another process.
    await ledgers[2].write(one.id, "message:1", "message", {"text": "first"})
    await ledgers[3].write(one.id, "message:2", "message", {"text": "second"})
    keys = []
    for _ in range(3):
        taken = [letter for found in await asyncio.gather(*(each.due(60) for each in ledgers)) for letter in found]
        assert len(taken) == 1
        keys.append(taken[0].key)
        assert await ledgers[0].waits(taken[0])
        await ledgers[3].delivered(taken[0])
        assert not await ledgers[0].waits(taken[0])
    assert keys == ["request", "message:1", "message:2"]
    assert await ledgers[0].undelivered() == 0


async def test_a_visitor_is_told_once_until_all_has_arrived(ledgers: list[HandoffLedger]) -> None:
    one = await waiting(ledgers[0])
    await ledgers[0].write(one.id, "message:1", "message", {"text": "first"})
    assert await ledgers[0].tell_once(one.id)
    for again in (False, True):
        (letter,) = await ledgers[0].due(60)
        await ledgers[0].delivered(letter)
        assert await ledgers[0].tell_once(one.id) is again


async def test_what_a_process_that_ended_had_taken_is_taken_again(ledgers: list[HandoffLedger]) -> None:
    await waiting(ledgers[0])
    # A lease that has run out.
    assert len(await ledgers[0].due(-1)) == 1
    assert len(await ledgers[1].due(60)) == 1
    assert await ledgers[2].due(60) == []


async def test_a_new_offer_takes_the_place_of_the_old_one(ledgers: list[HandoffLedger]) -> None:
    for text in ("old", "new"):
        await ledgers[0].offer("web_one", [text])
    found = await ledgers[1].in_states(OFFERED)
    assert [one.passed for one in found] == [["new"]]


async def test_an_erasure_leaves_only_the_wish_to_erase_there_too(ledgers: list[HandoffLedger]) -> None:
    one = await waiting(ledgers[0])
    await ledgers[0].remember(one.id, {"contact": 7}, "chatwoot:1:2")
    await ledgers[0].change(one.id, [WAITING], state=TAKEN, person="Kim")
    await ledgers[1].erase("web_one")
    assert await ledgers[0].get(one.id) is None
    assert await ledgers[0].by_remote("chatwoot:1:2") is None
    (left,) = await ledgers[0].due(60)
    assert (left.kind, left.body) == ("erase", {"remote": {"contact": 7}})
    # Erased again, nothing is asked twice.
    await ledgers[1].erase("web_one")
    await ledgers[1].delivered(left)
    assert await ledgers[0].undelivered() == 0


async def test_what_is_too_old_goes(ledgers: list[HandoffLedger]) -> None:
    one = await waiting(ledgers[0])
    await ledgers[0].purge(one.opened - 1)
    assert await ledgers[0].get(one.id) is not None
    await ledgers[0].purge(one.opened + 3600)
    assert await ledgers[0].get(one.id) is None
    assert await ledgers[0].undelivered() == 0


async def test_a_slow_delivery_holds_up_nobody_else(ledgers: list[HandoffLedger]) -> None:
    slow, quick = await waiting(ledgers[0], "web_slow"), await waiting(ledgers[0], "web_quick")
    arrived: asyncio.Queue[str] = asyncio.Queue()
    never = asyncio.Event()

    class Inbox:
        async def deliver(self, letter: Letter, handoff: Handoff, remember: Remember) -> None:
            if letter.handoff == slow.id:
                await never.wait()

        async def close(self) -> None:
            """Nothing is open."""

    async def note(letter: Letter) -> None:
        await arrived.put(letter.handoff)

    delivery = Delivery(ledgers[0], lambda: Inbox(), note, note)  # type: ignore[arg-type, return-value]
    running = asyncio.ensure_future(delivery.run())
    assert await asyncio.wait_for(arrived.get(), 10) == quick.id
    running.cancel()


async def test_what_fails_is_tried_again_and_told(
    ledgers: list[HandoffLedger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calla.handoff.delivery.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("calla.handoff.delivery.LATE", 0.05)
    await waiting(ledgers[0])
    told, done = asyncio.Event(), asyncio.Event()

    class Inbox:
        async def deliver(self, letter: Letter, handoff: Handoff, remember: Remember) -> None:
            if not told.is_set():
                raise InboxError("status 500")

        async def close(self) -> None:
            """Nothing is open."""

    async def arrived(_: Letter) -> None:
        done.set()

    async def late(_: Letter) -> None:
        told.set()

    delivery = Delivery(ledgers[0], lambda: Inbox(), arrived, late)  # type: ignore[arg-type, return-value]
    running = asyncio.ensure_future(delivery.run())
    await asyncio.wait_for(told.wait(), 20)
    assert delivery.works is False
    await asyncio.wait_for(done.wait(), 20)
    assert delivery.works is True
    running.cancel()
