"""The first look at a message: bounded, reduced, and said once, whatever becomes of the message."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import unicodedata
import uuid
from typing import Any

import pytest
from rasa.core.channels.channel import UserMessage

from calla import intake
from calla.agent import INTAKE_GRACE, MESSAGE_DEADLINE
from calla.safety.screen import Screen
from calla.status import STATUS
from calla.text import MAX_SCREENED
from tests.faults.test_stores import Collector

FINDING = "The radiologist wrote BI-RADS 5 in my report"
LEARNED = "utter_referral/red_flag_symptom"


# ------------------------------------------------------------------------------- the text


@pytest.mark.parametrize("text", ["\ufdfa" * 10_000, "\ufdfa" * 555 + "x" * 9_500, "é" * 10_001, "\U0001f642" * 20_000])
def test_the_length_counts_after_normalisation(text: str) -> None:
    assert len(unicodedata.normalize("NFKC", intake.bounded(text))) <= MAX_SCREENED


def test_an_ordinary_text_stays_as_it_was_written() -> None:
    for text in ("what is ﬁbrosis?", "Bl\u0301ue ½", "a" * MAX_SCREENED):
        assert intake.bounded(text) == text


def test_half_characters_are_replaced_and_the_finding_beside_them_is_found() -> None:
    text = f"\ud83d {FINDING} \udc00"
    assert intake.bounded(text).encode()
    assert intake.owed(text) == ["utter_referral/suspicious_finding"]


def test_the_worst_texts_are_screened_in_a_fraction_of_a_second() -> None:
    texts = ["\ufdfa" * 10_000, '"' * 10_000, "(" * 10_000, "a" * 10_000, "birads " * 1_400, "l u m p " * 1_250]
    started = time.process_time()
    for text in texts:
        intake.owed(text)
    assert time.process_time() - started < 1.0


def strange(number: int) -> str:
    """Return 10,000 signs of all scripts: among the texts that take longest to screen."""
    rng = random.Random(number)
    return "".join(chr(rng.randrange(0x20, 0xD7FF)) for _ in range(MAX_SCREENED))


def test_a_burst_of_the_worst_texts_waits_for_itself_and_the_event_loop_turns() -> None:
    """A hundred at once took the loop for 14 to 20 s, until the supervisor killed a process that seemed to hang."""

    async def burst() -> tuple[int, int]:
        flood = [asyncio.ensure_future(intake.look("198.51.100.7", strange(number))) for number in range(40)]
        await asyncio.sleep(0)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.001)
                turns += 1

        counting = asyncio.ensure_future(count())
        assert await intake.look("203.0.113.9", FINDING) == FINDING
        done = sum(look.done() for look in flood)
        await flood[10]
        counting.cancel()
        await asyncio.gather(*flood)
        return done, turns

    done, turns = asyncio.run(burst())
    assert done <= 2
    assert turns > 20


# --------------------------------------------------------------------------- the reduction


def test_never_five_in_a_row_and_an_emergency_stands_alone() -> None:
    many = (
        "My report says BI-RADS 5. There is blood from the nipple. Should I skip my biopsy and stop my tamoxifen? "
        "Can you read my results?"
    )
    owed = intake.owed(many)
    assert owed[0].startswith("utter_referral/") and len(owed) <= 2
    assert intake.owed(f"{many} I have crushing chest pain and can't breathe") == ["utter_referral/emergency"]


def test_what_is_still_worth_saying_after_a_referral() -> None:
    urgent, planned = "utter_referral/suspicious_finding", "utter_referral/appointment"
    assert not intake.adds("utter_referral_short/suspicious_finding", [urgent])
    assert not intake.adds(planned, [urgent])
    assert intake.adds("utter_referral/emergency", [urgent])
    assert not intake.adds(urgent, ["utter_referral/emergency"])
    assert intake.adds("utter_referral/medicines", [urgent])


# ------------------------------------------------------------------------- in the way of a message


class SlowUnderstanding:
    """Understanding that waits until the test lets it go on."""

    def __init__(self, bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.release = threading.Event()
        ordinary = bot.agent.processor._parse_message_with_graph

        def slow(*arguments: Any) -> Any:
            self.release.wait(30)
            return ordinary(*arguments)

        monkeypatch.setattr(bot.agent.processor, "_parse_message_with_graph", slow)


def say(bot: Any, text: str, channel: Collector) -> asyncio.Future[Any]:
    return asyncio.ensure_future(bot.agent.handle_message(UserMessage(text, channel, uuid.uuid4().hex)))


def test_slow_understanding_is_overtaken_and_the_referral_said_once(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, channel = SlowUnderstanding(bot, monkeypatch), Collector()

    async def run() -> float:
        started = time.monotonic()
        handling = say(bot, f"{FINDING}. What is MK-7?", channel)
        await asyncio.wait_for(channel.arrived.wait(), 10)
        took = time.monotonic() - started
        slow.release.set()
        await handling
        return took

    took = bot._loop.run_until_complete(run())
    assert took < INTAKE_GRACE + 0.7
    assert channel.sent[0] == "utter_referral/suspicious_finding"
    assert sum(name.startswith("utter_referral") for name in channel.sent) == 1
    # The question beside it is answered when it is understood.
    assert "utter_faq/what_is_mk7" in channel.sent


def test_behind_a_long_queue_the_referral_does_not_even_wait_for_the_grace(
    bot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, channel = SlowUnderstanding(bot, monkeypatch), Collector()

    async def run() -> float:
        queue = [say(bot, "what is mk-7 " * 140, Collector()) for _ in range(40)]
        await asyncio.sleep(0)
        for _ in range(100_000):
            if bot.agent.pool.queued >= 30:
                break
            await asyncio.sleep(0)
        started = time.monotonic()
        handling = say(bot, FINDING, channel)
        await asyncio.wait_for(channel.arrived.wait(), 10)
        took = time.monotonic() - started
        slow.release.set()
        await asyncio.gather(handling, *queue)
        return took

    assert bot._loop.run_until_complete(run()) < INTAKE_GRACE / 2
    assert channel.sent == ["utter_referral/suspicious_finding"]


def test_the_event_loop_turns_while_a_message_is_understood(bot: Any) -> None:
    pauses: list[float] = []

    async def run() -> None:
        handling = say(bot, "what is the difference between vitamin k and k2 " * 20, Collector())
        while not handling.done():
            started = time.monotonic()
            await asyncio.sleep(0.005)
            pauses.append(time.monotonic() - started)

    bot._loop.run_until_complete(run())
    assert max(pauses) < 0.5


def test_the_last_line_understands_nothing_again(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding of the learned detector, on a message that fails later, comes from its plan."""
    calls = 0
    ordinary = bot.agent.processor._parse_message_with_graph

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        parsed = ordinary(*arguments)
        parsed["plan"]["referrals"] = [
            {"name": "red_flag_symptom", "kind": "urgent", "response": LEARNED, "by": "model"}
        ]
        return parsed

    async def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(bot.agent.processor, "_parse_message_with_graph", counted)
    monkeypatch.setattr(bot.agent.processor, "_run_prediction_loop", broken)
    channel = Collector()
    bot._loop.run_until_complete(asyncio.wait_for(_waited(bot, "what is mk-7", channel), 10))
    assert channel.sent == [LEARNED]
    assert calls == 1


