"""The straight line from reading to plan, with scores made by hand."""

from __future__ import annotations

from typing import Any, Mapping

import pytest

from calla.plan import Plan
from calla.safety.screen import Finding
from calla.understanding import answering
from calla.understanding.decision import after_danger, decide
from calla.understanding.judgement import Judging
from calla.understanding.memory import Memory
from calla.understanding.reading import read
from calla.understanding.urgency import Before, completed, told
from tests.understanding.hand_made import catalogue, models, weights

LUMP = Finding("red_flag_symptom", "urgent", "lump")


def plan_of(
    text: str,
    asked_for: Mapping[str, Any],
    owed: Mapping[str, str] | None = None,
    *,
    findings: tuple[Finding, ...] = (),
    memory: Memory | None = None,
) -> Plan:
    return decide(read(text), findings, models(asked_for, owed), weights(), catalogue(), (memory or Memory()).aged())


def after(plan: Plan) -> Memory:
    return Memory.read(plan.memory)


def referrals(plan: Plan) -> list[str]:
    return [referral.response for referral in plan.referrals]


def test_a_question_gets_its_answer() -> None:
    plan = plan_of("what are oats", {"what are oats": "faq/oats"})
    assert plan.responses == ["utter_faq/oats"] and not plan.referrals
    assert plan.topic == "oats" and plan.offers[0] == "butter"


def test_a_detail_that_is_sure_is_answered_and_its_siblings_are_offered() -> None:
    plan = plan_of("how many oats", {"how many oats": "faq/oats.dose"})
    assert plan.responses == ["utter_faq/oats.dose"]
    assert "oats.storage" in plan.offers


def test_an_unsure_detail_gives_the_overview_with_the_likeliest_on_buttons() -> None:
    split = {"faq/oats.dose": 0.4, "faq/oats.storage": 0.35, "faq/oats": 0.2}
    plan = plan_of("oats then", {"oats then": split})
    assert plan.responses == ["utter_faq/oats"]
    assert plan.offers[:2] == ["oats.dose", "oats.storage"]


def test_a_danger_in_a_clause_is_referred_and_the_question_answered() -> None:
    text = "are oats fine, mine is leaking"
    plan = plan_of(text, {text: "faq/oats", "are oats fine": "faq/oats"}, {"mine is leaking": "red_flag_symptom"})
    assert referrals(plan) == ["utter_referral/red_flag_symptom"]
    assert plan.responses == ["utter_faq/oats"]
    assert plan.outcome == "referral"


def test_what_is_answered_behind_a_referral_may_be_what_was_answered_a_moment_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answering, "_behind", lambda *_: [catalogue().topics["oats"]])
    judging, memory = Judging(models({}), weights()), Memory(topic="oats").aged()
    plan = answering.plan_answer(read("there is a lump"), [], judging, catalogue(), memory, owes=True)
    assert plan.responses == ["utter_faq/oats"]


def test_a_rule_alone_suffices() -> None:
    plan = plan_of("oats and a lump", {"oats and a lump": "faq/oats"}, findings=(LUMP,))
    assert referrals(plan) == ["utter_referral/red_flag_symptom"]


def test_what_is_denied_is_not_referred() -> None:
    plan = plan_of("no lump, are oats fine", {"no lump, are oats fine": "faq/oats"}, {"no lump": "red_flag_symptom"})
    assert not plan.referrals


@pytest.mark.parametrize("kind", ["emergency", "emotional_crisis"])
def test_nothing_follows_an_emergency_or_a_crisis(kind: str) -> None:
    text = "are oats fine, it happens now"
    plan = plan_of(text, {text: "faq/oats"}, {"it happens now": kind})
    # Outside the field by every other sign: the model alone gives no acute text.
    assert not plan.referrals
    inside = {text: {"faq/oats": 0.7}, "it happens now": {"faq/oats": 0.7}}
    plan = plan_of(text, inside, {"it happens now": kind, text: kind})
    assert referrals(plan) == [f"utter_referral/{kind}"] and not plan.responses and not plan.offers


