"""The talks in ``data/stories``: every turn has a label that there is, and is no message of a test set."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import yaml

from calla.catalogue import OUT_OF_SCOPE, REFERRAL, fold
from calla.content.files import ROOT, Problem, did_you_mean, parse
from calla.content.rules import MAX_COMMON_WORDS, Content


def story_problems(content: Content, root: Path = ROOT) -> Iterator[Problem]:
    """Yield what an editor should mend in the talks.

    Args:
        content: the topics and referrals that there are.
        root: the project.
    """
    labels = {entry.name for entry in content.entries} | {OUT_OF_SCOPE}
    referrals = {entry.id for entry in content.entries if entry.group == REFERRAL}
    for path in sorted((root / "data" / "stories").glob("*")):
        shown = str(path.relative_to(root))
        if path.suffix != ".yml":
            yield Problem(shown, 1, f"the name ends in '{path.suffix}': rename it to {path.stem}.yml")
            continue
        node, problems = parse(path, shown)
        yield from problems
        for line, turn in _turns(node):
            intent, text, owes = (turn.get(key, "") for key in ("intent", "user", "owes"))
            if intent not in labels:
                yield Problem(shown, line, f"no topic or detail '{intent}'{did_you_mean(intent, labels)}")
            if owes and owes not in referrals:
                yield Problem(shown, line, f"'{owes}' is no referral{did_you_mean(owes, referrals)}")
            file = content.test_messages.get(fold(text))
            if file is not None and len(fold(text).split()) > MAX_COMMON_WORDS:
                yield Problem(shown, line, f"'{text[:60]}' is a message of {file}: take it out")


def _turns(node: object) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line of each turn, and what stands in it, flat."""
    if isinstance(node, yaml.MappingNode):
        turn = {str(key.value): str(value.value) for key, value in _flat(node)}
        if "user" in turn:
            yield node.start_mark.line + 1, turn
        else:
            for _, value in node.value:
                yield from _turns(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _turns(item)


def _flat(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    for key, value in node.value:
        if isinstance(value, yaml.MappingNode):
            yield from _flat(value)
        else:
            yield key, value
