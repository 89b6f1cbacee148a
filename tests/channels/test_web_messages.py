"""What the widget is sent: contacts to tap, titles, times, and history in pieces."""

from __future__ import annotations

from typing import Any

from rasa.shared.core.events import BotUttered, UserUttered

from calla.channels.web.messages import HISTORY_TURNS, RATINGS, before_turn, bot_message, history

FINDING = "utter_referral/suspicious_finding"


def turns(number: int) -> list[Any]:
    """Return the events of a conversation of so many turns."""
    events: list[Any] = []
    for n in range(number):
        events.append(UserUttered(f"question {n}", message_id=f"turn-{n:04}", timestamp=1000.0 + n))
        events.append(BotUttered(f"answer {n}", {}, {"utter_action": "utter_faq/what_is_mk7"}))
    return events


def test_a_message_brings_its_title_and_whom_to_call() -> None:
    contact = {"label": "112", "kind": "tel", "value": "112", "more": "left out"}
    sent = bot_message("t", {"utter_action": FINDING, "metadata": {"title": "A title", "contacts": [contact]}}, ())
    assert sent["title"] == "A title"
    assert sent["contacts"] == [{"label": "112", "kind": "tel", "value": "112"}]
    assert "contacts" not in bot_message("t", {"utter_action": FINDING}, ())


def test_a_message_of_a_person_says_so() -> None:
    sent = bot_message("t", {"utter_action": "utter_x", "metadata": {"person": "Kim, nurse"}}, ())
    assert sent["person"] == "Kim, nurse"


def test_history_tells_when_a_message_was_written() -> None:
    assert [turn["time"] for turn in history(turns(2))] == [1000, 1001]


def test_history_comes_in_pieces_without_gap_or_overlap() -> None:
    events, seen, before = turns(50), [], None
    while piece := history(before_turn(events, before)):
        assert len(piece) <= HISTORY_TURNS
        seen[:0] = [turn["id"] for turn in piece]
        before = piece[0]["id"]
    assert seen == [f"turn-{n:04}" for n in range(50)]


def test_every_reason_of_a_thumb_is_below_zero() -> None:
    assert {RATINGS["up"], RATINGS["none"]} == {1, 0}
    reasons = [value for word, value in RATINGS.items() if word not in ("up", "none")]
    assert max(reasons) < 0 and len(set(reasons)) == len(reasons)