def test_after_an_emergency_the_next_message_is_one_unless_it_is_plainly_about_something_else() -> None:
    memory = Memory(dangers={"emergency": 0}, in_full={"emergency": 0})
    plan = plan_of("can it wait", {}, memory=memory)
    assert referrals(plan) == ["utter_referral_short/emergency"] and not plan.responses
    plan = plan_of("what are oats", {"what are oats": "faq/oats"}, memory=memory)
    assert not plan.referrals and plan.responses == ["utter_faq/oats"]


def test_right_after_an_emergency_what_to_take_is_no_other_matter() -> None:
    """After an overdose of warfarin the foods with vitamin K used to be listed, as if they were the cure."""
    asked_for = {"which foods have butter": "faq/butter"}
    plan = plan_of(
        "which foods have butter", asked_for, memory=Memory(dangers={"emergency": 0}, in_full={"emergency": 0})
    )
    assert referrals(plan) == ["utter_referral_short/emergency"] and not plan.responses
    plan = plan_of(
        "which foods have butter", asked_for, memory=Memory(dangers={"emergency": 2}, in_full={"emergency": 2})
    )
    assert not plan.referrals and plan.responses == ["utter_faq/butter"]
    # Nor is it one while each message still gets the emergency's text ("she seems fine though").
    memory = Memory(dangers={"emergency": 2}, in_full={"emergency": 2}, said=("utter_referral_short/emergency",))
    plan = plan_of("which foods have butter", asked_for, memory=memory)
    assert referrals(plan) == ["utter_referral_short/emergency"] and not plan.responses


def test_two_turns_after_an_emergency_a_plain_question_is_answered() -> None:
    """Whatever leant on anything, or spoke of anybody, got the emergency's text for the rest of the talk."""
    memory = Memory(dangers={"emergency": 1}, in_full={"emergency": 1})
    text = "and can I give her some of that?"
    asked_for = {text: "faq/oats"}
    plan = plan_of(text, asked_for, memory=memory)
    assert not plan.referrals and plan.responses == ["utter_faq/oats"]
    # Another finding of its own comes first, and then the answer.
    plan = plan_of(text, asked_for, memory=memory, findings=(LUMP,))
    assert referrals(plan) == ["utter_referral/red_flag_symptom"] and plan.responses == ["utter_faq/oats"]
    # What asks nothing is no other matter, nor what makes light of it.
    held = ["utter_referral_short/emergency"]
    assert referrals(plan_of("I had oats", {"I had oats": "faq/oats"}, memory=memory)) == held
    assert referrals(plan_of("is that bad?", {"is that bad?": "faq/butter"}, memory=memory)) == held


def test_an_emergency_is_over_six_turns_after_the_last_message_that_was_one() -> None:
    memory = Memory(dangers={"emergency": 0}, in_full={"emergency": 0})
    for turn in range(7):
        plan = plan_of("can it wait", {}, memory=memory)
        assert bool(plan.referrals) == (turn < 6)
        memory = after(plan)


def test_what_is_said_now_comes_before_what_is_remembered() -> None:
    text = "oats make me want to end it"
    memory = Memory(dangers={"emergency": 0}, in_full={"emergency": 0})
    plan = plan_of(text, {text: "faq/oats"}, {text: "emotional_crisis"}, memory=memory)
    assert referrals(plan) == ["utter_referral/emotional_crisis", "utter_referral_short/emergency"]


def test_whoever_chooses_so_ends_an_emergency_and_nothing_else() -> None:
    """A false start answered nothing else for six turns."""
    open_now = {"emergency": 1, "red_flag_symptom": 1}
    memory = Memory(dangers=open_now, in_full=open_now, said=("utter_referral_short/emergency",))
    plan = plan_of("no danger now!", {}, memory=memory)
    assert plan.responses == ["utter_danger_over"] and not plan.referrals
    assert set(after(plan).dangers) == set(after(plan).in_full) == {"red_flag_symptom"}
    # Said in other words it is what people say who should not wait.
    plan = plan_of("there is no danger now, really", {}, memory=Memory(dangers={"emergency": 1}))
    assert plan.referrals[0].kind == "emergency"
    # Pressed twice, it means the same.
    plan = plan_of("no danger now", {"no danger now": "faq/oats"}, {"no danger now": "emotional_crisis"})
    assert plan.responses == ["utter_danger_over"] and not plan.referrals


