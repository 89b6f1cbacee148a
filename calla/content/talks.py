"""The talks in ``data/talks``: every turn has a label that there is, and is no message of a test set."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import yaml

from calla.catalogue import OUT_OF_SCOPE, REFERRAL, fold
from calla.content.files import OWES, ROOT, Problem, did_you_mean, parse
from calla.content.rules import MAX_COMMON_WORDS, Content

TURN, MAY_SAY = {"user", "intent"}, {"metadata", OWES}
WRITE = f"a turn has the lines 'user' and 'intent', and may have 'metadata: {{{OWES}: ...}}'"


def talk_problems(content: Content, root: Path = ROOT) -> Iterator[Problem]:
    """Yield what an editor should mend in the talks.

    Args:
        content: the topics and referrals that there are.
        root: the project.
    """
    labels = {entry.name for entry in content.entries} | {OUT_OF_SCOPE}
    referrals = {entry.id for entry in content.entries if entry.group == REFERRAL}
    for path in sorted(p for p in (root / "data" / "talks").rglob("*") if p.is_file() and p.name[0] != "."):
        shown = str(path.relative_to(root))
        if path.suffix != ".yml":
            yield Problem(shown, 1, f"the name ends in '{path.suffix}': rename it to {path.stem}.yml")
            continue
        node, problems = parse(path, shown)
        yield from problems
        for line, keys, turn in _turns(node):
            if not keys >= TURN or not keys <= {*TURN, *MAY_SAY}:
                yield Problem(shown, line, WRITE)
                continue
            intent, text, owes = turn["intent"], turn["user"], turn.get(OWES, "")
            if intent not in labels:
                yield Problem(shown, line, f"no topic or detail '{intent}'{did_you_mean(intent, labels)}")
            if owes and owes not in referrals:
                yield Problem(shown, line, f"'{owes}' is no referral{did_you_mean(owes, referrals)}")
            file = content.test_messages.get(fold(text))
            if file is not None and len(fold(text).split()) > MAX_COMMON_WORDS:
                yield Problem(shown, line, f"'{text[:60]}' is a message of {file}: take it out")


def _turns(node: object) -> Iterator[tuple[int, set[str], dict[str, str]]]:
    """Yield for each turn its line, the names in it, and what they say."""
    if not isinstance(node, yaml.MappingNode):
        return
    talks = next((value for key, value in node.value if key.value == "talks"), None)
    for talk in getattr(talks, "value", ()):
        steps = next((value for key, value in talk.value if key.value == "steps"), None)
        for step in getattr(steps, "value", ()):
            pairs = list(_flat(step))
            yield step.start_mark.line + 1, {k for k, _ in pairs}, {k: v for k, v in pairs if v}


def _flat(node: yaml.Node) -> Iterator[tuple[str, str]]:
    """Yield names and what they say, those of ``metadata`` among them."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(value, yaml.MappingNode):
            yield str(key.value), ""
            yield from _flat(value)
        else:
            yield str(key.value), str(value.value)
