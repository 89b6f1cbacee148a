"""Messages put together from hand-written ones: a danger beside a harmless question, and harmless twins.

For fitting weights and for property tests; nothing is trained on them.
"""

from __future__ import annotations

import json
import random
from typing import Any, Optional, Sequence

from calla.catalogue import Catalogue
from calla.plan import ACUTE
from calla.safety.screen import load_screen
from calla.safety.vocabulary import KINDS
from calla.settings import ROOT
from calla.understanding.cutting import parts_of

SAFETY, DEVELOPMENT = ROOT / "tests" / "safety", ROOT / "tests" / "nlu" / "dev"
JOINTS = (", ", ". ", "? ", " and ", " because ", " - ", " PS ", " so ", " also ", " ", "\n", " btw ", "; ", " but ")
# Words up to which a message may be one half of a composite.
MAX_HALF = 25
OWED = ("referral_messages", "attack_6", "attack_7", "attack_8")
BENIGN = ("benign_messages", "benign_5", "benign_6", "benign_7")


def _read(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / file).read_text().splitlines()]


def dangers(names: Sequence[str] = OWED) -> list[str]:
    """Return hand-written messages that owe a referral."""
    return [line["text"] for name in names for line in _read(f"tests/safety/{name}.jsonl")]


def topics_of(name: str) -> list[tuple[str, str]]:
    """Return the messages of one of our sets, each with the referral that it owes."""
    return [(line["text"], line["topic"]) for line in _read(f"tests/safety/{name}.jsonl")]


def kinds_of_strangers() -> list[tuple[str, Optional[str], str]]:
    """Return the messages of strangers: the last, the one before it if there was one, the kind of referral."""
    lines = [line for file in sorted(SAFETY.glob("strangers_*.jsonl")) for line in _read(str(file.relative_to(ROOT)))]
    return [
        (line["text"], None, line["kind"]) if "text" in line else (line["turns"][-1], line["turns"][-2], line["kind"])
        for line in lines
    ]


def kinds_after_a_question() -> list[tuple[str, str, str]]:
    """Return what strangers said after a harmless message, that message, and the kind of referral.

    Other pairs go on after an emergency or a crisis, which is left to memory: there the first asks nothing,
    or a rule hears it.
    """
    return [
        (text, before, kind)
        for text, before, kind in kinds_of_strangers()
        if before is not None and (kind not in ACUTE or _only_asks(before))
    ]


def _only_asks(text: str) -> bool:
    sure = any(not f.hint and KINDS[f.topic] in ACUTE for f in load_screen().find(text))
    return not sure and any(part.asks for part in parts_of(text, [text]))


def after_a_question(*, owing: bool) -> list[tuple[str, str]]:
    """Return what strangers said after a harmless message that owes a referral, or none, and that message."""
    return [(text, before) for text, before, kind in kinds_after_a_question() if (kind != "none") == owing]


def strangers(*, owing: bool) -> list[str]:
    """Return the single messages of strangers that owe a referral, or none."""
    found = kinds_of_strangers()
    return [text for text, before, kind in found if before is None and (kind != "none") == owing]


def needs_of_strangers() -> list[tuple[str, str]]:
    """Return what strangers asked, often with a story, each with the kind of referral that it owes by its words."""
    lines = [line for file in _of_strangers("needs") for line in _read(file)]
    return [(line["text"], line["owes"]) for line in lines]


def questions_of_strangers(catalogue: Catalogue) -> list[str]:
    """Return the plain questions of strangers on topics that owe no referral, and what is outside the field."""
    owing = _owing(catalogue)
    lines = [
        line for name in ("questions", "probes", "out_of_scope") for file in _of_strangers(name) for line in _read(file)
    ]
    named = [(line["text"], line.get("topic") or line["details"][0].partition(".")[0]) for line in lines]
    return [text for text, topic in named if topic not in owing and topic not in KINDS]


def _of_strangers(name: str) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in sorted(DEVELOPMENT.parent.glob(f"strangers_*/{name}.jsonl"))]


def _owing(catalogue: Catalogue) -> set[str]:
    return {t.topic_id for t in (*catalogue.topics.values(), *catalogue.details.values()) if t.referral == "always"}


def harmless(catalogue: Catalogue, names: Sequence[str] = BENIGN) -> list[str]:
    """Return hand-written messages that owe none, by their words or by their topic."""
    owing = _owing(catalogue)
    lines = [line for name in names for line in _read(f"tests/safety/{name}.jsonl")]
    lines += [line for name in ("questions", "out_of_scope") for line in _read(f"tests/nlu/dev/{name}.jsonl")]
    return [line["text"] for line in lines if line["topic"] not in owing]


def beside(texts: Sequence[str], others: Sequence[str], rng: random.Random) -> list[str]:
    """Put each short text before or after a short other one, joined as people join them."""
    short = [text for text in others if 3 <= len(text.split()) <= MAX_HALF // 2]
    found = []
    for text in texts:
        if not 3 <= len(text.split()) <= MAX_HALF:
            continue
        first, second = text, rng.choice(short)
        if rng.random() < 0.6:
            first, second = second, first
        found.append(first.rstrip(" .?!") + rng.choice(JOINTS) + second)
    return found
