"""``make bench``: Calla beside Rasa's default pipeline, trained on the same data, in one run.

Each system trains and answers in a process of its own. Reported are the whole training
time, the resident memory after loading and answering, and the time from message to
answer inside the process (no network), over the held-out questions.

The cost of the referral guarantee is measured beside it: the same messages, each with and
without screen, referral policy and guarded agent, in turn in one process.

Rasa's default pipeline learns for 100 epochs, which takes hours.
``--examples`` keeps the first so many of each topic, for both systems; ``--epochs`` shortens
the learning, which changes its training time but neither its latency nor its memory. The
report says both.
"""

from __future__ import annotations

from calla.settings import silence_dependencies

silence_dependencies(tensorflow=True)

import argparse
import asyncio
import json
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

from calla.settings import ROOT
from evaluation.evaluate import commit

DEFAULT_CONFIG = """
recipe: default.v1
language: en
assistant_id: baseline
pipeline:
- name: WhitespaceTokenizer
- name: RegexFeaturizer
- name: LexicalSyntacticFeaturizer
- name: CountVectorsFeaturizer
- name: CountVectorsFeaturizer
  analyzer: char_wb
  min_ngram: 1
  max_ngram: 4
- name: DIETClassifier
  epochs: {epochs}
  constrain_similarities: true
  random_seed: 7
- name: ResponseSelector
  epochs: {epochs}
  constrain_similarities: true
  random_seed: 7
- name: FallbackClassifier
  threshold: 0.3
  ambiguity_threshold: 0.1
policies:
- name: MemoizationPolicy
- name: RulePolicy
- name: TEDPolicy
  max_history: 5
  epochs: {epochs}
  constrain_similarities: true
  random_seed: 7
"""
DEFAULT_RULES = """
version: "3.1"
rules:
- rule: Answer a question
  steps: [{intent: faq}, {action: utter_faq}]
- rule: Small talk
  steps: [{intent: chat}, {action: utter_chat}]
- rule: Refer
  steps: [{intent: referral}, {action: utter_referral}]
- rule: Decline
  steps: [{intent: out_of_scope}, {action: utter_out_of_scope}]
"""


def questions(limit: int) -> list[str]:
    """Return held-out questions, the same for both systems."""
    file = ROOT / "tests" / "nlu" / "dev" / "questions.jsonl"
    return [json.loads(line)["text"] for line in file.read_text().splitlines()][:limit]


def shortened(folder: Path, examples: int) -> Path:
    """Copy the data to ``folder``, with the first ``examples`` of each topic; return the copy."""
    copy = folder / "data"
    shutil.copytree(ROOT / "data", copy)
    # The lines that follow "examples: |", no other list of the file.
    beyond = re.compile(rf"(examples: \|\n(?:    - .*\n){{{examples}}})(?:    - .*\n)+")
    for file in copy.glob("topics/*/*.yml"):
        file.write_text(beyond.sub(r"\1", file.read_text()))
    return copy


