"""``make bench``: Calla beside Rasa's default pipeline, measured in one interleaved run."""

from calla.settings import silence_dependencies

silence_dependencies()

import os

# One thread of linear algebra in the process that measures, as in the server.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
