"""The talks in ``data/talks``: every turn has a label that there is, and is no message of a test set."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import yaml

from calla.catalogue import OUT_OF_SCOPE, REFERRAL
from calla.content.files import OWES, ROOT, Problem, did_you_mean, parse, wrong_ending
from calla.content.rules import Content, copied

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
        if ending := wrong_ending(path, shown):
            yield ending
            continue
        node, problems = parse(path, shown)
        yield from problems
        for line, turn in _turns(node):
            if not TURN <= turn.keys() <= {*TURN, *MAY_SAY}:
                yield Problem(shown, line, WRITE)
                continue
            intent, owes = turn["intent"], turn.get(OWES, "")
            if intent not in labels:
                yield Problem(shown, line, f"no topic or detail '{intent}'{did_you_mean(intent, labels)}")
            if owes and owes not in referrals:
                yield Problem(shown, line, f"'{owes}' is no referral{did_you_mean(owes, referrals)}")
            yield from copied(turn["user"], shown, line, content)


def _turns(node: object) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield for each turn its line, and what stands in it by its name."""
    if not isinstance(node, yaml.MappingNode):
        return
    talks = next((value for key, value in node.value if key.value == "talks"), None)
    for talk in getattr(talks, "value", ()):
        steps = next((value for key, value in talk.value if key.value == "steps"), None)
        for step in getattr(steps, "value", ()):
            yield step.start_mark.line + 1, dict(_flat(step))


def _flat(node: yaml.Node) -> Iterator[tuple[str, str]]:
    """Yield names and what they say, those of ``metadata`` among them."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(value, yaml.MappingNode):
            yield str(key.value), ""
            yield from _flat(value)
        else:
            yield str(key.value), str(value.value)
