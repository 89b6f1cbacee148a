"""The sentence encoder: a small transformer in ONNX, run by onnxruntime on one core."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer

DEFAULT_ARTEFACT = Path(__file__).resolve().parents[2] / "artefacts" / "encoder"


class EncoderError(RuntimeError):
    """The encoder artefact is missing or is not the file its manifest describes."""


class Encoder:
    """Turns texts into unit vectors.

    Args:
        artefact: folder with ``model.onnx``, ``tokenizer.json`` and ``manifest.json``.

    Raises:
        EncoderError: if a file is missing or its SHA-256 differs from the manifest.
    """

    def __init__(self, artefact: Path = DEFAULT_ARTEFACT) -> None:
        manifest_file = artefact / "manifest.json"
        if not manifest_file.is_file():
            raise EncoderError(f"No encoder in {artefact}. Build it with scripts/encoder/build.py.")
        manifest = json.loads(manifest_file.read_text())
        for name, expected in manifest["sha256"].items():
            if not (artefact / name).is_file():
                raise EncoderError(f"{artefact / name} is missing. Restore it from git.")
            found = hashlib.sha256((artefact / name).read_bytes()).hexdigest()
            if found != expected:
                raise EncoderError(
                    f"{artefact / name} is not the file of the manifest: its SHA-256 is {found}, expected {expected}."
                )
        self.fingerprint: str = manifest["sha256"]["model.onnx"]
        self.dimension: int = manifest["dimension"]
        options = onnxruntime.SessionOptions()
        # One thread per message: a server with two cores answers two people at once.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(artefact / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(artefact / "tokenizer.json"))
        self._tokenizer.enable_truncation(manifest["max_tokens"])
        self._tokenizer.enable_padding()

    def encode(self, texts: list[str]) -> np.ndarray:
        """Encode texts.

        Args:
            texts: any number of texts; long ones are cut at the model's token limit.

        Returns:
            float32 array of shape ``[len(texts), dimension]``; each row has length 1.
        """
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        # One by one: the int8 model scales its activations over the whole batch, so a
        # text's vector would depend on its neighbours. For short texts it is no slower.
        return np.vstack([self._run([encoding]) for encoding in self._tokenizer.encode_batch(texts)])

    def _run(self, encodings: list[Encoding]) -> np.ndarray:
        length = max(sum(e.attention_mask) for e in encodings)
        feeds = {
            "input_ids": np.array([e.ids[:length] for e in encodings], dtype=np.int64),
            "attention_mask": np.array([e.attention_mask[:length] for e in encodings], dtype=np.int64),
        }
        vectors: np.ndarray = self._session.run(None, feeds)[0]
        return vectors

    def encode_many(self, texts: list[str], batch: int = 8) -> np.ndarray:
        """Encode a training set in batches of similar length, on all processors.

        Returns:
            as ``encode``; vectors differ from it by the rounding of the int8 model.
        """
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        batches = [order[start : start + batch] for start in range(0, len(order), batch)]
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)

        def run(rows: list[int]) -> None:
            vectors[rows] = self._run(self._tokenizer.encode_batch([texts[i] for i in rows]))

        # A batch for each core costs half of what a batch spread over all cores costs.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(run, batches))
        return vectors


@lru_cache(maxsize=2)
def load_encoder(artefact: Path = DEFAULT_ARTEFACT) -> Encoder:
    """Return the encoder of a folder; loaded once per process."""
    return Encoder(artefact)
