"""A training step of the two-player game against the usual two ways of writing it, on the same networks.

    python benchmarks/gan_step.py

keras-io's DCGAN example (examples/generative/dcgan_overriding_train_step.py) runs the generator once for the
discriminator's step and once more for its own, and the discriminator over real and generated images, then
over the second generated batch; Keras-GAN's loop (dcgan/dcgan.py) calls `predict` and `train_on_batch` three
times. Both written here from their descriptions. All: the networks of `dimaging train dcgan`, 28x28, Adam,
compiled by Keras as `fit` does; no moving average of the generator, which the others have not; interleaved.
Judged is the processor time of the process, because other programs share the machine; wall time is stated.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from parts import figures

WIDTH, LATENT = 64, 64


def main() -> int:
    """Time all three, judge the ratios."""
    p = figures.parser("gan_step", __doc__)
    p.add_argument("--rounds", type=int, default=15, help="of 10 steps each, interleaved")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--threads", type=int, help="of one operator  [default: all cores]")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    if args.threads:
        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    image = np.random.default_rng(0).random((args.batch, 28, 28, 1)).astype(np.float32)
    ways = {"ours": ours(), "keras-io": keras_io(), "Keras-GAN": keras_gan(args.batch)}
    clocks = {"processor": time.process_time, "wall": time.perf_counter}
    times: dict[str, dict[str, list[float]]] = {n: {c: [] for c in clocks} for n in ways}
    for step in ways.values():
        for _ in range(3):
            step(image)
    steps = 10
    for _ in range(2 if args.quick else args.rounds):
        for name, step in ways.items():
            start = {c: clock() for c, clock in clocks.items()}
            for _ in range(steps):
                step(image)
            for c, clock in clocks.items():
                times[name][c].append((clock() - start[c]) / steps)
    out = figures.Figures(
        "gan_step", args.quick, args.json, facts={"batch": args.batch, "width": WIDTH}
    )
    for name, found in times.items():
        for c, values in found.items():
            out.add(f"a step, {name}, {c} time", 1000 * statistics.median(values), "", "ms")
    for name, goal in (("keras-io", ">= 1.3"), ("Keras-GAN", ">= 1.8")):
        for c in clocks:
            pairs = zip(times[name][c], times["ours"][c], strict=True)
            ratio = statistics.median(a / b for a, b in pairs)
            out.add(
                f"our step over {name}'s, {c} time", ratio, goal if c == "processor" else "", "x"
            )
    return out.finish()


def networks() -> Any:
    """A model of ours, for its generator and discriminator."""
    from dimaging_tf.models.dcgan import DCGAN, Config

    return DCGAN(Config(width=WIDTH, latent_dim=LATENT, ema=0.0))


def adam() -> Any:
    """The same for everyone."""
    import keras

    return keras.optimizers.Adam(2e-4, beta_1=0.5)


def ours() -> Callable[[np.ndarray], Any]:
    """The model as it is."""
    model = networks()
    model.compile(d_optimizer=adam(), g_optimizer=adam())
    return model.train_on_batch


def keras_io() -> Callable[[np.ndarray], Any]:
    """The train_step of the example: both players' passes apart, in one compiled step."""
    import keras
    import tensorflow as tf

    class Game(keras.Model):
        def __init__(self, generator, discriminator):
            super().__init__()
            self.generator, self.discriminator = generator, discriminator
            self.d_metric, self.g_metric = keras.metrics.Mean("d"), keras.metrics.Mean("g")

        def compile(self, d_optimizer, g_optimizer, loss_fn):
            super().compile()
            self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

        @property
        def metrics(self):
            return [self.d_metric, self.g_metric]

        def train_step(self, data):
            real = data[0] if isinstance(data, tuple) else data
            count = tf.shape(real)[0]
            noise = tf.random.normal((count, LATENT))
            made = self.generator(noise)["image"]
            both = tf.concat([made, real], 0)
            labels = tf.concat([tf.ones((count, 1)), tf.zeros((count, 1))], 0)
            labels += 0.05 * tf.random.uniform(tf.shape(labels))
            with tf.GradientTape() as tape:
                d_loss = self.loss_fn(labels, self.discriminator(both)["logit"])
            slopes = tape.gradient(d_loss, self.discriminator.trainable_weights)
            self.d_optimizer.apply_gradients(
                zip(slopes, self.discriminator.trainable_weights, strict=True)
            )
            noise = tf.random.normal((count, LATENT))
            with tf.GradientTape() as tape:
                judged = self.discriminator(self.generator(noise, training=True)["image"])["logit"]
                g_loss = self.loss_fn(tf.zeros((count, 1)), judged)
            slopes = tape.gradient(g_loss, self.generator.trainable_weights)
            self.g_optimizer.apply_gradients(
                zip(slopes, self.generator.trainable_weights, strict=True)
            )
            self.d_metric.update_state(d_loss)
            self.g_metric.update_state(g_loss)
            return {"d_loss": self.d_metric.result(), "g_loss": self.g_metric.result()}

    made = networks()
    model = Game(made.generator, made.discriminator)
    model.compile(adam(), adam(), keras.losses.BinaryCrossentropy(from_logits=True))
    return model.train_on_batch


def keras_gan(batch: int) -> Callable[[np.ndarray], Any]:
    """The loop: predict, the discriminator on real and on generated images, then the combined model."""
    import keras

    made = networks()
    z = keras.Input((LATENT,))
    discriminator = keras.Model(
        made.discriminator.input, made.discriminator.output["logit"], name="d"
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    discriminator.compile(loss=loss, optimizer=adam())
    generator = keras.Model(made.generator.input, made.generator.output["image"])
    frozen = keras.models.clone_model(discriminator)
    frozen.trainable = False
    combined = keras.Model(z, frozen(generator(z)))
    combined.compile(loss=loss, optimizer=adam())
    one, zero = np.ones((batch, 1), np.float32), np.zeros((batch, 1), np.float32)
    rng = np.random.default_rng(0)

    def step(image):
        noise = rng.standard_normal((batch, LATENT), np.float32)
        drawn = generator.predict(noise, verbose=0)
        discriminator.train_on_batch(image, one)
        discriminator.train_on_batch(drawn, zero)
        combined.train_on_batch(noise, one)

    return step


if __name__ == "__main__":
    sys.exit(main())
