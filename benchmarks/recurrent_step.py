"""A training step of `SlideLSTM` against `keras.layers.LSTM` in Keras' fit, with the same losses.

    python benchmarks/recurrent_step.py

Two language models of 65 characters that differ in their recurrent layer alone: 64 rows of 64 characters, one
layer, a dense one, Adam. Both begin from the same weights and see the same batches; the losses of the first
steps are compared. Then they take turns, in `fit`, on one thread; the least processor time a step counts.
fit chooses no XLA on a processor; some sizes gain by it (jit_compile=True), so both sides are measured with and
without, and both count at their better road. A large layer of ours gains by products in bfloat16 too, where the
processor has them; its losses differ in the third digit, so that is a row of its own.
"""

import sys
import time
from typing import Any

import numpy as np
from parts import figures

ROWS, STEPS, CHARACTERS = 64, 64, 65
GOALS = {48: ">= 1.5", 256: ">= 1.15"}


def main() -> int:
    """Compare losses, then times."""
    args = figures.parser("recurrent_step", __doc__).parse_args()
    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    facts = {"threads": 1, "rows": ROWS, "characters of a row": STEPS}
    out = figures.Figures("recurrent_step", args.quick, args.json, facts=facts)
    for units in (8,) if args.quick else GOALS:
        models = pair(units, "auto")
        models |= {f"{name}, XLA": model for name, model in pair(units, True).items()}
        if units > 64:
            models["ours, bfloat16"] = pair(units, "auto", "mixed_bfloat16")["ours"]
        losses = {name: run(model, 10)[1] for name, model in models.items()}
        differ = float(np.abs(losses["ours"] - losses["keras"]).max())
        out.add(f"{units} units: largest difference of ten losses", differ, "<= 1e-4")
        best = dict.fromkeys(models, np.inf)
        for _ in range(1 if args.quick else 8):
            for name, model in models.items():
                best[name] = min(best[name], run(model, 12)[0])
        for name, seconds in best.items():
            out.add(f"{units} units: a step, {name}", 1000 * seconds, "", "ms")
        keras, ours = (min(best[side], best[f"{side}, XLA"]) for side in ("keras", "ours"))
        words = f"{units} units: keras.layers.LSTM in fit over ours"
        out.add(words, keras / ours, GOALS.get(units, ""), "times")
        if "ours, bfloat16" in best:
            out.add(f"{words}, bfloat16", keras / best["ours, bfloat16"], "", "times")
    return out.finish()


def pair(units: int, compiled: Any, compute: str = "float32") -> dict[str, Any]:
    """Build both models, with the same weights."""
    import keras

    from dimaging_tf.layers.lstm import SlideLSTM

    def build(ours: bool) -> Any:
        keras.utils.set_random_seed(0)
        tokens = keras.Input((STEPS,), batch_size=ROWS, dtype="int32")
        if ours:
            x = SlideLSTM(units, tokens=CHARACTERS, compute=compute, name="lstm")(tokens)
        else:
            one_hot = keras.ops.one_hot(tokens, CHARACTERS)
            x = keras.layers.LSTM(units, return_sequences=True, name="lstm")(one_hot)
        model = keras.Model(tokens, keras.layers.Dense(CHARACTERS, name="next")(x))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(2e-3), loss, jit_compile=compiled)
        return model

    models = {"ours": build(True), "keras": build(False)}
    models["ours"].set_weights(models["keras"].get_weights())
    return models


def run(model: Any, steps: int) -> tuple[float, np.ndarray]:
    """Train some steps on the same batches; returns the processor time of a step, and every loss."""
    import keras

    class Losses(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.found, self.began = [], time.process_time()

        def on_train_batch_end(self, batch, logs=None):
            self.found.append(float((logs or {})["loss"]))

    rng = np.random.default_rng(0)
    text = rng.integers(0, 3, (steps * ROWS, STEPS + 1)).cumsum(1).astype(np.int32) % CHARACTERS
    seen = Losses()
    model.fit(
        text[:, :-1], text[:, 1:], batch_size=ROWS, shuffle=False, verbose=0, callbacks=[seen]
    )
    return (time.process_time() - seen.began) / steps, np.array(seen.found)


if __name__ == "__main__":
    sys.exit(main())
