"""Talk to Calla in the terminal (``make chat``); the model is loaded into this process."""

from __future__ import annotations

import sys
import uuid


def main() -> int:
    """Read questions from standard input until it ends; returns the exit status."""
    from evaluation.bot import LoadedBot

    bot = LoadedBot()
    conversation = uuid.uuid4().hex
    print("Calla. Ask about breast calcifications; leave with Ctrl-D.\n")
    try:
        while True:
            for reply in bot.ask(input("you    "), conversation):
                print("calla  " + reply.text.replace("\n", "\n       "))
                if reply.buttons:
                    print("       [" + "] [".join(reply.buttons) + "]")
                print()
    except (EOFError, KeyboardInterrupt):
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
