"""How urgent a message is: which referrals it is owed, apart from what it asks.

The rules of the screen know words that leave no doubt; the learned model
(``urgency_model``) knows meanings, clause by clause. Their evidence is weighed with
weights that ``evaluation/fit.py`` fits on messages with a danger beside a harmless question
and on their harmless twins. A fragment is judged as written and as completed from the turn
before; the higher counts.
"""

from __future__ import annotations

import re
from typing import Collection, NamedTuple, Optional, Sequence

import numpy as np

from calla.catalogue import OUT_OF_SCOPE, REFERRAL, Topic
from calla.plan import ACUTE, MODEL, SCREEN, TOPIC, Owed
from calla.safety.screen import Finding, load_screen
from calla.safety.vocabulary import KINDS
from calla.understanding import reference
from calla.understanding.context import UNDENIABLE, is_denied, leaves_out_a_person, speaks_of_a_person
from calla.understanding.judgement import Judging, log_odds, logistic
from calla.understanding.language import ENGLISH
from calla.understanding.reading import Reading

EVIDENCE = (
    "bias", "whole", "worst clause", "second clause", "clauses", "hint", "sure rule", "denied",
    "rule in strange words", "hint, worst clause", "sure rule, worst clause",
    "person", "rule without a person", "outside the field", "rule outside the field",
    "rule against the model", "referral topics", "near a referral", "referral topics, clause",
    "near a referral, clause", "completed", "wording", "asked", "rule in the wording", "sure rule in the wording",
    "tells", "tells, person", "tells, person left out", "tells, length", "tells, whole",
)  # fmt: skip
# What speaks for an emergency, or for a crisis, as against any other referral or none.
ACUTE_EVIDENCE = (
    "bias", "owed", "whole", "clause", "hint", "sure rule", "hint, clause", "sure rule, clause",
    "another rule", "outside the field, clause", "outside the field, whole", "rule outside the field",
    "completed", "person", "rule in strange words", "clauses", "rule, length", "rule in the wording",
    "tells", "its topic", "near its topic", "its topic, clause", "near its topic, clause",
)  # fmt: skip
# Words up to which a message may be a fragment that the turn before completes, and up to which the turn
# before is short enough to complete one.
MAX_FRAGMENT, MAX_ASKED = 14, 20
_NUMBER = re.compile(r"^(?:and |what about |how about |or |so )*(?:a |an )?([0-6](?: ?[abc])?)\b\W*$", re.I)
# Log-odds beyond which more says no more.
_CEILING = 12.0
# Log-odds below which the model contradicts a rule.
_CONTRARY = -3.0
# How a question about a word or a procedure begins; share of strange words up to which a
# message is plain.
_GENERAL = re.compile(
    r"^(?:and|so|but|hi|hello|hey|please|in general|generally|out of interest|just curious)?[\s,.:]*"
    r"(?:what|what's|whats|which|how|why|who|when|is|are|do|does|can|could|define|explain|meaning|difference)\b",
    re.I,
)
_PLAIN = 0.2
_WORDS_OF_REPORTS = frozenset({"suspicious_finding", "interpret_my_results", "probably_benign"})
_PROCEDURES = frozenset({"appointment"})
# What owes no more than an appointment: the model alone must be surer of it, and never
# hears it in a fragment that it completed itself.
_MILD = frozenset({"appointment", "probably_benign", "word"})


class Before(NamedTuple):
    """What a message may lean on.

    Attributes:
        topic: the topic or detail of the last answer.
        asked: what was asked in the turn before, if nothing was owed then.
    """

    topic: Optional[Topic] = None
    asked: str = ""


NOTHING = Before()


def completed(reading: Reading, before: Before) -> list[str]:
    """Return what a fragment means after what was said before it; nothing where it says nothing of a person.

    "Wife has it" is about what was asked, whether Calla had an answer or not. A question is
    completed by the topic of the answer alone: "and for my mother?" tells nothing of her.
    """
    text = reading.text
    if len(text.split()) > MAX_FRAGMENT:
        return []
    found: list[str] = []
    if before.topic is not None:
        subject = before.topic.subject or before.topic.title
        if number := _NUMBER.match(text):
            return [f"{subject} {number.group(1)}"]
        if speaks_of_a_person(text) or leaves_out_a_person(text):
            found = [reference.put_subject(text, subject), f"{before.topic.title.rstrip('?')}: {text}"]
    if tells_after(reading, before) and len(before.asked.split()) <= MAX_ASKED:
        found.append(f"{before.asked.rstrip(' ?.!')}, {text}")
    return list(dict.fromkeys(found))


