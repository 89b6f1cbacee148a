"""Check the topic files: ``python -m calla.check_content [files]`` or ``make check-content``."""

from __future__ import annotations

import sys

from calla.content.check import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
