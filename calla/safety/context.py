"""What surrounds a finding: negation, another subject, fiction.

The rules follow NegEx (Chapman et al. 2001, J Biomed Inform 34:301) and ConText
(Harkema et al. 2009, J Biomed Inform 42:839): a trigger opens a scope over the words
that follow, a terminator ("but", a pronoun, a new clause) closes it, and a
pseudo-trigger ("not sure", "no change") opens none. Two things differ, both because a
missed referral is worse than a needless one: scopes are shorter than in those papers,
and uncertainty ("maybe a lump") never takes a finding away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from calla.safety.normalise import PAUSE


@dataclass(frozen=True)
class ContextRules:
    """The word sets of ``context.yml``, each a closed key there.

    Attributes:
        negations: words that open a scope.
        pseudo: phrases that begin with such a word and negate nothing.
        terminators: words that close a scope.
        after: phrases behind a finding that negate it ("was ruled out").
        animals: words for animals.
        fiction: words for people and things in stories.
        scope: longest scope in words.
    """

    negations: frozenset[str]
    pseudo: frozenset[tuple[str, ...]]
    terminators: frozenset[str]
    after: tuple[tuple[str, ...], ...]
    animals: frozenset[str]
    people: frozenset[str]
    fiction: frozenset[str]
    scope: int


class Context:
    """Answers, for one sentence, which of its words are negated or not about a person."""

    def __init__(self, rules: ContextRules) -> None:
        self._rules = rules
        self._pseudo_heads = {p[0] for p in rules.pseudo}
        self._longest_pseudo = max((len(p) for p in rules.pseudo), default=0)

    def negated(self, words: Sequence[str]) -> frozenset[int]:
        """Return the positions of the negated words of a sentence."""
        rules = self._rules
        if rules.negations.isdisjoint(words) and not self._has_after(words):
            return frozenset()
        found: set[int] = set()
        for at, word in enumerate(words):
            if word in rules.negations and not self._is_pseudo(words, at):
                found.update(self._scope(words, at))
        for phrase in rules.after:
            length = len(phrase)
            for at in range(1, len(words) - length + 1):
                if tuple(words[at : at + length]) == phrase and words[at - 1] not in rules.negations:
                    # Back to the previous stop or terminator, at most four words.
                    for back in range(at - 1, max(-1, at - 5), -1):
                        if words[back] == PAUSE or words[back] in ("but", "not"):
                            break
                        found.add(back)
        return frozenset(found)

    def _has_after(self, words: Sequence[str]) -> bool:
        heads = {p[-1] for p in self._rules.after}
        return not heads.isdisjoint(words)

    def _is_pseudo(self, words: Sequence[str], at: int) -> bool:
        if words[at] not in self._pseudo_heads:
            return False
        return any(
            tuple(words[at : at + length]) in self._rules.pseudo for length in range(2, self._longest_pseudo + 1)
        )

    def _scope(self, words: Sequence[str], at: int) -> list[int]:
        rules = self._rules
        found: list[int] = []
        reach = rules.scope
        position = at + 1
        while position < len(words) and reach > 0:
            word = words[position]
            if word == PAUSE:
                # "no masses, calcifications or distortion": a list goes on to its "or".
                rest = list(words[position + 1 : position + 9])
                ends = [i for i, w in enumerate(rest) if w in ("or", "nor")]
                if not ends or any(w in rules.terminators or w in rules.negations for w in rest[: ends[0]]):
                    break
                reach += 3
            elif word in rules.terminators:
                break
            else:
                found.append(position)
                reach -= 1
            position += 1
        return found

    def about_an_animal(self, words: Sequence[str], start: int, end: int) -> bool:
        """Say whether the finding at ``start:end`` belongs to an animal.

        The animal must be close (six words, no stop between) and no person may be
        named in between: "the dog, no, my toddler ate my pills" is about a child.
        """
        return self._near(words, start, end, self._rules.animals)

    def about_fiction(self, words: Sequence[str], start: int, end: int) -> bool:
        """Say whether the finding belongs to a story ("the heroine finds a lump")."""
        return self._near(words, start, end, self._rules.fiction)

    def _near(self, words: Sequence[str], start: int, end: int, kind: frozenset[str]) -> bool:
        if kind.isdisjoint(words):
            return False
        # "The vet gave it to the dog, and the doctor to me too."
        if any(pair in _PERSON_TOO for pair in zip(words[end:], words[end + 1 :], strict=False)):
            return False
        people = self._rules.people
        if not people.isdisjoint(words[start:end]):
            return False
        for at in range(end - 1, max(-1, start - 7), -1):
            if words[at] in people:
                return False
            if words[at] in kind and not (at > 1 and words[at - 1] == "a" and words[at - 2] in _COMPARED):
                return True
        for at in range(end, min(len(words), end + 4)):
            if words[at] == PAUSE:
                return False
            # "a lump on my dog", but not "rough like a cat's tongue".
            if words[at] in kind:
                return words[at - 1] in _OWNED and words[at - 2] in _AT
        return False


_PERSON_TOO = frozenset({("me", "too"), ("me", "also"), ("me", "as"), ("mine", "too"), ("myself", "too")})
_OWNED = frozenset({"my", "our", "the", "his", "her", "their", "a", "this"})
# "Sick as a dog": a comparison is no patient.
_COMPARED = frozenset({"as", "like", "than"})
_AT = frozenset({"on", "in", "of", "at", "under", "inside", "for"})


def rules_from(data: Mapping[str, Any]) -> ContextRules:
    """Build the rules from the mapping of ``context.yml`` (already checked)."""

    def words(key: str) -> frozenset[str]:
        return frozenset(str(w) for w in data[key])

    def phrases(key: str) -> list[tuple[str, ...]]:
        return [tuple(str(p).split()) for p in data[key]]

    return ContextRules(
        negations=words("negations"),
        pseudo=frozenset(phrases("pseudo_negations")),
        terminators=words("terminators"),
        after=tuple(phrases("negated_before")),
        animals=words("animals"),
        people=words("people"),
        fiction=words("fiction"),
        scope=int(data["scope"]),
    )