def tells_after(reading: Reading, before: Before) -> bool:
    """Say whether a fragment tells something right after a question."""
    asks = any(part.asks for part in reading.parts) or "?" in reading.text
    return bool(before.asked) and not asks and len(reading.text.split()) <= MAX_FRAGMENT


def owed(reading: Reading, findings: Sequence[Finding], judging: Judging, before: Before = NOTHING) -> list[Owed]:
    """Return what a message is owed, each referral once.

    Args:
        reading: the message.
        findings: what the rules find in it as written.
        judging: judges texts.
        before: what the message may lean on.
    """
    if reading.language != ENGLISH:
        # The English model cannot read it: the rules have the word, hints too.
        return [Owed(f.topic, SCREEN) for f in findings]
    said = told(reading, findings, before)
    found, units, wordings = said.found, said.units, said.wordings
    p = logistic(float(evidence(reading, said, judging) @ judging.weights.vector("urgency", EVIDENCE)))
    if p < judging.weights.threshold("told_from" if wordings or said.tells else "referral_from"):
        # Of a message that is too long the model has read the beginning alone.
        return [Owed(f.topic, SCREEN) for f in findings if reading.truncated and not f.hint]
    owes = {
        name: SCREEN if any(f.topic == name for f in found) else MODEL
        for name in acute_names(judging)
        if _is_acute(acute_evidence(name, reading, said, judging, p), judging, p)
    }
    acute = set(owes)
    owes |= {f.topic: SCREEN for f in found if KINDS[f.topic] not in ACUTE}
    for name in _named(units, found, acute, judging):
        mild = name in _MILD and (p < judging.weights.threshold("planned_from") or _said_by(wordings, name, judging))
        # "And magnesium?" is nobody's medicine.
        nobody = (name in _MILD or KINDS[name] == "prescriber") and not speaks_of_a_person(reading.text)
        if not mild and not nobody:
            owes.setdefault(name, MODEL)
    if not owes:
        # Something is owed, and the model has no name for it; the rules say what.
        likely = p >= judging.weights.threshold("hint_from")
        owes = {f.topic: SCREEN for f in found if likely or not f.hint}
    return [Owed(name, by) for name, by in owes.items()]


class Told(NamedTuple):
    """What a message says, with what it may mean after what was said before it.

    Attributes:
        units: the message, its clauses and its completed wordings.
        wordings: the completed wordings.
        found: what the rules find in the message and in the wordings.
        own: what they find in the message as written.
        tells: whether it tells something right after a question.
        asked: that question.
    """

    units: list[str]
    wordings: list[str]
    found: list[Finding]
    own: list[Finding]
    tells: bool
    asked: str


def told(reading: Reading, findings: Sequence[Finding], before: Before = NOTHING) -> Told:
    """Complete a message (arguments as for ``owed``)."""
    wordings = completed(reading, before)
    found = [*findings, *(f for wording in wordings for f in load_screen().find(wording))]
    units = list(dict.fromkeys([*reading.units, *wordings]))
    return Told(units, wordings, found, list(findings), tells_after(reading, before), before.asked)


def acute_names(judging: Judging) -> list[str]:
    """Return the names of the referrals for an emergency and for a crisis."""
    return [name for name in judging.models.urgency.names if KINDS[name] in ACUTE]


def _is_acute(weighed: np.ndarray, judging: Judging, p: float) -> bool:
    acute = logistic(float(weighed @ judging.weights.vector("acute", ACUTE_EVIDENCE)))
    return p >= judging.weights.threshold("acute_owed_from") and acute >= judging.weights.threshold("acute_from")


