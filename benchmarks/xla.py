"""Drawing with the ONNX samplers against cached sampling in TensorFlow, compiled by XLA, on one core.

    python benchmarks/xla.py

The rival is what a TensorFlow user can do best: one `tf.function(jit_compile=True)` with a loop over pixels
that keeps every activation in place and computes each once. Same PixelCNN, same noise, the images compared.
Processor time, interleaved, medians.
"""

import sys
from typing import Any

import numpy as np
from parts import figures
from parts.draws import differing, drawing, interleaved, session, trained


def main() -> int:
    """Both at batch 1 and 64."""
    p = figures.parser("xla", __doc__)
    p.add_argument("--rounds", type=int, default=7, help="of timing, interleaved")
    args = p.parse_args()

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from dimaging_export.samplers.build import sampler_files

    from dimaging_tf.density.base import uniform

    model = trained("pixelcnn", {}, 0.05 if args.quick else 1.0)
    files = sampler_files(model)
    compiled = cached(model)
    out = figures.Figures("xla", args.quick, args.json)
    for batch in (1, 64):
        rng = np.random.default_rng(batch)
        noise = uniform(rng, (batch, 28, 28, 1))
        zeros = np.zeros_like(noise)
        feed = {"noise": noise, "canvas": zeros, "mask": zeros}
        calls: dict[str, Any] = {k: drawing(session(f), feed) for k, f in files.items()}
        calls["XLA"] = compiled_call(compiled, noise)
        wrong = differing(model, calls["XLA"](), noise)
        out.add(f"batch {batch}: pixels of XLA's image that differ", wrong, "<= 0")
        times = interleaved(calls, 2 if args.quick else args.rounds)
        best = min(files, key=lambda kind: times[kind])
        out.add(f"batch {batch}: XLA", 1000 * times["XLA"], "", "ms")
        out.add(f"batch {batch}: {best}", 1000 * times[best], "", "ms")
        goal = ">= 1" if batch == 64 else ""
        out.add(f"batch {batch}: {best} over XLA", times["XLA"] / times[best], goal, "x")
    return out.finish()


def compiled_call(compiled: Any, noise: np.ndarray) -> Any:
    """A call that draws and waits."""
    return lambda: compiled(noise).numpy()


def cached(model: Any) -> Any:
    """Noise [B, H, W, 1] -> image, by a compiled loop with caches [B, rows, columns, C] in place."""
    import keras
    import tensorflow as tf
    from dimaging_export.graph.trace import trace
    from tensorflow.compiler.tf2xla.python import xla

    from dimaging_tf.layers.masked import MaskedConv2D, PositionBias

    walk = trace(model.network)
    height, width, _ = model.config.shape
    wide = [c for c in walk.calls if isinstance(c.op, MaskedConv2D) and c.op.left + c.op.above]
    reach = {id(c.args[0]): (c.op.above, c.op.left, c.args[0].shape[-1]) for c in wide}

    def pixel(i, caches, noise):
        r, c = i // width, i % width
        values: dict[int, Any] = {}
        for call in walk.calls:
            layer, source = call.op, call.args[0]
            if isinstance(layer, MaskedConv2D) and id(source) in reach:
                rows, columns, depth = (
                    layer.above + 1,
                    layer.left + layer.right + 1,
                    source.shape[-1],
                )
                if id(source) in values:
                    caches = put(caches, id(source), values[id(source)], r, c)
                start, size = (0, r, c, 0), (-1, rows, columns, depth)
                patch = tf.slice(caches[id(source)], start, (noise.shape[0], *size[1:]))
                found = tf.einsum("bijc,ijcf->bf", patch, layer.masked_kernel()) + layer.bias
            elif isinstance(layer, MaskedConv2D):
                found = values[id(source)] @ layer.masked_kernel()[0, 0] + layer.bias
            elif isinstance(layer, PositionBias):
                found = values[id(source)] + layer.bias[r, c]
            elif isinstance(layer, keras.layers.Add):
                found = tf.add_n([values[id(x)] for x in keras.tree.flatten(call.args)])
            else:
                found = tf.nn.relu(values[id(source)])
            values[id(call.output)] = found
        drawn = model.likelihood.draw(values[id(walk.outputs[0])], noise[:, r, c])
        return i + 1, put(caches, id(walk.inputs[0]), drawn, r, c)

    def put(caches, key, value, r, c):
        above, left, _ = reach[key]
        at = tf.stack([0, r + above, c + left, 0])
        changed = xla.dynamic_update_slice(caches[key], value[:, None, None], at)
        return {**caches, key: changed}

    @tf.function(jit_compile=True)
    def draw(noise):
        noise = tf.convert_to_tensor(noise)
        batch = noise.shape[0]
        caches = {
            k: tf.zeros((batch, height + above, width + 2 * left, depth))
            for k, (above, left, depth) in reach.items()
        }
        _, caches = tf.while_loop(
            lambda i, _: i < height * width,
            lambda i, caches: pixel(i, caches, noise),
            (tf.constant(0), caches),
        )
        above, left, _ = reach[id(walk.inputs[0])]
        return caches[id(walk.inputs[0])][:, above:, left : left + width]

    return draw


if __name__ == "__main__":
    sys.exit(main())