async def _waited(bot: Any, text: str, channel: Collector) -> None:
    await say(bot, text, channel)


def test_a_hanging_action_is_overtaken_by_the_plan(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only understanding found is said within the limit although carrying it out hangs."""
    ordinary = bot.agent.processor._parse_message_with_graph

    def learned(*arguments: Any) -> Any:
        parsed = ordinary(*arguments)
        parsed["plan"]["referrals"] = [
            {"name": "red_flag_symptom", "kind": "urgent", "response": LEARNED, "by": "model"}
        ]
        return parsed

    release = asyncio.Event()

    async def hanging(*_: Any) -> None:
        await release.wait()

    monkeypatch.setattr(bot.agent.processor, "_parse_message_with_graph", learned)
    monkeypatch.setattr(bot.agent.processor, "_run_prediction_loop", hanging)
    channel = Collector()

    async def run() -> float:
        started = time.monotonic()
        handling = say(bot, "what is mk-7", channel)
        await asyncio.wait_for(channel.arrived.wait(), 10)
        took = time.monotonic() - started
        release.set()
        await handling
        return took

    assert bot._loop.run_until_complete(run()) < MESSAGE_DEADLINE + 0.5
    assert channel.sent == [LEARNED]


def test_a_referral_that_a_channel_does_not_take_is_counted(bot: Any) -> None:
    class Deaf(Collector):
        async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
            raise ConnectionError("gone")

    before = STATUS.undelivered_referrals
    with pytest.raises(ConnectionError):
        bot._loop.run_until_complete(_waited(bot, FINDING, Deaf()))
    assert STATUS.undelivered_referrals > before
    assert STATUS.last_undelivered_referral > 0


def test_one_message_is_screened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    find = Screen.find
    monkeypatch.setattr(Screen, "find", lambda self, text: looks.append(text) or find(self, text))

    async def owed(text: str) -> list[str]:
        return intake.owed(text)

    async def handling() -> None:
        intake.screened(FINDING)
        assert await asyncio.ensure_future(owed(FINDING)) == ["utter_referral/suspicious_finding"]
        # Another text is looked at anew.
        assert intake.owed("what is vitamin k2") == []

    asyncio.run(handling())
    assert looks == [FINDING, "what is vitamin k2"]
    # The next message with the same words is another message.
    asyncio.run(handling())
    assert len(looks) == 4