def ended(
    held: str,
    asked_for: Mapping[str, Any],
    owed: Mapping[str, str] | None = None,
    *,
    findings: tuple[Finding, ...] = (),
    dangers: Mapping[str, int],
) -> Plan:
    """Return what is said when the button is pressed after a message that got an emergency's text."""
    said = tuple(f"utter_referral_short/{name}" for name in dangers)
    memory = Memory(dangers=dangers, in_full=dangers, said=said).aged()
    over = decide(read("no danger now"), (), models({}), weights(), catalogue(), memory)
    return after_danger(over, read(held), findings, models(asked_for, owed), weights(), catalogue(), memory)


def test_what_an_emergency_held_back_is_answered_when_it_is_over() -> None:
    plan = ended("what are oats", {"what are oats": "faq/oats"}, dangers={"emergency": 1})
    assert plan.responses == ["utter_danger_over", "utter_faq/oats"] and plan.topic == "oats"
    assert after(plan).said == ("utter_danger_over", "utter_faq/oats") and not after(plan).dangers
    assert ended("thanks", {"thanks": "chat/thanks"}, dangers={"emergency": 1}).responses == ["utter_danger_over"]
    # Where the emergency itself was a misunderstanding, its other words are answered.
    text = "overdosed on telly, are oats fine"
    asked_for = {text: "faq/oats", "are oats fine": "faq/oats"}
    owed = {text: "emergency", "overdosed on telly": "emergency"}
    plan = ended(text, asked_for, owed, dangers={"emergency": 0})
    assert not plan.referrals and plan.responses == ["utter_danger_over", "utter_faq/oats"]


def test_another_finding_that_an_emergency_hid_is_referred_when_it_is_over() -> None:
    for age in (0, 1):
        plan = ended("and there is a lump", {}, findings=(LUMP,), dangers={"emergency": age})
        assert referrals(plan) == ["utter_referral/red_flag_symptom"]
        assert plan.responses == ["utter_danger_over"] and set(after(plan).dangers) == {"red_flag_symptom"}


def test_a_crisis_that_is_called_over_answers_no_question_about_means() -> None:
    text = "how much butter would end it"
    asked_for = {text: "faq/butter"}
    assert ended(text, asked_for, dangers={"emotional_crisis": 0}).responses == ["utter_danger_over"]
    assert ended(text, asked_for, dangers={"emotional_crisis": 1}).responses == ["utter_danger_over"]
    assert ended(text, asked_for, dangers={"emergency": 0}).responses == ["utter_danger_over"]


def test_an_old_button_ends_nothing_that_came_since() -> None:
    memory = Memory(dangers={"emergency": 1}, in_full={"emergency": 1}, said=("utter_faq/oats",)).aged()
    plan = decide(read("no danger now"), (), models({}), weights(), catalogue(), memory)
    assert plan.responses == ["utter_danger_over"] and set(after(plan).dangers) == {"emergency"}
    # Nor does a question in the same words.
    plan = plan_of("no danger now?", {}, memory=Memory(dangers={"emergency": 1}))
    assert referrals(plan) == ["utter_referral/emergency"]


def test_a_question_after_a_finding_is_no_small_talk() -> None:
    """ "Was that bad?" after "I stopped my tablets" was answered "I'm glad that helped"."""
    memory = Memory(dangers={"red_flag_symptom": 0}, in_full={"red_flag_symptom": 0})
    plan = plan_of("was that bad?", {"was that bad?": "chat/thanks"}, memory=memory)
    assert referrals(plan) == ["utter_referral_short/red_flag_symptom"] and not plan.responses
    assert not plan_of("thanks", {"thanks": "chat/thanks"}, memory=memory).referrals


def test_the_memory_of_an_emergency_expires() -> None:
    memory = Memory(dangers={"emergency": 0}, in_full={"emergency": 0})
    for _ in range(7):
        memory = memory.aged()
    assert not plan_of("can it wait", {}, memory=memory).referrals


def test_a_remark_about_an_open_finding_is_about_it_and_is_not_reassured() -> None:
    memory = Memory(dangers={"red_flag_symptom": 0}, in_full={"red_flag_symptom": 0})
    plan = plan_of("is that common", {"is that common": "faq/butter"}, memory=memory)
    assert referrals(plan) == ["utter_referral_short/red_flag_symptom"] and not plan.responses


