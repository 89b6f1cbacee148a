"""spaCy as the language layer: one reading of each message, shared by all components."""

from __future__ import annotations

import re
import runpy
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

import spacy
from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.constants import TOKENS_NAMES
from rasa.nlu.tokenizers.tokenizer import Token, Tokenizer
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from spacy.language import Language
from spacy.tokens import Doc

from calla.text import MAX_UNDERSTOOD, clean, split_payload

READING = "reading"
# Languages that visitors write in and that Calla does not understand yet. Function
# words come from spaCy's own lists, so no language model has to be fetched.
OTHER_LANGUAGES = ("es", "fr", "de", "it", "pt", "nl", "pl", "tr", "sv")
_WORD = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=1)
def english() -> Language:
    """Return the shared spaCy pipeline: English tokeniser and sentence splitter."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", config={"punct_chars": [".", "!", "?", "…", "。", "？"]})
    return nlp


@lru_cache(maxsize=1)
def _function_words() -> dict[str, frozenset[str]]:
    """Read spaCy's lists of function words, each language without those that English has too.

    The lists are read from their files: importing a whole language package compiles its
    tokeniser (five seconds for French).
    """
    languages = Path(spacy.__file__).parent / "lang"
    lists: dict[str, frozenset[str]] = {}
    for code in ("en", *OTHER_LANGUAGES):
        words = runpy.run_path(str(languages / code / "stop_words.py"))["STOP_WORDS"]
        lists[code] = frozenset(words) - lists.get("en", frozenset())
    return lists


def is_other_language(text: str) -> bool:
    """Say whether a text is clearly written in another language than English.

    A majority of letters outside the Latin script, or more function words of one
    other language than of English, counts. Short texts without function words do not.
    """
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return False
    if sum(ord(c) > 0x24F for c in letters) > len(letters) / 2:
        return True
    words = [w.casefold() for w in _WORD.findall(text)]
    lists = _function_words()
    known = sum(w in lists["en"] for w in words)
    foreign = max(sum(w in lists[code] for w in words) for code in OTHER_LANGUAGES)
    return foreign >= 2 and foreign > 1.5 * known


class Reading:
    """What one reading of a message found.

    Attributes:
        text: the cleaned text, at most ``MAX_UNDERSTOOD`` characters.
        doc: spaCy's document of that text.
        payload: name of a typed ``/intent`` payload, else empty.
        truncated: whether the message was longer than that.
        pictures: whether it is nothing but emoji.
    """

    __slots__ = ("doc", "payload", "pictures", "text", "truncated")

    def __init__(self, raw: str) -> None:
        cleaned = clean(raw)
        self.pictures = bool(cleaned) and not re.search(r"\w", raw)
        self.payload, self.text = split_payload(cleaned)
        self.truncated = len(self.text) > MAX_UNDERSTOOD
        self.text = self.text[:MAX_UNDERSTOOD]
        self.doc: Doc = english()(self.text)

    def sentences(self) -> list[str]:
        """Return the sentences, lines split too, without surrounding space."""
        found: list[str] = []
        for sentence in self.doc.sents:
            found.extend(line.strip() for line in sentence.text.split("\n"))
        return [s for s in found if _WORD.search(s)]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class LanguageReader(Tokenizer):
    """Reads a message once with spaCy and leaves the reading on the message.

    It also takes the leading slash away from typed ``/intent{...}`` payloads, so that
    Rasa's shortcut around understanding, and with it around the safety screen, is
    closed on every channel. Payloads that name a topic are answered by the gate.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Return Rasa's defaults for tokenizers (see parent class)."""
        return {
            "intent_tokenization_flag": False,
            "intent_split_symbol": "_",
            "token_pattern": None,
        }

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> LanguageReader:
        """Create the component (see parent class)."""
        # Now, not while the first visitor waits.
        english()
        _function_words()
        return cls(config)

    def process(self, messages: list[Message]) -> list[Message]:
        """Read each message: sets ``reading``, the cleaned text and its tokens."""
        for message in messages:
            raw = message.get(TEXT)
            reading = Reading(raw if isinstance(raw, str) else "")
            message.set(READING, reading)
            message.set("raw_text", raw if isinstance(raw, str) else "")
            message.set(TEXT, reading.text)
            message.set(TOKENS_NAMES[TEXT], self._tokens(reading.doc))
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Leave the training examples as they are.

        Nothing is trained on tokens, and Rasa would spend more than half of the training
        time on fingerprints of them.
        """
        return training_data

    def tokenize(self, message: Message, attribute: str) -> list[Token]:
        """Return the tokens of a training example's attribute."""
        return self._tokens(english().make_doc(message.get(attribute)))

    @staticmethod
    def _tokens(doc: Doc) -> list[Token]:
        return [Token(token.text, token.idx, lemma=token.text) for token in doc if not token.is_space]


def reading_of(message: Message) -> Reading:
    """Return the reading of a message; reads it if no ``LanguageReader`` ran before."""
    reading: Optional[Reading] = message.get(READING)
    if reading is None:
        reading = Reading(message.get(TEXT) or "")
        message.set(READING, reading)
    return reading
