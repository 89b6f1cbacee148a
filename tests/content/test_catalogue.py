"""The checker finds nothing in ``data``, and names each fault in a project that is broken on purpose."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest

from calla.content.check import check, load
from calla.content.files import ROOT
from tests.content.promised import always, topics

MK7 = "data/topics/supplements/what_is_mk7.yml"
MK4 = "data/topics/supplements/what_is_mk4.yml"
REFERRALS = "data/safety/referrals.yml"
SOURCES = "data/sources.yml"
REVIEW = "docs/content-review.md"
TEXT = "MK-7 is a form of vitamin K2. It comes from some foods."
INTENT = "- intent: faq/what_is_mk7\n"
OWING = f"{INTENT}  metadata:\n    owes: {{}}\n  examples: |\n    - my own report names mk7\n"
DETAIL = "MK-7 is made by microbes. Ask a pharmacist about yours."


def test_nothing_is_missing() -> None:
    """The content is in order; otherwise this is the list of what to mend."""
    problems = [problem for problem in check() if not problem.wish]
    assert not problems, "\n" + "\n".join(f"{p.path}:{p.line}: {p.text}" for p in problems)


def test_promised_topics_are_there() -> None:
    """No topic that was promised is lost, and none refers less than was decided."""
    levels = {entry.id: entry.value("referral") for entry in load()[0].entries}
    wrong = {
        topic: levels.get(topic) for topic, level in topics().items() if levels.get(topic, "missing") != (level or "")
    }
    assert not wrong


def test_details_that_touch_a_danger_are_referred_first() -> None:
    """A detail that the catalogue wants behind a referral stays there."""
    levels = {entry.id: entry.value("referral") for entry in load()[0].entries}
    assert not {detail: levels[detail] for detail in always() if levels.get(detail, "always") != "always"}


def test_a_whole_project_is_in_order(project: Path) -> None:
    """What the next tests break is whole before."""
    assert check(project) == []


BROKEN: list[tuple[str, str, str, str]] = [
    # -- the form
    (MK7, "referral: none", "referal: none", "did you mean 'referral'"),
    (MK7, "    - asked about mk7 two one 1\n", "    asked about mk7 two one 1\n", "an example must start with '- '"),
    (MK7, "    - asked about mk7 two one 1\n", "    -asked about mk7 two one 1\n", "an example must start with '- '"),
    (MK7, "examples: |", "examples:", "write 'examples: |'"),
    (MK7, "examples: |", "examples: >", "write 'examples: |'"),
    (MK7, "examples: |", "example: |", "did you mean 'examples'"),
    (MK7, "responses:\n", "response:\n", "did you mean 'responses'"),
    (MK7, "utter_faq/what_is_mk7:", "utter_faq/what_is_mk:", "did you mean 'faq/what_is_mk7'"),
    (MK7, "utter_faq/what_is_mk7:", "utter_chat/what_is_mk7:", "did you mean 'faq/what_is_mk7'"),
    (MK7, "utter_faq/what_is_mk7:", "faq/what_is_mk7:", "starts with utter_"),
    (MK7, "utter_faq/what_is_mk7.made_of", "utter_faq/what_is_mk7.source", "faq/what_is_mk7.source is missing"),
    (MK7, "utter_faq/what_is_mk7.made_of", "utter_faq/what_is_mk7.made_off",
     "made_off is missing; did you mean 'made_of'"),
    (MK7, "utter_faq/what_is_mk7.made_of", "utter_faq/what_is_mk7.made_off",
     "made_of is missing; did you mean 'made_off'"),
    (MK7, "utter_faq/what_is_mk7.made_of", "utter_more/what_is_mk7", "utter_more is not used any more"),
    (MK7, "intent: faq/what_is_mk7.made_of", "intent: faq/is_natto_tasty", "needs its own file is_natto_tasty.yml"),
    (MK7, 'title: "What is MK-7?"', "title: MK-7: what is it", "a colon inside a text"),
    (MK7, 'title: "What is MK-7?"', 'title: "What is MK-7?', "a quotation mark above is never closed"),
    (MK7, "      evidence: limited", "\tevidence: limited", "a tab: use spaces"),
    (MK7, '      title: "What is MK-7?"', '\ttitle: "What is MK-7?"', "a tab: use spaces"),
    (MK7, "  - text: |-", "\t- text: |-", "a tab: use spaces"),
    (MK7, "  - text: |-", "  -\ttext: |-", "a tab: use spaces"),
    (MK7, "      evidence: limited", "     evidence: limited", "the spaces at the start of this line"),
    (MK7, "related: [what_is_mk4]", "related: [what_is_mk4", "a list in brackets is not closed"),
    (MK7, 'subject: "MK-7"', 'subject: "MK-7"\n      subject: "K2"', "'subject' stands twice"),
    (MK7, 'version: "3.1"', "version: 3.1", "the first line must be"),
    (MK7, 'reviewed: "2026-11-29"', "reviewed: 2026-11-29", "write a text, in quotes"),
    (MK7, "    metadata:\n      title: \"What is MK-7?", "    buttons: []\n    metadata:\n      title: \"What is MK-7?",
     "'buttons' would not be shown"),
    (MK7, "    metadata:\n      title: \"What is MK-7?", "    image: x\n    metadata:\n      title: \"What is MK-7?",
     "'image' would not be shown"),
    (MK7, f"  - text: |-\n      {TEXT}", f"  - text: A second text.\n  - text: |-\n      {TEXT}", "here are 2"),
    (MK7, TEXT, TEXT.replace("is a", "isnâ€™t a"), "garbled characters"),
    # -- one topic or detail
    (MK7, "    - what is it made of two one 1\n", "", "11 examples, at least 12 are needed"),
    (MK7, "    - asked about mk7 two one 1\n", "", "24 examples, at least 25 are needed"),
    (MK7, INTENT, f"{OWING.format('appointments')}{INTENT}", "did you mean 'appointment'"),
    (MK7, INTENT, f"{OWING.format('appointment') * 2}{INTENT}", "the intent 'faq/what_is_mk7' stands twice"),
    (MK7, INTENT, f"{OWING.replace('owes', 'owe').format('appointment')}{INTENT}", "unknown name 'owe'"),
    (MK7, 'title: "What is MK-7?"', "title: Yes", "says nothing by itself"),
    (MK7, 'title: "What is MK-7?"', f'title: "{"x" * 46}"', "the title has 46 characters"),
    (MK7, '      title: "What is MK-7?"\n', "", "no title"),
    (MK7, 'title: "What is MK-7?"', "title: “What is MK-7?”", "curly quotation mark"),
    (MK7, '      subject: "MK-7"\n', "", "no subject"),
    (MK7, "aspect: definition", "aspect: definitions", "did you mean 'definition'"),
    (MK7, "evidence: limited", "evidence: limitted", "did you mean 'limited'"),
    (MK7, "sources: [NIH-K]", "sources: []", "no source"),
    (MK7, f"{DETAIL}\n", f"{DETAIL.replace('microbes', 'microbes in 3 days')}\n", ""),
    (MK7, "sources: [NIH-K, LEAFLET]", "sources: [NIH-KA]", "did you mean 'NIH-K'"),
    (MK7, "sources: [NIH-K]", "sources: [https://example.org/k]", "a source is a key"),
    (MK7, "sources: [NIH-K]", "sources: [NIH-K, NIH-K]", "a source is cited twice"),
    (MK7, 'reviewed: "2026-11-29"', 'reviewed: "last week"', "the review date is 'last week'"),
    (MK7, 'reviewed: "2026-11-29"', 'reviewed: "2999-01-01"', "in the future"),
    (MK7, "related: [what_is_mk4]", "related: [what_is_mk5]", "did you mean 'what_is_mk"),
    (MK7, "related: [what_is_mk4]", "related: [what_is_mk7]", "offers itself"),
    (MK7, "related: [what_is_mk4]", "related: []\n      yes_means: what_is_mk44", "'what_is_mk44' does not exist"),
    (MK7, "      related: [what_is_mk4]\n", "", "no related topic"),
    (MK7, TEXT, TEXT + " So it is." * 40, "at most 120"),
    (MK7, TEXT, TEXT + " So it is." * 27, "(wish)"),
    (MK7, DETAIL, "MK-7 is it." + " So it is." * 19 + " Ask a nurse.", "at most 60"),
    (MK7, DETAIL, "Physiological mineralisation necessitates pharmacist evaluation.", "too hard to read"),
    (MK7, TEXT, "MK-7 can dissolve it.", "the answer says 'dissolve'"),
    (MK7, TEXT, "MK-7 is fine. There is nothing to worry about.", "the answer says 'nothing to worry about'"),
    (MK7, TEXT, "MK-7 is a **form** of K2.", "a link or Markdown"),
    (MK7, TEXT, "MK-7 is on www.example.org.", "a link or Markdown"),
    (MK7, TEXT, "MK-7 is for {breast_clinic_contct}.", "did you mean 'breast_clinic_contact'"),
    (MK7, TEXT, "Yes. It is a form of K2.", "does not name what it is about"),
    (MK7, TEXT, "No, it is a form of K2.", "does not name what it is about"),
    (MK7, TEXT, "They are forms of K2.", "does not name what it is about"),
    (MK7, TEXT, "The article says so." + " MK-7 is it." * 5, "the article comes too early"),
    (MK7, DETAIL, "MK-7 is made by microbes.", "names nobody to turn to"),
    (MK7, "referral: none", "referral: sofft", "did you mean 'soft'"),
    (MK4, "      referral: always\n", "      referral: soft\n", "'referral_to' counts only with 'referral: always'"),
    (MK4, "referral_to: appointment", "referral_to: appointments", "did you mean 'appointment'"),
    # -- between topics
    (MK7, 'title: "What is MK-7?"', 'title: "What is MK-4"', "what_is_mk4 has the title"),
    (MK7, "asked about mk7 two one 1\n", "Asked, about MK4 two one 1?\n", f"also stands in {MK4}:"),
    (MK4, "asked about mk4 two one 1\n", "a message of a test set!\n", "is a message of tests/nlu/set.jsonl"),
    (MK4, "asked about mk4 two one 1\n", "The first turn here\n", "is a message of tests/nlu/set.jsonl"),
    (MK4, "asked about mk4 two one 1\n", "And you?\n", ""),
    # -- referrals, sources, other files
    (REFERRALS, "utter_referral_short/appointment", "utter_referral_short/visit", "short/appointment is missing"),
    (REFERRALS, "      referral: always\n", "", "a referral has 'referral: always'"),
    (MK7, TEXT, "MK-7 is kept for {retention_days} days.", ""),
    (REFERRALS, "kind: planned", "kind: plannd", "did you mean 'planned'"),
    (REFERRALS, "Please keep your date. Call", "Please keep your date now." * 40 + " Call", "at most 110"),
    (SOURCES, "url: https://example.org/k", "url: http://example.org/k", "no https address"),
    (SOURCES, "url: http://example.org/leaflet", "url: https://www.example.org/k/", "NIH-K has the same address"),
    (SOURCES, "kind: government", "kind: goverment", "did you mean 'government'"),
    (SOURCES, '    title: "Vitamin K"\n', "", "NIH-K: no title"),
    (REFERRALS, 'version: "3.1"\n', 'version: "3.1"\n# see https://example.org/old\n', "not in data/sources.yml: https://example.org/old"),
    (SOURCES, "    check: true\n", "", "LEAFLET: no https address"),
    (REVIEW, "| LEAFLET", "| LEAFLETS", "LEAFLET has 'check: true' but is not listed"),
    (REVIEW, "| LEAFLET", "| NIH-K | NIH |\n| LEAFLET", "NIH-K is listed, but has no 'check: true'"),
    ("data/safety/contacts.yml", '"the clinic', 'the "clinic: a', "a colon inside a text"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "complaint"), BROKEN)
def test_a_broken_topic_is_named(project: Path, file: str, old: str, new: str, complaint: str) -> None:
    """Each slip of an editor is named in its file, near its line; what is allowed is not."""
    before = (project / file).read_text(encoding="utf-8")
    assert old in before
    (project / file).write_text(before.replace(old, new, 1), encoding="utf-8")
    found = [f"{p.path}:{p.line}: {'(wish) ' if p.wish else ''}{p.text}" for p in check(project)]
    if not complaint:
        assert not found
        return
    assert any(complaint in line and line.startswith(file) for line in found), "\n".join(found)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("referral: none", "referal: none", "unknown name"),
        ("    - asked about mk7 two one 1\n", "    asked about mk7 two one 1\n", "must start with"),
        ("evidence: limited", "evidence: proven", "the evidence label"),
        (TEXT, "MK-7 can dissolve it.", "the answer says"),
        ('title: "What is MK-7?"', "title: MK-7: what is it", "a colon"),
    ],
)
def test_the_line_is_the_line(project: Path, old: str, new: str, complaint: str) -> None:
    """The line that is named is the one to mend (for a text the line where it begins)."""
    path = project / MK7
    lines = path.read_text(encoding="utf-8").replace(old, new, 1).splitlines()
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    expected = next(number for number, line in enumerate(lines, 1) if new.strip() in line)
    problem = next(p for p in check(project) if complaint in p.text)
    assert problem.line in (expected, expected - 1 if new.startswith("MK-7 can") else expected)


@pytest.mark.parametrize("spaces", ["    ", "  "])
@pytest.mark.parametrize("text", [TEXT, DETAIL])
def test_a_missing_dash_is_named_alone(project: Path, text: str, spaces: str) -> None:
    """What follows from it is not the editor's slip."""
    path = project / MK7
    whole = path.read_text(encoding="utf-8")
    broken = whole.replace(f"  - text: |-\n      {text}", f"{spaces}text: |-\n      {text}")
    path.write_text(broken, encoding="utf-8")
    (problem,) = check(project)
    assert "a dash is missing before 'text:'" in problem.text
    assert broken.splitlines()[problem.line - 1] == f"{spaces}text: |-"