def test_whoever_has_a_date_hears_of_it_again_only_before_what_would_reassure() -> None:
    """After "my biopsy is on Friday" each short practical question got "keep your appointment" once more."""
    memory = Memory(dangers={"appointment": 0}, in_full={"appointment": 0})
    plan = plan_of("does it keep", {"does it keep": "faq/oats.storage"}, memory=memory)
    assert not plan.referrals and plan.responses == ["utter_faq/oats.storage"]
    plan = plan_of("is that common", {"is that common": "faq/butter"}, memory=memory)
    assert referrals(plan) == ["utter_referral/appointment"] and not plan.responses


def test_a_remark_is_heard_and_what_is_near_the_last_answer_is_offered() -> None:
    plan = plan_of("my aunt keeps hens", {"my aunt keeps hens": "chat/remark"}, memory=Memory(topic="oats.dose"))
    assert plan.responses == ["utter_chat/remark"] and plan.offers[0] == "oats.storage" and not plan.referrals
    assert after(plan).topic == "oats.dose"
    assert not plan_of("my aunt keeps hens", {"my aunt keeps hens": "chat/remark"}).offers


@pytest.mark.parametrize("text", ["it went bigger", "still tender", "both sides now", "bleeding again"])
def test_a_remark_about_an_open_finding_is_no_small_talk(text: str) -> None:
    memory = Memory(topic="oats.dose", dangers={"red_flag_symptom": 0}, in_full={"red_flag_symptom": 0})
    plan = plan_of(text, {text: "chat/remark"}, memory=memory)
    assert referrals(plan) == ["utter_referral_short/red_flag_symptom"]
    assert not plan.responses and "oats.storage" not in plan.offers


@pytest.mark.parametrize("name", ["red_flag_symptom", "suspicious_finding"])
def test_bleeding_after_a_biopsy_is_for_whoever_took_the_sample(name: str) -> None:
    """ "Today or the next working day" is too late for an infected wound, also beside another finding."""
    text = "it bleeds where they took it"
    found = Finding(name, "urgent", "lump")
    plan = plan_of(text, {text: "faq/biopsy.bleeding"}, findings=(found,))
    assert referrals(plan) == ["utter_referral/after_biopsy"]
    assert plan.responses == ["utter_faq/biopsy.bleeding"]
    memory = Memory(dangers={name: 0}, in_full={name: 0})
    later = plan_of("it bleeds", {"it bleeds": "faq/biopsy.bleeding"}, memory=memory)
    assert referrals(later) == ["utter_referral/after_biopsy"]


def test_a_spot_that_was_told_of_stays_open() -> None:
    text = "it bleeds where they took it"
    plan = plan_of(text, {text: "faq/biopsy.bleeding"}, findings=(LUMP,))
    assert "after_biopsy" in after(plan).dangers and after(plan).named is None
    assert referrals(plan_of("it is getting bigger", {}, memory=after(plan))) == ["utter_referral/after_biopsy"]


def test_a_date_does_not_hide_an_older_finding() -> None:
    memory = Memory(dangers={"appointment": 0, "red_flag_symptom": 1}, in_full={})
    assert referrals(plan_of("does it hurt", {}, memory=memory)) == ["utter_referral/red_flag_symptom"]


def test_a_plain_question_after_a_finding_is_answered() -> None:
    """ "What should I wear" after "I don't want the biopsy" used to get the referral once more and nothing else."""
    memory = Memory(dangers={"red_flag_symptom": 0}, in_full={"red_flag_symptom": 0})
    plan = plan_of("what size is there", {"what size is there": "faq/oats.storage"}, memory=memory)
    assert not plan.referrals and plan.responses == ["utter_faq/oats.storage"]
    plan = plan_of("does it keep", {"does it keep": "faq/oats.storage"}, memory=memory)
    assert referrals(plan) == ["utter_referral_short/red_flag_symptom"]
    assert plan.responses == ["utter_faq/oats.storage"]


def test_what_a_finding_names_is_what_it_stands_for() -> None:
    """ "Does it need treatment?" after "my letter says DCIS" was a question about calcifications."""
    text = "the biopsy worries them"
    finding = Finding("suspicious_finding", "urgent", "biopsy")
    plan = plan_of(text, {text: {"chat/thanks": 0.7, "faq/biopsy": 0.25}}, findings=(finding,))
    assert after(plan).named == "biopsy"
    asked_for = {"does the biopsy keep": "faq/biopsy"}
    assert plan_of("does it keep?", asked_for, memory=after(plan)).topic == "biopsy"
    assert plan_of("does it keep?", asked_for).topic is None
    symptom = plan_of(text, {text: {"chat/thanks": 0.7, "faq/biopsy": 0.25}}, findings=(LUMP,))
    assert after(symptom).named is None


