"""``make preview TOPIC=...``: a topic as people will see it, in the terminal and as a page.

Nothing is trained: the texts are rendered by the same code as in the channels, straight
from the files.
"""

from __future__ import annotations

from calla.settings import silence_dependencies

silence_dependencies()

import html
import sys
import textwrap
from pathlib import Path
from typing import Any, Iterator

import yaml

from calla.answers import CallaNaturalLanguageGenerator
from calla.catalogue import REFERRAL, Catalogue, Topic
from calla.content.files import ROOT, did_you_mean
from calla.content.sources import LOADER

WIDTH = 78
STYLE = """
body {font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; color: #222}
article {border: 1px solid #bbb; border-radius: 1rem; padding: 1rem; margin: 0 0 2rem; white-space: pre-line}
.first {border: 2px solid #a33; background: #fff4f2} .asked {font-weight: bold; margin: 0 0 .4rem}
small {display: block; color: #555; margin-top: .6rem} .button {display: inline-block; border: 1px solid #357;
border-radius: 1rem; padding: .2rem .8rem; margin: .6rem .4rem 0 0; color: #135}
"""


def responses(root: Path = ROOT) -> dict[str, list[dict[str, Any]]]:
    """Return all responses of the project, as training would merge them."""
    merged: dict[str, list[dict[str, Any]]] = {}
    for path in (root / "domain.yml", *sorted((root / "data").rglob("*.yml"))):
        read = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER) or {}
        merged.update(read.get("responses") or {})
    return merged


class Preview:
    """Renders a topic's overview and details, with the referral that goes before them."""

    def __init__(self, root: Path = ROOT) -> None:
        self._nlg = CallaNaturalLanguageGenerator()
        self._nlg.responses = responses(root)
        self.catalogue = Catalogue(self._nlg.responses)

    def shown(self, topic_id: str) -> list[tuple[Topic, list[dict[str, Any]]]]:
        """Return each answer of a topic with the messages that are sent, in their order."""
        answers = [self.catalogue.topics[topic_id], *self.catalogue.of_topic(topic_id)]
        return [(answer, list(self._messages(answer))) for answer in answers]

    def _messages(self, answer: Topic) -> Iterator[dict[str, Any]]:
        names = [answer.response]
        if answer.referral == "always" and answer.group != REFERRAL:
            names.insert(0, f"utter_{REFERRAL}/{answer.referral_to}")
        for name in names:
            if message := self._nlg.render(name):
                yield message

    def as_text(self, topic_id: str) -> str:
        """Return the topic for the terminal."""
        lines: list[str] = []
        for answer, messages in self.shown(topic_id):
            lines += [f"== {answer.title}   ({answer.id})", ""]
            for message in messages:
                lines += [_wrapped(message["metadata"]["body"]), ""]
                below = _small_print(message["metadata"])
                below += ["  ".join(f"[ {button['title']} ]" for button in message.get("buttons", ()))]
                lines += [*(f"   {line}" for line in below if line), ""]
        return "\n".join(lines)

    def as_page(self, topic_id: str) -> str:
        """Return the topic as a page for the browser."""
        cards: list[str] = []
        for answer, messages in self.shown(topic_id):
            cards.append(f'<p class="asked">{html.escape(answer.title)}</p>')
            for message in messages:
                parts = message["metadata"]
                small = "<br>".join(html.escape(line) for line in _small_print(parts))
                buttons = "".join(
                    f'<span class="button">{html.escape(button["title"])}</span>'
                    for button in message.get("buttons", ())
                )
                kind = ' class="first"' if "kind" in parts else ""
                cards.append(
                    f"<article{kind}>{html.escape(parts['body'])}<small>{small}</small><div>{buttons}</div></article>"
                )
        head = f'<meta charset="utf-8"><title>{html.escape(topic_id)}</title><style>{STYLE}</style>'
        return f'<!doctype html><html lang="en">{head}{"".join(cards)}</html>\n'


def _small_print(parts: dict[str, Any]) -> list[str]:
    """Return label, sources and date below an answer."""
    lines = [parts["evidence"]["text"]] if parts.get("evidence") else []
    lines += [f"{source['organisation']}: {source['title']}" for source in parts.get("sources", ())]
    return [*lines, parts["reviewed"]] if parts.get("reviewed") else lines


def _wrapped(text: str) -> str:
    return "\n".join(
        textwrap.fill(line, WIDTH, initial_indent="   ", subsequent_indent="   ") for line in text.split("\n")
    )


def main(arguments: list[str]) -> int:
    """Show the topic that is named; 1 if there is none of that name."""
    preview = Preview()
    topic_id = arguments[0] if arguments else ""
    if topic_id not in preview.catalogue.topics:
        print(f"There is no topic '{topic_id}'{did_you_mean(topic_id, preview.catalogue.topics)}", file=sys.stderr)
        return 1
    print(preview.as_text(topic_id))
    page = ROOT / "var" / "preview" / f"{topic_id}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(preview.as_page(topic_id), encoding="utf-8")
    print(f"The same as a page: {page.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