def acute_evidence(name: str, reading: Reading, said: Told, judging: Judging, p: float) -> np.ndarray:
    """Collect what speaks for an emergency, or for a crisis.

    A wrong emergency text frightens, and a missed one is worse; neither the rules nor the model
    alone know which is which ("overdosed on telly", "none of it matters when I'm dead tomorrow").

    Args:
        name: which of the two.
        reading: the message.
        said: what it says.
        judging: judges texts.
        p: probability that any referral is owed.

    Returns:
        a number for each of ``ACUTE_EVIDENCE``.
    """
    odds = {unit: _odds_of(name, unit, judging) for unit in said.units}
    worst = max(odds, key=lambda unit: odds[unit])
    hint = any(f.hint for f in said.found if f.topic == name)
    sure = any(not f.hint for f in said.found if f.topic == name)
    own = any(f.topic == name for f in said.own)
    outside = log_odds(judging.share(worst, OUT_OF_SCOPE))
    topic = np.array(judging.labels) == f"{REFERRAL}/{name}"
    return np.array(
        [
            1.0,
            float(np.clip(log_odds(p), -_CEILING, _CEILING)),
            odds[reading.text],
            odds[worst],
            hint,
            sure,
            hint * odds[worst],
            sure * odds[worst],
            any(f.topic != name and not f.hint for f in said.found),
            outside,
            log_odds(judging.share(reading.text, OUT_OF_SCOPE)),
            (hint or sure) * outside,
            worst not in (reading.text, *reading.units),
            speaks_of_a_person(reading.text),
            reading.strange * (hint or sure),
            float(np.log(len(said.units))),
            # "I can't go on" is all that is said; "I can't go on holiday this year" is not.
            own * float(np.log(len(reading.text.split()) + 1)),
            (hint or sure) and not own,
            said.tells,
            *_near(reading.text, topic, judging),
            *_near(worst, topic, judging),
        ],
        dtype=float,
    )


def _odds_of(name: str, text: str, judging: Judging) -> float:
    """Return the log-odds that a text is owed one referral: that any is, and that it is this one."""
    share = float(judging.urgency(text).names[0][judging.models.urgency.names.index(name)])
    return float(np.clip(log_odds(share * logistic(_odds(text, judging))), -_CEILING, _CEILING))


def in_general(reading: Reading, owes: Sequence[Owed], judging: Judging) -> list[Owed]:
    """Return what a message is owed if it may only ask what a word means or how something is done.

    A rule that sees "DCIS" or "biopsy" in a question in which the model hears no danger owes
    the short line before a word's meaning, or nothing beside what the topic of the answer owes.
    Only for plain words that begin like a question: notes ("birads 4 left") and what is strange
    to the model stay reports.

    Args:
        reading: the message.
        owes: what it is owed by rules and model.
        judging: judges texts.
    """
    asks = any(_GENERAL.match(part.text) for part in reading.parts)
    worst = max(_odds(unit, judging) for unit in reading.units)
    if not asks or reading.strange > _PLAIN or worst > _no_danger(reading.text, judging):
        return list(owes)
    kept = [each for each in owes if each.by != SCREEN or each.name not in (*_WORDS_OF_REPORTS, *_PROCEDURES)]
    return [*kept, Owed("word", TOPIC)] if any(each.name in _WORDS_OF_REPORTS for each in owes) else kept


def _no_danger(text: str, judging: Judging) -> float:
    """Return the log-odds up to which the model hears no danger in a question that may be a general one.

    The surer it is what is asked, the less it matters what else the words sound like; where somebody
    is spoken of ("I translate", "as they say"), it must be sure of both.
    """
    sure = judging.one(text).certainty >= judging.weights.threshold("general_sure_from")
    if speaks_of_a_person(text):
        return judging.weights.threshold("general_person_below") if sure else -_CEILING - 1
    return judging.weights.threshold("general_sure_below" if sure else "general_below")


def _said_by(wordings: Sequence[str], name: str, judging: Judging) -> bool:
    """Say whether a completed wording owes a referral rather than the message itself."""
    return any(_name(wording, judging) == name and _odds(wording, judging) > 0 for wording in wordings)


