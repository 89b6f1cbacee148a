"""What is learned from the examples: spelling, topics and details, urgency."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from calla.catalogue import FAQ, REFERRAL, Catalogue
from calla.safety.screen import load_screen
from calla.text import clean
from calla.understanding import follow_up
from calla.understanding.grams import letters_of_words
from calla.understanding.spelling import Spelling
from calla.understanding.topic_model import TopicModel
from calla.understanding.urgency_model import NONE, UrgencyModel

# Share of the examples that may differ if learning goes on from what was learned before.
MOST_CHANGED = 0.01
_MEDICINES = "medicines"
# In the metadata of a turn of a talk: the label of what was answered before it.
AFTER = "after"


Responses = Mapping[str, list[dict[str, Any]]]


class Example(NamedTuple):
    """What somebody may ask.

    Attributes:
        text: the question.
        label: its full retrieval intent.
        owes: name of the referral that its own words owe, where its label does not say so.
        after: label of what was answered before, where it is a turn of a talk.
    """

    text: str
    label: str
    owes: Optional[str] = None
    after: Optional[str] = None


class Taught(NamedTuple):
    """What is learned from a wording of an example.

    Attributes:
        text: the wording.
        label: what it asks; ``None`` where that is not plain from it.
        owed: which referral its words owe, or ``NONE``.
        example: number of the example.
    """

    text: str
    label: Optional[str]
    owed: str
    example: int


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

    def is_near(self, examples: Sequence[Example], responses: Responses) -> bool:
        """Say whether so little differs from these examples that learning may go on from here."""
        changed = np.setxor1d(self.examples, _hashes(examples, Catalogue(responses)))
        return len(changed) <= MOST_CHANGED * len(self.examples)


def _hashes(examples: Sequence[Example], catalogue: Catalogue) -> np.ndarray:
    """Return a number for what each example teaches."""
    rows = [""] * len(examples)
    for each in taught_by(examples, catalogue):
        rows[each.example] += f"{each.label}\n{each.owed}\n{each.text}\n"
    digests = (hashlib.blake2b(row.encode(), digest_size=8) for row in rows)
    return np.frombuffer(b"".join(digest.digest() for digest in digests), dtype=np.uint64)


def learn(
    examples: Sequence[Example],
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
        examples: questions with their labels.
        responses: the responses of the domain, with the catalogue in their metadata.
        encode: gives sentence vectors, ``[texts, dimension]``.
        config: settings of the component.
        before: what was learned from examples that are near to these, with the same settings.
    """
    catalogue = Catalogue(responses)
    # Texts in other languages teach no English.
    english = (v[0] for v in responses.values() if "language" not in (v[0].get("metadata") or {}))
    answers = [f"{each.get('text', '')} {(each.get('metadata') or {}).get('title', '')}" for each in english]
    spelling = Spelling(answers, (example.text for example in examples), load_screen().words)
    hashes = _hashes(examples, catalogue)
    examples = [example._replace(text=spelling.corrected(clean(example.text))) for example in examples]
    taught = taught_by(examples, catalogue)
    texts = [each.text for each in taught]
    vectors = encode(texts)
    letters = before.topics.letters if before else letters_of_words()
    grams = letters.rows(texts) if before else letters.fit(texts)
    changed = ~np.isin(hashes, before.examples) if before else np.zeros(len(examples), dtype=bool)
    asking = [i for i, each in enumerate(taught) if each.label]
    new = [i for i, each in enumerate(taught) if changed[each.example]]
    labels, owed = [str(taught[i].label) for i in asking], [each.owed for each in taught]
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
    # Side by side: much of the work is done outside the interpreter's lock.
    with threadpool_limits(1), ThreadPoolExecutor(1) as pool:
        earlier = before.topics if before else None
        at = np.flatnonzero(np.isin(asking, new))
        learning = pool.submit(topics.fit, grams[asking], labels, vectors[asking], earlier, at)
        if before and before.urgency.knows([texts[i] for i in new], [owed[i] for i in new], vectors[new]):
            urgency = before.urgency
        else:
            urgency = UrgencyModel(letters, seed=config["seed"]).fit(texts, grams, owed, vectors, encode)
        learning.result()
    return Learned(spelling, topics, urgency, np.unique(hashes))


def taught_by(examples: Sequence[Example], catalogue: Catalogue) -> list[Taught]:
    """Return what is learned from each example.

    A turn of a talk teaches what is asked as completed by the subject before it, as it is judged when
    somebody asks (``follow_up``): "how long does that take" alone is nobody's question. What it owes it
    teaches both ways.
    """
    found: list[Taught] = []
    for i, example in enumerate(examples):
        owed = owed_by(example, catalogue)
        before = catalogue.by_intent(example.after) if example.after else None
        if before is None or not example.label.startswith(f"{FAQ}/"):
            found.append(Taught(example.text, example.label, owed, i))
        else:
            completed = follow_up.wordings(example.text, before, catalogue)[1]
            found.append(Taught(completed, example.label, owed, i))
            if completed != example.text:
                found.append(Taught(example.text, None, owed, i))
    return found


def owed_by(example: Example, catalogue: Catalogue) -> str:
    """Return which referral an example is owed by its own words, or ``NONE``.

    Those of a referral's own intent owe it, and whoever asks about a medicine owes the prescriber.
    What else a topic owes it says by itself; of its questions those that are a report say so.
    """
    topic = catalogue.by_intent(example.label)
    if example.owes or topic is None:
        return example.owes or NONE
    if topic.group == REFERRAL:
        return topic.id
    prescriber = topic.referral == "always" and topic.referral_to == _MEDICINES
    return _MEDICINES if prescriber else NONE