def test_numbers_without_a_source_are_named(project: Path) -> None:
    """A figure that nobody stands for is the worst kind of missing source."""
    path = project / MK7
    text = path.read_text(encoding="utf-8").replace(TEXT, "MK-7 stays for 3 days.").replace("[NIH-K]", "[]")
    path.write_text(text, encoding="utf-8")
    assert any("no source although it names numbers" in problem.text for problem in check(project))


def test_a_file_that_cannot_be_read_is_the_only_one_blamed(project: Path) -> None:
    """What others say about an unreadable topic is not their fault."""
    path = project / MK7
    path.write_text(path.read_text(encoding="utf-8").replace("title: ", "title: : "), encoding="utf-8")
    assert {problem.path for problem in check(project)} == {MK7}


def test_words_are_counted_as_people_read_them(project: Path) -> None:
    """A placeholder is as long as what stands there when the operator has set nothing."""
    path = project / REFERRALS
    text = path.read_text(encoding="utf-8").replace("/appointment", "/word").replace("{", "Keep it. " * 17 + "{", 1)
    path.write_text(text, encoding="utf-8")
    assert any("the answer has 45 words, at most 40" in problem.text for problem in check(project))


def test_small_talk_with_a_label_needs_a_source(project: Path) -> None:
    """Chat is free of labels; where it gives one, it owes the source too."""
    path = project / "data/topics/conversation/greet.yml"
    examples = "\n".join(f"    - hello {number}" for number in range(10))
    text = f"""version: "3.1"
nlu:
- intent: chat/greet
  examples: |
{examples}
responses:
  utter_chat/greet:
  - text: Hello. I am a bot.
    metadata:
      title: "Hello"
"""
    path.write_text(text, encoding="utf-8")
    assert check(project) == []
    path.write_text(text + "      evidence: general\n", encoding="utf-8")
    said = [problem.text for problem in check(project)]
    assert len(said) == 2 and said[0] == "no source" and said[1].startswith("the review date")


