"""Bare ONNX Runtime on the graph that `stele` made. Called by `cargo xtask bench answers`.

  answers.py texts MODEL TOKENS COUNT TEXTS             texts of so many tokens, one a line
  answers.py embed MODEL TEXTS VECTORS THREADS BATCH    their vectors; texts and seconds as JSON
  answers.py compare ONE OTHER DIMENSION                the least and the mean cosine as JSON

MODEL is the directory of one model, as `stele models pull` makes it. Loading it is not counted; cutting
texts into tokens is.
"""

import json
import random
import sys
import time

import numpy
from tokenizers import Tokenizer

WORDS = (
    "the price of a round rose slowly while players waited for the next tick and some sold early because "
    "the curve had turned before others held until it crashed which the server announced to everyone with "
    "a seed that proves the outcome was fixed in advance"
).split()

# Texts before the clock starts: threads are there and memory has its size.
TEXTS_BEFORE = 64


def tokenizer(model):
    return Tokenizer.from_file(f"{model}/tokenizer.json")


def texts(model, tokens, count, path):
    cut, chance = tokenizer(model), random.Random(tokens)
    cut.no_truncation()
    cut.no_padding()

    def length(words):
        return len(cut.encode(" ".join(words)).ids)

    with open(path, "w", encoding="utf-8") as file:
        for _ in range(count):
            # Nearly every word is one token, and two more mark begin and end, so the first guess is close.
            words = chance.choices(WORDS, k=tokens - 2)
            while (found := length(words)) != tokens:
                words = words[:-1] if found > tokens else words + chance.choices(WORDS)
            file.write(" ".join(words) + "\n")


def embed(model, path, vectors, threads, batch):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(f"{model}/stele-int8.onnx", options)
    cut = tokenizer(model)
    cut.enable_truncation(256)
    cut.enable_padding()
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()

    def run(lines):
        out = []
        for begin in range(0, len(lines), batch):
            encoded = cut.encode_batch(lines[begin : begin + batch])
            ids = numpy.array([one.ids for one in encoded], dtype=numpy.int64)
            mask = numpy.array([one.attention_mask for one in encoded], dtype=numpy.int64)
            places = numpy.arange(ids.shape[1], dtype=numpy.int64)
            feed = {"input_ids": ids, "attention_mask": mask, "position_ids": places}
            out.append(session.run(["vector"], feed)[0])
        return numpy.concatenate(out)

    run(lines[:TEXTS_BEFORE])
    start = time.perf_counter()
    found = run(lines)
    seconds = time.perf_counter() - start
    found.astype("<f4").tofile(vectors)
    json.dump({"texts": len(lines), "seconds": seconds}, sys.stdout)


def compare(one, other, dimension):
    a, b = (numpy.fromfile(path, dtype="<f4").reshape(-1, dimension) for path in (one, other))
    if a.shape != b.shape:
        sys.exit(f"{a.shape[0]} vectors and {b.shape[0]}")
    cosine = (a * b).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(b, axis=1)
    json.dump({"least": float(cosine.min()), "mean": float(cosine.mean())}, sys.stdout)


def main(args):
    match args:
        case ["texts", model, tokens, count, path]:
            texts(model, int(tokens), int(count), path)
        case ["embed", model, path, vectors, threads, batch]:
            embed(model, path, vectors, int(threads), int(batch))
        case ["compare", one, other, dimension]:
            compare(one, other, int(dimension))
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