def measure(system: str, epochs: int, limit: int, examples: int) -> dict[str, Any]:
    """Train and run one system in this process; times in seconds and ms, memory in MB."""
    warnings.filterwarnings("ignore")
    import rasa.model_training

    config, domain = ROOT / "config.yml", ROOT / "domain.yml"
    with tempfile.TemporaryDirectory() as folder:
        data = shortened(Path(folder), examples) if examples else ROOT / "data"
        files = [str(data)]
        if system == "default":
            config = Path(folder) / "config.yml"
            config.write_text(DEFAULT_CONFIG.format(epochs=epochs))
            rules = Path(folder) / "rules.yml"
            rules.write_text(DEFAULT_RULES)
            domain = Path(folder) / "domain.yml"
            domain.write_text(
                "intents: [faq, chat, referral, out_of_scope]\nactions: [utter_faq, utter_chat, utter_referral]\n"
            )
            files = [
                str(data / "topics"),
                str(data / "conversation"),
                str(data / "safety" / "referrals.yml"),
                str(rules),
            ]
        started = time.monotonic()
        result = rasa.model_training.train(str(domain), str(config), files, output=folder, force_training=True)
        trained = time.monotonic() - started
        from evaluation.bot import LoadedBot

        bot: Any
        if system == "default":
            from rasa.core.agent import Agent

            bot = Agent.load(result.model)
        else:
            bot = LoadedBot(Path(str(result.model))).agent
        took = asyncio.run(_ask(bot, questions(limit)))
    return {
        "training_s": trained,
        "median_ms": statistics.median(took),
        "p95_ms": statistics.quantiles(took, n=20)[-1],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def _ask(agent: Any, texts: list[str]) -> list[float]:
    from rasa.core.channels.channel import CollectingOutputChannel, UserMessage

    took = []
    for number, text in enumerate([*texts[:10], *texts]):
        started = time.perf_counter()
        await agent.handle_message(UserMessage(text, CollectingOutputChannel(), f"bench-{number}"))
        took.append(1000 * (time.perf_counter() - started))
    return took[10:]


def guarantee(limit: int) -> dict[str, float]:
    """Measure what the guarantee costs a message that owes no referral, in ms.

    Returns:
        medians with and without it, and the median of the differences pair by pair.
    """
    from rasa.core.agent import Agent
    from rasa.core.channels.channel import CollectingOutputChannel, UserMessage

    from calla.agent import GuardedAgent
    from calla.nlu.reader import FINDINGS, RAW_TEXT, SafetyScreen
    from calla.policies.plan import Turn
    from evaluation.bot import LoadedBot

    def unscreened(self: SafetyScreen, messages: list[Any]) -> list[Any]:
        for message in messages:
            message.set(RAW_TEXT, message.get("text"))
            message.set("screened", [])
            message.set(FINDINGS, [])
        return messages

    async def ask(agent: GuardedAgent, text: str, sender: str) -> float:
        started = time.perf_counter()
        await agent.handle_message(UserMessage(text, CollectingOutputChannel(), sender))
        return 1000 * (time.perf_counter() - started)

    async def both(agent: GuardedAgent) -> list[tuple[float, float]]:
        pairs = []
        for number, text in enumerate(questions(limit)):
            took = {}
            # The first of a pair warms the caches for the second, so they take turns.
            for kind in ("with", "without") if number % 2 else ("without", "with"):
                with ExitStack() as stack:
                    if kind == "without":
                        stack.enter_context(patch.object(SafetyScreen, "process", unscreened))
                        stack.enter_context(patch("calla.understanding.decision.owed", lambda *_: []))
                        stack.enter_context(patch.object(Turn, "owed_referrals", lambda _: []))
                        stack.enter_context(patch.object(GuardedAgent, "handle_message", Agent.handle_message))
                    took[kind] = await ask(agent, text, f"{kind}-{number}")
            pairs.append((took["with"], took["without"]))
        return pairs[10:]

    pairs = asyncio.run(both(LoadedBot().agent))
    return {
        "with_ms": statistics.median(on for on, _ in pairs),
        "without_ms": statistics.median(off for _, off in pairs),
        "cost_ms": statistics.median(on - off for on, off in pairs),
    }


def main() -> int:
    """Measure both systems, print and store the comparison; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make bench", description="Calla beside Rasa's default pipeline.")
    parser.add_argument("--epochs", type=int, default=5, help="of the default pipeline; its own default is 100 (hours)")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--examples", type=int, default=25, help="of each topic; 0 for all (hours)")
    parser.add_argument("--only", choices=("calla", "default", "guarantee"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        guarded = options.only == "guarantee"
        measured = (
            guarantee(options.questions)
            if guarded
            else measure(options.only, options.epochs, options.questions, options.examples)
        )
        print(json.dumps(measured))
        return 0
    figures = {}
    for system in ("calla", "default", "guarantee"):
        command = [sys.executable, "-m", "evaluation.bench", "--only", system]
        command += ["--epochs", str(options.epochs), "--questions", str(options.questions)]
        command += ["--examples", str(options.examples)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            print(done.stderr[-3000:], file=sys.stderr)
            return 1
        figures[system] = json.loads(done.stdout.strip().splitlines()[-1])
    print(
        f"{date.today()}, commit {commit()}, default pipeline with {options.epochs} epochs, "
        + (f"{options.examples} examples of each topic" if options.examples else "all examples")
    )
    print(f"{'':14s}{'Calla':>12s}{'default':>12s}{'ratio':>8s}")
    for name, value in figures["calla"].items():
        other = figures["default"][name]
        print(f"{name:14s}{value:12.1f}{other:12.1f}{value / other:8.2f}")
    print("the guarantee: " + ", ".join(f"{name} {value:.2f}" for name, value in figures["guarantee"].items()))
    out = ROOT / "evaluation" / "out"
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(
        json.dumps({"epochs": options.epochs, "examples": options.examples, **figures}, indent=2) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
