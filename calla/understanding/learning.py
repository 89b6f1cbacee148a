"""What is learned from the examples: spelling, topics and details, urgency."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from calla.catalogue import FAQ, OUT_OF_SCOPE, REFERRAL, Catalogue
from calla.safety.screen import load_screen
from calla.text import clean
from calla.understanding.context import speaks_of_a_person
from calla.understanding.grams import letters_of_words
from calla.understanding.spelling import Spelling
from calla.understanding.topic_model import TopicModel
from calla.understanding.urgency_model import NONE, UrgencyModel

# Topics of feelings: who is spoken of there is afraid, or somebody near is, and that is no report.
_FEELINGS = frozenset({"worried_or_anxious", "supporting_someone"})
# Share of the examples that may differ if learning goes on from what was learned before.
MOST_CHANGED = 0.01
# The line before a word's meaning is owed by the topic, not by the words of the question.
_WORD_REFERRAL, _MEDICINES = "word", "medicines"


Responses = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Learned:
    """The trained parts of understanding.

    Attributes:
        spelling: puts words right.
        topics: knows topics and details.
        urgency: knows what is owed.
        examples: hashes of what they have learned from, sorted.
    """

    spelling: Spelling
    topics: TopicModel
    urgency: UrgencyModel
    examples: np.ndarray

    def is_near(self, examples: Sequence[tuple[str, str]], responses: Responses) -> bool:
        """Say whether so little differs from these examples that learning may go on from here."""
        changed = np.setxor1d(self.examples, _hashes(examples, Catalogue(responses)))
        return len(changed) <= MOST_CHANGED * len(self.examples)


def _hashes(examples: Sequence[tuple[str, str]], catalogue: Catalogue) -> np.ndarray:
    """Return a number for each example, its label, and what it is owed."""
    rows = zip(examples, owed_by_examples(examples, catalogue), strict=True)
    digests = (hashlib.blake2b(f"{label}\n{owed}\n{text}".encode(), digest_size=8) for (text, label), owed in rows)
    return np.frombuffer(b"".join(digest.digest() for digest in digests), dtype=np.uint64)


def learn(
    examples: Sequence[tuple[str, str]],
    responses: Responses,
    encode: Callable[[Sequence[str]], np.ndarray],
    config: Mapping[str, Any],
    before: Optional[Learned] = None,
) -> Learned:
    """Train everything.

    After an edit the topics' network, which takes the most time, goes on from what was learned before, and what is
    owed is learned again only if the new examples are not judged right without it: who mends an answer changes
    no referral. Spelling and the known questions are always learned from all examples.

    Args:
        examples: questions with their labels (full retrieval intents).
        responses: the responses of the domain, with the catalogue in their metadata.
        encode: gives sentence vectors, ``[texts, dimension]``.
        config: settings of the component.
        before: what was learned from examples that are near to these, with the same settings.
    """
    catalogue = Catalogue(responses)
    # Texts in other languages teach no English.
    english = (v[0] for v in responses.values() if "language" not in (v[0].get("metadata") or {}))
    answers = [f"{each.get('text', '')} {(each.get('metadata') or {}).get('title', '')}" for each in english]
    spelling = Spelling(answers, (text for text, _ in examples), load_screen().words)
    texts = [spelling.corrected(clean(text)) for text, _ in examples]
    labels = [label for _, label in examples]
    vectors = encode(texts)
    letters = before.topics.letters if before else letters_of_words()
    grams = letters.rows(texts) if before else letters.fit(texts)
    hashes = _hashes(examples, catalogue)
    new = np.flatnonzero(~np.isin(hashes, before.examples)) if before else np.zeros(0, dtype=np.int64)
    topics = TopicModel(
        letters,
        seed=config["seed"],
        hidden=config["hidden"],
        penalty=config["penalty"],
        passes=config["passes"],
        spelling_dimensions=config["spelling_dimensions"],
        spelling_weight=config["spelling_weight"],
        similarity_weight=config["similarity_weight"],
    )
    owed = owed_by_examples(zip(texts, labels, strict=True), catalogue)
    # Side by side: much of the work is done outside the interpreter's lock.
    with threadpool_limits(1), ThreadPoolExecutor(1) as pool:
        learning = pool.submit(topics.fit, grams, labels, vectors, before.topics if before else None, new)
        if before and _knows(before.urgency, [i for i in new if owed[i]], texts, owed, vectors):
            urgency = before.urgency
        else:
            known = [i for i, name in enumerate(owed) if name]
            urgency = UrgencyModel(letters, seed=config["seed"]).fit(
                [texts[i] for i in known], grams[known], [str(owed[i]) for i in known], vectors[known], encode
            )
        learning.result()
    return Learned(spelling, topics, urgency, np.unique(hashes))


def _knows(
    urgency: UrgencyModel, new: Sequence[int], texts: Sequence[str], owed: Sequence[Optional[str]], vectors: np.ndarray
) -> bool:
    return urgency.knows([texts[i] for i in new], [str(owed[i]) for i in new], vectors[list(new)])


def owed_by_examples(examples: Iterable[tuple[str, str]], catalogue: Catalogue) -> list[Optional[str]]:
    """Return which referral each example is owed by its own words, ``NONE``, or ``None`` where that is open.

    A topic that owes a referral says so of all its questions; whether the words of one do
    is open where nobody is spoken of. Of the harmless details of such topics those that
    speak of a person may be a report ("can I drive after mine on Friday"): they teach nothing.
    """
    touching = {
        topic.topic_id
        for topic in (*catalogue.topics.values(), *catalogue.details.values())
        if topic.group == FAQ and topic.referral == "always" and topic.referral_to != _MEDICINES
    } - _FEELINGS
    found: list[Optional[str]] = []
    for text, label in examples:
        topic = catalogue.by_intent(label)
        person = speaks_of_a_person(text)
        if label == OUT_OF_SCOPE or topic is None:
            found.append(NONE)
        elif topic.group == REFERRAL:
            found.append(topic.id)
        elif topic.referral == "always" and topic.referral_to == _WORD_REFERRAL:
            found.append(None if person else NONE)
        elif topic.referral == "always":
            found.append(topic.referral_to if person or topic.referral_to == _MEDICINES else None)
        else:
            found.append(None if person and topic.topic_id in touching else NONE)
    return found