def test_is_that_bad_does_not_get_the_neighbour_of_the_last_answer() -> None:
    """After "pleomorphic", "is that bad" was answered with the figures for "amorphous"."""
    memory = Memory(topic="oats.dose")
    near = {"is that bad": {"faq/oats.dose": 0.9, "faq/oats.storage": 0.07}}
    assert "utter_faq/oats.storage" not in plan_of("is that bad", near, memory=memory).responses
    asked_for = {"is that kept cool": {"faq/oats.dose": 0.9, "faq/oats.storage": 0.07}}
    assert plan_of("is that kept cool", asked_for, memory=memory).responses == ["utter_faq/oats.storage"]


def test_a_short_referral_is_no_short_one_for_ever() -> None:
    plan = plan_of("a lump", {}, findings=(LUMP,))
    given = [referrals(plan)[0]]
    for _ in range(6):
        plan = plan_of("a lump", {}, findings=(LUMP,), memory=after(plan))
        given.append(referrals(plan)[0])
    assert given[1] == "utter_referral_short/red_flag_symptom"
    assert given.count("utter_referral/red_flag_symptom") >= 2


def test_the_line_before_a_words_meaning_comes_only_without_a_finding_of_ones_own() -> None:
    text = "what is a mass"
    assert referrals(plan_of(text, {text: "faq/words.mass"})) == ["utter_referral/word"]
    plan = plan_of(text, {text: "faq/words.mass"}, findings=(LUMP,))
    assert referrals(plan) == ["utter_referral/red_flag_symptom"]
    assert plan.responses == ["utter_faq/words.mass"]


def test_a_general_question_may_name_people_where_it_is_clear_what_is_asked() -> None:
    """ "As they say": no report of theirs, if nothing in it sounds like a danger."""
    finding = Finding("suspicious_finding", "urgent", "word")
    text = "what is a mass as they say"
    assert referrals(plan_of(text, {text: "faq/words.mass"}, findings=(finding,))) == ["utter_referral/word"]
    owed = {text: "suspicious_finding"}
    assert referrals(plan_of(text, {text: "faq/words.mass"}, owed, findings=(finding,)))[0] == (
        "utter_referral/suspicious_finding"
    )


def test_a_hint_of_an_emergency_counts_where_it_is_sure_that_something_is_owed() -> None:
    """ "I OD'd on magnesium": the model hears a danger, and takes it for a question of medicines."""
    hint = Finding("emergency", "emergency", "overdose", True)
    text = "i od'd on oats"
    assert referrals(plan_of(text, {}, {text: "medicines"}, findings=(hint,))) == ["utter_referral/emergency"]
    assert "utter_referral/emergency" not in referrals(plan_of(text, {}, findings=(hint,)))


def test_probably_benign_gets_the_calm_text() -> None:
    finding = Finding("suspicious_finding", "urgent", "category")
    assert referrals(plan_of("mine is BI-RADS 3", {}, findings=(finding,))) == ["utter_referral/probably_benign"]
    assert referrals(plan_of("mine is BI-RADS 4", {}, findings=(finding,))) == ["utter_referral/suspicious_finding"]


@pytest.mark.parametrize("text", ["2", "the second one", "bad", "number two please"])
def test_what_was_offered_is_picked_by_number_place_or_words(text: str) -> None:
    plan = plan_of(text, {}, memory=Memory(offers=("oats", "butter")))
    assert plan.responses == ["utter_faq/butter"]


def test_what_was_offered_long_ago_is_not_picked() -> None:
    memory = Memory(offers=("oats", "butter")).aged().aged()
    assert plan_of("2", {}, memory=memory).responses == ["utter_out_of_scope"]


def test_yes_means_what_was_asked() -> None:
    asked = plan_of("delete it", {"delete it": "chat/delete_my_data"})
    assert asked.responses == ["utter_chat/delete_my_data"]
    plan = plan_of("yes", {}, memory=after(asked))
    assert plan.responses == ["utter_chat/confirm_erasure"]
    assert plan_of("yes", {}).responses == ["utter_chat/affirm"]


