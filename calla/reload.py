"""``make reload``: have the running servers take the new model, without a restart.

The model is first tried in this process: one that would bring a server down comes no further.
"""

from __future__ import annotations

from calla.settings import SettingsError, read_settings, silence_dependencies

silence_dependencies()

import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from rasa.utils.endpoints import EndpointConfig

from calla.agent import GuardedAgent
from calla.model import ModelMissingError, latest_model
from calla.reloading import SERVERS, BrokenModelError, is_running, try_out

NLG = "calla.answers.CallaNaturalLanguageGenerator"
# Seconds after which a server that has not answered is taken to be stuck, and between two looks.
PATIENCE, LOOK_EVERY = 600.0, 0.1


def servers(folder: Path) -> dict[Path, dict[str, Any]]:
    """Return what the running servers of a data folder say of themselves, by their file."""
    found = {}
    for file in sorted((folder / SERVERS).glob("*.json")):
        try:
            state = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        if is_running(int(state["pid"])):
            found[file] = state
    return found


def reload(folder: Path, model: str) -> list[str]:
    """Ask every server to take the new model and wait for it; return what went wrong, a sentence each."""
    before = servers(folder)
    if not before:
        return [f"No server of this data folder is running ({folder})."]
    for state in before.values():
        os.kill(state["pid"], signal.SIGHUP)
    problems = []
    until = time.monotonic() + PATIENCE
    for file, old in before.items():
        state = old
        while state["reloads"] <= old["reloads"] and time.monotonic() < until and is_running(old["pid"]):
            time.sleep(LOOK_EVERY)
            state = servers(folder).get(file, old)
        if state["failed"]:
            problems.append(f"Server {old['pid']} keeps its model: {state['failed']}")
        elif state["model"] != model:
            problems.append(f"Server {old['pid']} did not answer, or has ended; it answers with {state['model']}.")
    return problems


def main() -> int:
    """Try the model of the present state and have the servers take it; returns the exit status."""
    warnings.filterwarnings("ignore")
    began = time.monotonic()
    try:
        config = read_settings()
        model = latest_model()
        agent = GuardedAgent(generator=EndpointConfig(type=NLG))
        try_out(agent.build(model))
    except (SettingsError, ModelMissingError, BrokenModelError) as problem:
        print(f"Nothing was changed: {problem}", file=sys.stderr)
        return 2
    except Exception as error:
        print(f"Nothing was changed: the model cannot be loaded ({type(error).__name__}).", file=sys.stderr)
        return 2
    if problems := reload(config.data_folder, model.name):
        print("\n".join(problems), file=sys.stderr)
        return 1
    print(f"Every server answers with {model.name} ({time.monotonic() - began:.0f} seconds).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