def evidence(reading: Reading, said: Told, judging: Judging) -> np.ndarray:
    """Collect what speaks for a referral.

    Args:
        reading: the message.
        said: what it says.
        judging: judges texts.

    Returns:
        a number for each of ``EVIDENCE``.
    """
    judging.learn([*said.units, *([said.asked] if said.asked else [])])
    text, clauses = reading.text, [unit for unit in said.units if unit != reading.text] or [reading.text]
    odds = sorted((_odds(unit, judging) for unit in clauses), reverse=True)
    whole, worst = _odds(text, judging), odds[0]
    worst_text = max(said.units, key=lambda unit: _odds(unit, judging))
    denied = is_denied(worst_text) and _name(worst_text, judging) not in UNDENIABLE
    hint, sure = any(f.hint for f in said.found), any(not f.hint for f in said.found)
    person, outside = speaks_of_a_person(text), log_odds(judging.share(worst_text, OUT_OF_SCOPE))
    near = {unit: _near(unit, judging.dangers, judging) for unit in said.units}
    return np.array(
        [
            1.0,
            whole,
            worst,
            odds[1] if len(odds) > 1 else min(worst, whole),
            float(np.log(len(said.units))),
            hint,
            sure,
            denied,
            reading.strange * (hint or sure),
            hint * max(worst, whole),
            sure * max(worst, whole),
            person,
            (hint or sure) * (not person),
            outside,
            (hint or sure) * outside,
            # In plain words; what is strange to the model it cannot contradict.
            (hint or sure) * (max(worst, whole) < _CONTRARY) * (1 - reading.strange),
            *near[text],
            *(max(near[unit][i] for unit in clauses) for i in range(2)),
            *_evidence_of_telling(text, said, whole, judging),
        ],
        dtype=float,
    )


def _evidence_of_telling(text: str, said: Told, whole: float, judging: Judging) -> list[float]:
    """Collect what speaks for a danger that is only told in the light of what was said before."""
    asked = _odds(said.asked, judging) if said.asked else 0.0
    return [
        bool(said.wordings),
        # What telling it adds to what was asked.
        max((_odds(wording, judging) for wording in said.wordings), default=asked),
        asked,
        bool(said.found) and not said.own,
        any(not f.hint for f in said.found) and all(f.hint for f in said.own),
        said.tells,
        said.tells * speaks_of_a_person(text),
        said.tells * leaves_out_a_person(text),
        said.tells * float(np.log(len(text.split()) + 1)),
        said.tells * whole,
    ]


def _near(text: str, labels: np.ndarray, judging: Judging) -> tuple[float, float]:
    """Return the log-odds that a text belongs to some labels, and how much nearer known questions of theirs are.

    Args:
        text: the text.
        labels: which labels, ``[labels]``.
        judging: judges texts.
    """
    if not labels.any():
        return 0.0, 0.0
    scores = judging.scores(text)
    p, cosines = scores.probabilities[0], scores.similarities[0]
    return log_odds(p[labels].sum()), float(cosines[labels].max() - cosines[~labels].max())


def _odds(text: str, judging: Judging) -> float:
    return float(np.clip(judging.urgency(text).odds[0], -_CEILING, _CEILING))


def _name(text: str, judging: Judging) -> str:
    return judging.models.urgency.names[int(judging.urgency(text).names[0].argmax())]


def _named(units: Sequence[str], found: Sequence[Finding], acute: Collection[str], judging: Judging) -> list[str]:
    """Return the referrals besides emergency and crisis that the learned model hears, from the worst clause on.

    Args:
        units: the message, its clauses and its completed wordings.
        found: what the rules find.
        acute: what is owed of emergency and crisis.
        judging: judges texts.
    """
    clause_from = judging.weights.threshold("clause_from")
    ordered = sorted(units, key=lambda unit: -_odds(unit, judging))
    heard = [unit for unit in ordered if _odds(unit, judging) >= clause_from] or ([] if found else ordered[:1])
    names: list[str] = []
    for unit in heard:
        best = _name(unit, judging)
        if best in acute or (KINDS[best] in ACUTE and _is_outside(unit, judging)):
            continue
        shares = judging.urgency(unit).names[0]
        likely = (judging.models.urgency.names[i] for i in np.argsort(-shares))
        name = next((each for each in likely if KINDS[each] not in ACUTE), None)
        if name and name not in names:
            names.append(name)
    return names


def _is_outside(text: str, judging: Judging) -> bool:
    return judging.share(text, OUT_OF_SCOPE) >= judging.weights.threshold("outside_from")