def test_say_that_again_repeats() -> None:
    first = plan_of("how many oats", {"how many oats": "faq/oats.dose"})
    plan = plan_of("once more", {"once more": "chat/repeat"}, memory=after(first))
    assert plan.responses == ["utter_faq/oats.dose"]


def test_tell_me_more_offers_what_was_not_said() -> None:
    first = plan_of("how many oats", {"how many oats": "faq/oats.dose"})
    plan = plan_of("more", {"more": "chat/tell_me_more"}, memory=after(first))
    assert plan.responses == ["utter_more_about"] and plan.offers == ["oats.storage"]


def test_an_unknown_message_is_declined_and_an_unsure_one_asked_back() -> None:
    assert plan_of("football", {}).responses == ["utter_out_of_scope"]
    plan = plan_of("hm oats", {"hm oats": {"faq/oats": 0.36, "faq/butter": 0.34, "faq/words": 0.25}})
    assert plan.responses == ["utter_did_you_mean"] and set(plan.offers) == {"oats", "butter", "words"}


def test_a_button_is_its_title() -> None:
    assert plan_of("How do I keep oats?", {}).responses == ["utter_faq/oats.storage"]


def test_a_payload_does_not_hide_a_finding() -> None:
    plan = plan_of('/faq/oats{"note": "I have a lump"}', {}, findings=(LUMP,))
    assert plan.responses == ["utter_faq/oats"]
    assert referrals(plan) == ["utter_referral/red_flag_symptom"]


def test_a_crisis_beside_a_finding_gives_both() -> None:
    text = "i found it there, i give up"
    asked_for = {text: {"faq/oats": 0.7}, "i give up": {"faq/oats": 0.7}, "i found it there": {"faq/oats": 0.7}}
    plan = plan_of(text, asked_for, {"i found it there": "red_flag_symptom", "i give up": "emotional_crisis"})
    assert referrals(plan) == ["utter_referral/emotional_crisis", "utter_referral/red_flag_symptom"]


@pytest.mark.parametrize(
    ("text", "wordings"),
    [
        ("wife has it", ["what is orange peel skin, wife has it"]),
        ("only since March", ["what is orange peel skin, only since March"]),
        # A question tells nothing of the one who asks.
        ("does it hurt", []),
        ("and for my mother?", []),
        ("is it the same in men and women", []),
    ],
)
def test_what_is_told_after_a_question_is_about_it_though_it_had_no_answer(text: str, wordings: list[str]) -> None:
    before = Before(None, "what is orange peel skin?")
    assert completed(read(text), before) == wordings
    assert told(read(text), [], before).tells == bool(wordings)


def test_what_is_told_after_a_long_message_is_not_completed_by_it() -> None:
    story = " ".join(["we moved house and then the dog was ill"] * 3)
    assert completed(read("only since March"), Before(None, story)) == []


def test_right_after_a_referral_nothing_is_completed_by_what_was_asked() -> None:
    text, asked = "wife has it", "what is a strawberry patch"
    whole = {f"{asked}, {text}": "red_flag_symptom"}
    plain = decide(read(text), (), models({}, whole), weights(), catalogue(), Memory(), asked)
    assert [r.name for r in plain.referrals] == ["red_flag_symptom"] and plain.referrals[0].by == "model"
    referred = Memory(dangers={"medicines": 0}, said=("utter_referral/medicines",)).aged()
    plan = decide(read(text), (), models({}, whole), weights(), catalogue(), referred, asked)
    assert all(r.by != "model" for r in plan.referrals)


def test_words_that_leave_no_doubt_are_referred_though_the_model_hears_no_name_for_it() -> None:
    """ "kms": something is owed, an emergency it is not by the model's weights; the rule says what."""
    crisis = Finding("emotional_crisis", "crisis", "suicide_word")
    doubtful = weights()
    doubtful.weights["acute"] = {name: -9.0 * (name == "bias") for name in doubtful.weights["acute"]}
    plan = decide(read("kms"), (crisis,), models({}), doubtful, catalogue(), Memory())
    assert [r.name for r in plan.referrals] == ["emotional_crisis"]
