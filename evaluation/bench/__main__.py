"""``make bench``: run the steps that are not done yet, with a progress bar, then write the report."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, Optional

from tqdm import tqdm

from calla.model import fingerprint
from calla.settings import ROOT
from evaluation.bench import models, report, speed, starting, stock, training
from evaluation.bench.messages import class_of, realistic
from evaluation.bench.processes import Calla, Stock, System
from evaluation.bench.server_stages import measure_stages
from evaluation.bench.state import State
from evaluation.evaluate import commit

OUT = ROOT / "evaluation" / "out" / "bench"
PARTS = 6
# Ticks of the bar for a step without ticks of its own.
STEP = 100
Tick = Callable[[int], object]


class Step(NamedTuple):
    """A step of the run: its name, what it does, and its length in ticks of the bar."""

    name: str
    run: Callable[[Tick], Any]
    ticks: int
    alone: bool = False


class Bench:
    """One run.

    Args:
        options: of the command.
        folder: for the stock assistant's project, logs and data.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._running: list[System] = []
        self._texts = realistic()
        self._short = [text for text in self._texts if class_of(text) == "up to 15 words"]

    def steps(self) -> list[Step]:
        """Return all steps, in order."""
        options = self._options
        part = len(self._texts) // PARTS
        found = [Step("the stock assistant trained", self._train_stock, STEP * 10, alone=True)]
        for n in range(PARTS):
            texts = self._texts[n * part : (n + 1) * part]
            found.append(Step(f"messages, part {n + 1}", self._latency(texts), part))
        for clients in speed.CROWDS:
            for system in ("Calla", "stock"):
                found.append(Step(f"{clients} clients, {system}", self._crowd(system, clients), STEP // 2))
        for system in ("Calla", "stock"):
            found.append(Step(f"long conversations, {system}", self._conversations(system), sum(speed.TURNS)))
        for system in ("Calla", "stock"):
            found.append(Step(f"memory, {system}", self._memory(system), speed.MESSAGES))
        for n in range(options.starts):
            for busy in (False, True):
                for system in ("Calla", "stock"):
                    kind = "busy" if busy else "quiet"
                    found.append(Step(f"start {kind} {n + 1}, {system}", self._start(system, busy), STEP, alone=True))
        found.append(Step("training from nothing", self._train_from_nothing, STEP * 6, alone=True))
        found.append(Step("training after an edit", self._train_after_edit, STEP * 4, alone=True))
        found.append(Step("encoder alone", lambda _: apart(models.floor), STEP, alone=True))
        found.append(Step("stages", self._stages, len(self._texts), alone=True))
        found.extend(Step(f"{n} topics", _many(n), STEP, alone=True) for n in models.TOPICS)
        if options.benchmarks:
            folder = options.benchmarks
            found.append(
                Step("BANKING77", lambda _: apart(models.banking77, folder / "banking77"), STEP * 2, alone=True)
            )
            found.append(Step("CLINC150", lambda _: apart(models.clinc150, folder / "clinc150"), STEP * 3, alone=True))
        return found

    def run(self, state: State, file: Path, only: Optional[str] = None) -> None:
        """Run the steps that are not done yet."""
        steps = self.steps()
        done = sum(step.ticks for step in steps if step.name in state.steps)
        with tqdm(total=sum(step.ticks for step in steps), initial=done, unit="", mininterval=1.0) as bar:
            for step in steps:
                if step.name in state.steps or (only and only not in step.name):
                    continue
                bar.set_description(step.name)
                if step.alone:
                    self.stop()
                before = bar.n
                result = step.run(bar.update)
                bar.update(before + step.ticks - bar.n)
                state.add(step.name, result, commit(), file)
        self.stop()

    def stop(self) -> None:
        """End both systems, if they run."""
        while self._running:
            self._running.pop().stop()

    def _systems(self) -> list[System]:
        if not self._running:
            for system in (Calla(self._folder), Stock(self._folder)):
                system.start()
                self._running.append(system)
                for text in self._texts[:10]:
                    system.ask(text, "warm")
        return self._running

    def _system(self, name: str) -> System:
        return next(system for system in self._systems() if system.name == name)

    def _train_stock(self, _: Tick) -> dict[str, float]:
        return stock.train(self._folder, self._options.epochs, self._options.examples)

    def _latency(self, texts: list[str]) -> Callable[[Tick], Any]:
        return lambda tick: speed.latency(self._systems(), texts, tick)

    def _crowd(self, system: str, clients: int) -> Callable[[Tick], Any]:
        return lambda _: speed.crowd(self._system(system), clients, self._texts, self._options.seconds)

    def _conversations(self, system: str) -> Callable[[Tick], Any]:
        limit = self._options.conversation_seconds
        return lambda tick: speed.conversations(self._system(system), self._short, limit, tick)

    def _memory(self, system: str) -> Callable[[Tick], Any]:
        return lambda tick: speed.memory(self._system(system), self._short, tick)

    def _start(self, system: str, busy: bool) -> Callable[[Tick], Any]:
        kind = Calla if system == "Calla" else Stock
        return lambda _: starting.start(kind(self._folder), busy=busy)

    def _train_from_nothing(self, _: Tick) -> dict[str, float]:
        return training.train(training.copied(self._folder))

    def _train_after_edit(self, _: Tick) -> dict[str, float]:
        copy = self._folder / "training"
        if not (copy / "models").is_dir():
            training.train(training.copied(self._folder))
        training.edit(copy)
        return training.train(copy)

    def _stages(self, tick: Tick) -> dict[str, Any]:
        return measure_stages(self._folder, self._texts, tick)


def _many(number: int) -> Callable[[Tick], Any]:
    return lambda _: apart(models.many_topics, number)


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function in a process of its own; return its result."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main() -> int:
    """Measure what is not measured yet and write the report; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--epochs", type=int, default=5, help="of the stock assistant; its own default is 100 (hours)")
    parser.add_argument("--examples", type=int, default=25, help="of each topic and detail, for the stock assistant")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each crowd")
    parser.add_argument("--conversation-seconds", type=float, default=90.0, help="to make a conversation long")
    parser.add_argument("--starts", type=int, default=2, help="of each system, quiet and busy")
    parser.add_argument("--benchmarks", type=Path, help="folder with banking77/ and clinc150/, see docs/performance.md")
    parser.add_argument("--only", help="steps with this in their name")
    parser.add_argument("--anew", action="store_true", help="forget what was measured")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / "state.json"
    if options.anew:
        file.unlink(missing_ok=True)
    key = {name: getattr(options, name) for name in ("epochs", "examples", "seconds", "conversation_seconds")}
    state = State.read(file, {"model": fingerprint(), **key}, date.today().isoformat())
    bench = Bench(options, OUT)
    with contextlib.ExitStack() as stack:
        stack.callback(bench.stop)
        bench.run(state, file, options.only)
    print(report.write(state))
    return 0


if __name__ == "__main__":
    sys.exit(main())
