"""What is remembered, and when two referrals are the same."""

from __future__ import annotations

import pytest

from calla.plan import Plan, Referral, not_yet_given, owed_by, reduced, referral_name, screened
from calla.understanding.memory import ACUTE_TURNS, FINDING_TURNS, OFFER_TURNS, TOPIC_TURNS, Memory


def referral(kind: str, name: str = "") -> Referral:
    return Referral(name or kind, kind, f"utter_referral/{name or kind}", "screen")


@pytest.mark.parametrize(
    ("kinds", "kept"),
    [
        (["planned", "urgent", "prescriber"], ["urgent", "prescriber"]),
        (["urgent", "emergency", "planned"], ["emergency"]),
        (["urgent", "crisis", "planned", "prescriber"], ["crisis", "urgent"]),
        (["crisis", "emergency"], ["emergency", "crisis"]),
        (["urgent", "urgent"], ["urgent"]),
        (["planned"], ["planned"]),
        ([], []),
    ],
)
def test_referrals_are_ordered_and_reduced(kinds: list[str], kept: list[str]) -> None:
    assert [r.kind for r in reduced([referral(kind, f"{kind}{i}") for i, kind in enumerate(kinds)])] == kept


def test_a_referral_is_the_same_in_full_in_short_and_in_another_language() -> None:
    names = ["utter_referral/emergency", "utter_referral_short/emergency", "utter_referral_es/emergency"]
    assert {referral_name(name) for name in names} == {"emergency"}
    assert not_yet_given(["utter_referral/emergency"], ["utter_referral_short/emergency"]) == []
    assert not_yet_given(["utter_referral/emergency"], ["utter_faq/emergency"]) == ["utter_referral/emergency"]


def test_a_plan_is_kept_and_read_again() -> None:
    plan = Plan("referral", [referral("urgent")], ["utter_faq/x"], ["y"], "x", {"topic": "x"})
    assert Plan.read(plan.as_dict()) == plan
    assert Plan.read(None) is None


def test_what_is_owed_without_a_plan_is_what_the_rules_find() -> None:
    assert owed_by({"text": "I found a lump in my breast"}) == ["utter_referral/red_flag_symptom"]
    assert owed_by({"text": "hello"}) == []
    assert owed_by({"text": "x", "intent": {"name": "referral/emergency"}}) == ["utter_referral/emergency"]
    assert screened("I have crushing chest pain and found a lump") == ["utter_referral/emergency"]


def test_memory_expires() -> None:
    memory = Memory("t", 0, ("a",), 0, {"emergency": 0, "red_flag_symptom": 0}, {}, ())
    seen: dict[str, int] = {}
    for turn in range(1, TOPIC_TURNS + 3):
        memory = memory.aged()
        for name, there in (
            ("topic", memory.topic),
            ("offers", memory.offers),
            ("acute", memory.acute()),
            ("findings", memory.findings()),
        ):
            if there:
                seen[name] = turn
    assert seen == {"topic": TOPIC_TURNS, "offers": OFFER_TURNS, "acute": ACUTE_TURNS, "findings": FINDING_TURNS}


def test_memory_survives_its_slot() -> None:
    memory = Memory("t", 1, ("a", "b"), 0, {"emergency": 2}, {"emergency": 3}, ("utter_x",))
    assert Memory.read(memory.as_dict()) == memory
    assert Memory.read(None) == Memory()
    assert Memory.read({"unknown": 1}) == Memory()


def test_topics_before_the_last_are_remembered_the_latest_first_each_once() -> None:
    memory = Memory()
    for topic in ("biopsy", "biopsy.pain", "clip", "sleep", None, "biopsy.scar", "diet"):
        memory = memory.aged().after(topic=topic, offers=[], anew=[], given={}, said=[])
    assert memory.topic == "diet" and memory.earlier == ("biopsy", "sleep", "clip")
    assert Memory.read(memory.as_dict()) == memory
    for _ in range(TOPIC_TURNS + 1):
        memory = memory.aged()
    assert memory.topic is None and not memory.earlier
