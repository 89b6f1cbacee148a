"""After an edit learning goes on from what was learned before, and knows what was edited."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import pytest

from calla.catalogue import Catalogue
from calla.nlu.understanding import Understanding, learned_before
from calla.understanding.learning import Example, Learned, learn, taught_by

# A hundred topics of fifteen questions each, every question with the topic's word and two others.
TOPICS, QUESTIONS = 100, 15
DANGER = "referral/red_flag_symptom"
SETTINGS = {**Understanding.get_default_config(), "hidden": 32, "spelling_dimensions": 20}


def response(title: str, **metadata: Any) -> list[dict[str, Any]]:
    return [{"text": f"{title}.", "metadata": {"title": title, **metadata}}]


RESPONSES = {
    **{f"utter_faq/topic{n}": response(f"Topic {n}") for n in range(TOPICS + 1)},
    "utter_faq/topic0.detail": response("A detail"),
    f"utter_{DANGER}": response("See a doctor", kind="urgent"),
}


def word(name: str) -> str:
    """Return a word that nobody else has."""
    return "".join(chr(97 + int(c, 16)) for c in hashlib.sha256(name.encode()).hexdigest()[:7])


def questions(topic: str, count: int = QUESTIONS) -> list[Example]:
    return [
        Example(f"what is {word(topic)}, and {word(f'{topic} {n}')} {word(f'other {n}')}", f"faq/{topic}")
        for n in range(count)
    ]


DANGERS = [Example(f"my nipple bleeds, {word(f'danger {n}')} says", DANGER) for n in range(60)]
EXAMPLES = [*(each for n in range(TOPICS) for each in questions(f"topic{n}")), *DANGERS]


def encode(texts: Sequence[str]) -> np.ndarray:
    """Give each word a direction, and each text the sum of its words, of length 1."""
    rows = []
    for text in texts:
        seeds = [int(hashlib.sha256(each.encode()).hexdigest()[:8], 16) for each in text.split()]
        row = sum((np.random.default_rng(seed).standard_normal(64) for seed in seeds), np.zeros(64))
        rows.append(row / (np.linalg.norm(row) or 1.0))
    return np.array(rows, dtype=np.float32)


@pytest.fixture(scope="module")
def before() -> Learned:
    return learn(EXAMPLES, RESPONSES, encode, SETTINGS)


def answered(learned: Learned, text: str) -> str:
    scores = learned.topics.score([text], encode([text]))
    return learned.topics.details[int(scores.details[0].argmax())]


def owing(learned: Learned, text: str) -> float:
    return float(learned.urgency.score([text], encode([text])).odds[0])


def test_a_detail_that_was_added_is_known_and_the_others_still_are(before: Learned) -> None:
    more = questions("topic0.detail", 14)
    edited = [*EXAMPLES, *more]
    assert before.is_near(edited, RESPONSES)
    learned = learn(edited, RESPONSES, encode, SETTINGS, before)
    assert [answered(learned, each.text) for each in more] == ["faq/topic0.detail"] * 14
    assert [answered(learned, each.text) for each in EXAMPLES[:150]] == [each.label for each in EXAMPLES[:150]]
    # Whoever adds an answer changes no referral.
    assert learned.urgency is before.urgency


def test_a_question_that_moved_to_another_topic_is_known_there(before: Learned) -> None:
    moved, *others = EXAMPLES
    learned = learn([moved._replace(label="faq/topic7"), *others], RESPONSES, encode, SETTINGS, before)
    assert answered(learned, moved.text) == "faq/topic7"


def test_a_danger_that_it_does_not_know_is_learned(before: Learned) -> None:
    new = [Example(f"{word('strange')} {word('danger')} {word(f'new {n}')}", DANGER) for n in range(14)]
    assert owing(before, new[0][0]) < 0
    learned = learn([*EXAMPLES, *new], RESPONSES, encode, SETTINGS, before)
    assert learned.urgency is not before.urgency
    assert all(owing(learned, each.text) > 0 for each in new)
    assert all(owing(learned, each.text) > 0 for each in DANGERS)


def test_much_that_changed_is_learned_anew(before: Learned, tmp_path: Path) -> None:
    kept = tmp_path / "learned.pickle"
    kept.write_bytes(pickle.dumps(before))
    assert before.is_near(EXAMPLES, RESPONSES) and learned_before(kept, EXAMPLES[5:], RESPONSES) is not None
    assert learned_before(kept, [*EXAMPLES, *questions("topic100"), *questions("topic0.detail")], RESPONSES) is None
    assert learned_before(kept, EXAMPLES[30:], RESPONSES) is None


def test_what_a_topic_owes_is_learned_though_its_questions_stay(before: Learned) -> None:
    responses = RESPONSES | {"utter_faq/topic3": response("Topic 3", referral="always", referral_to="medicines")}
    learned = learn(EXAMPLES, responses, encode, SETTINGS, before)
    assert learned.urgency is not before.urgency
    own = [each.text for each in EXAMPLES if each.label == "faq/topic3"]
    assert all(owing(learned, text) > owing(before, text) + 1 for text in own)


def test_words_that_owe_more_than_their_topic_say_so(before: Learned) -> None:
    report = [each._replace(owes="red_flag_symptom") for each in questions("topic5", 40)[QUESTIONS:]]
    assert all(owing(before, each.text) < 0 for each in report)
    learned = learn([*EXAMPLES, *report], RESPONSES, encode, SETTINGS)
    assert all(owing(learned, each.text) > 0 and answered(learned, each.text) == each.label for each in report)


def test_a_turn_of_a_talk_teaches_what_it_means_after_what_was_answered(before: Learned) -> None:
    talks = [
        Example(f"{word(f'long {n}')} does that take", f"faq/topic{10 - after}", after=f"faq/topic{after}")
        for n in range(12)
        for after in (1, 2)
    ]
    learned = learn([*EXAMPLES, *talks], RESPONSES, encode, SETTINGS)
    asked = {after: f"{word('long 3')} does Topic {after} take" for after in (1, 2)}
    assert {after: answered(learned, text) for after, text in asked.items()} == {1: "faq/topic9", 2: "faq/topic8"}
    # Alone it is nobody's question; that it owes nothing is learned all the same.
    taught = taught_by(talks[:1], Catalogue(RESPONSES))
    assert [(each.label, each.owed) for each in taught] == [("faq/topic9", "none"), (None, "none")]


def test_learning_goes_on_where_talks_teach_more_than_there_are_examples() -> None:
    talks = [
        Example(f"{word(f'long {n}')} does that take", f"faq/topic{n % 9}", after=f"faq/topic{n % 7}")
        for n in range(60)
    ]
    before = learn([*talks, *EXAMPLES], RESPONSES, encode, SETTINGS)
    more = questions("topic0.detail", 14)
    assert before.is_near([*talks, *EXAMPLES, *more], RESPONSES)
    learned = learn([*talks, *EXAMPLES, *more], RESPONSES, encode, SETTINGS, before)
    assert [answered(learned, each.text) for each in more] == ["faq/topic0.detail"] * 14


def test_another_subject_makes_other_wordings() -> None:
    talk = [Example(f"{word(f'long {n}')} does that take", "faq/topic9", after="faq/topic1") for n in range(30)]
    before = learn([*talk, *EXAMPLES], RESPONSES, encode, SETTINGS)
    renamed = RESPONSES | {"utter_faq/topic1": response("Another title")}
    assert before.is_near([*talk, *EXAMPLES], RESPONSES) and not before.is_near([*talk, *EXAMPLES], renamed)


@pytest.mark.parametrize("content", [b"", b"half a pick", pickle.dumps("no model")[:-4]])
def test_what_cannot_be_read_is_learned_anew(tmp_path: Path, content: bytes) -> None:
    kept = tmp_path / "learned.pickle"
    assert learned_before(kept, EXAMPLES, RESPONSES) is None
    kept.write_bytes(content)
    assert learned_before(kept, EXAMPLES, RESPONSES) is None