TALK = """version: "3.1"
talks:
- talk: mk7
  steps:
  - user: "what did they find about it"
    intent: faq/what_is_mk7
  - user: "and my tablets with it"
    intent: faq/what_is_mk7
    metadata: {owes: appointment}
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("intent: faq/what_is_mk7\n", "intent: faq/what_is_mk9\n", "did you mean 'faq/what_is_mk"),
        ("owes: appointment", "owes: appointments", "did you mean 'appointment'"),
        ("what did they find about it", "a message of a test set", "is a message of tests/nlu/set.jsonl"),
        ("talks:", "\ttalks:", "a tab"),
        ("{owes:", "{owe:", "a turn has the lines"),
        ("  - user:", "  - usr:", "a turn has the lines"),
        ("intent: faq/what_is_mk7\n", "intent:\n", "no topic or detail ''"),
    ],
)
def test_a_slip_in_a_talk_is_named(project: Path, old: str, new: str, complaint: str) -> None:
    """A talk teaches by the labels of its turns, so they must be there."""
    path = project / "data/talks/talks.yml"
    path.parent.mkdir()
    path.write_text(TALK)
    assert check(project) == []
    path.write_text(TALK.replace(old, new, 1))
    assert any(complaint in problem.text and problem.path == "data/talks/talks.yml" for problem in check(project))


@pytest.mark.parametrize("name", ["what_is_mk8.yaml", "what_is_mk8.yml.txt", "notes.docx"])
def test_a_file_with_another_ending_is_named(project: Path, name: str) -> None:
    """A file that nobody would read does not go unnoticed."""
    (project / MK7).with_name(name).write_bytes(b"\xff\xfe")
    (problem,) = check(project)
    assert "rename it" in problem.text
    assert problem.path.endswith(name)


def test_another_encoding_is_named(project: Path) -> None:
    """A file saved as Windows text is named with the line of the first strange character."""
    path = project / MK7
    raw = path.read_bytes().replace(b"asked about mk7 two one 1\n", "asked about mk7 café\n".encode("cp1252"))
    path.write_bytes(raw)
    problem = next(p for p in check(project) if "UTF-8" in p.text)
    assert problem.line == raw[: raw.index(b"caf\xe9")].count(b"\n") + 1


def test_an_empty_file_is_named(project: Path) -> None:
    """An empty topic is no topic."""
    (project / "data/topics/diet").mkdir()
    (project / "data/topics/diet/eggs.yml").write_text("")
    assert any("the file is empty" in problem.text for problem in check(project))


def test_a_detail_needs_its_topic(project: Path) -> None:
    """Details alone have nothing to inherit from."""
    path = project / MK7
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"- intent: faq/what_is_mk7\n.*?(?=- intent)", "", text, flags=re.DOTALL)
    text = re.sub(r"  utter_faq/what_is_mk7:\n.*?(?=  utter_faq)", "", text, flags=re.DOTALL)
    path.write_text(text, encoding="utf-8")
    assert any("the topic faq/what_is_mk7 itself is missing" in problem.text for problem in check(project))


def test_one_file_is_enough(project: Path) -> None:
    """A topic that is added needs no line anywhere else."""
    text = (project / MK4).read_text(encoding="utf-8")
    added = text.replace("mk4", "mk9").replace("MK-4", "MK-9")
    (project / MK4).with_name("what_is_mk9.yml").write_text(added, encoding="utf-8")
    assert check(project) == []


@pytest.mark.parametrize(("arguments", "status"), [([], None), ([MK4], None)])
def test_the_command_needs_neither_model_nor_rasa(arguments: list[str], status: Optional[int]) -> None:
    """``python -m calla.check_content`` answers in seconds, without loading Rasa."""
    code = (
        "import sys; from calla.content.check import main; main(sys.argv[1:]); "
        "sys.exit(9 if 'rasa' in sys.modules else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
