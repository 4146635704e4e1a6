"""The LSTM of the lecture's four equations (Hochreiter and Schmidhuber 1997, with forget gates: Gers 2000).

    forget gate     f = sigmoid(b_f + U_f x + W_f h)
    input gate      g = sigmoid(b_g + U_g x + W_g h)
    output gate     q = sigmoid(b_q + U_q x + W_q h)
    internal state  s = f s + g squash(b + U x + W h)
    output          h = tanh(s) q

The slide squashes the candidate of the internal state with a sigmoid, everybody else with tanh; both are
one LSTM operator of ONNX. keras.layers.LSTM has one `activation` for the candidate and the output, so no
setting of it is the slide's; with tanh the two layers are the same function of the same weights.

Training is faster than through Keras' layer: the products with x are one product for all steps (a row of
a table, where x is a token), and so is the gradient of W, which an unrolled graph adds up step by step.
With compute="mixed_bfloat16" the products with W and U are made in bfloat16 while training, which a processor
with AVX512-BF16 does 1.6 times as fast; weights, states and gates stay float32, and so does inference.
"""

from typing import Any

import keras
import tensorflow as tf

CANDIDATES = ("tanh", "sigmoid")
COMPUTE = {"float32": tf.float32, "mixed_bfloat16": tf.bfloat16}
"""Name of a way to compute -> the type of the products with the recurrent weights in training."""


@keras.saving.register_keras_serializable("dimaging")
class SlideLSTM(keras.layers.Layer):
    """Series [B, T, C] -> all outputs [B, T, units], or with `tokens` int32 [B, T] -> the same.

    candidate       "tanh", or "sigmoid" as on the slide
    tokens          the size of a vocabulary: x is then the one-hot vector of a token, its product a row of
                    the kernel
    forget_bias     where the bias of the forget gate starts: 1 lets gradients live through time, 0 not
    compute         "float32", or "mixed_bfloat16": faster products in training, on processors that have them
    recurrent_dropout    share of the recurrent weights that a training step leaves out, the same in all
                    steps of the series (Merity et al. 2017, arXiv 1708.02182): a remedy for overfitting
    return_sequences, return_state    as of keras.layers.LSTM: the last output alone; h and s behind it

    Weights in Keras' order of gates (input, forget, candidate, output): kernel [C, 4 units],
    recurrent_kernel [units, 4 units], bias [4 units]. ValueError for a candidate or compute of another name,
    or a share outside [0, 1).
    """

    def __init__(
        self,
        units: int,
        *,
        candidate: str = "tanh",
        tokens: int | None = None,
        forget_bias: float = 1.0,
        compute: str = "float32",
        recurrent_dropout: float = 0.0,
        return_sequences: bool = True,
        return_state: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if candidate not in CANDIDATES:
            raise ValueError(
                f"SlideLSTM: candidate is 'tanh' or 'sigmoid'. Received: {candidate!r}"
            )
        if compute not in COMPUTE:
            raise ValueError(
                f"SlideLSTM: compute is one of {', '.join(COMPUTE)}. Received: {compute!r}"
            )
        if not 0 <= recurrent_dropout < 1:
            raise ValueError(
                f"SlideLSTM: recurrent_dropout is in [0, 1). Received: {recurrent_dropout}"
            )
        self.units, self.candidate, self.tokens = units, candidate, tokens
        self.forget_bias, self.compute = forget_bias, compute
        self.recurrent_dropout = recurrent_dropout
        if recurrent_dropout:
            self.seeds = keras.random.SeedGenerator()
        self.return_sequences, self.return_state = return_sequences, return_state

    def build(self, shape: Any, *states: Any) -> None:
        """Create the weights; the gates of a step are 4 units wide."""
        wide, inputs = 4 * self.units, self.tokens or shape[-1]
        self.kernel = self.add_weight((inputs, wide), "glorot_uniform", name="kernel")
        orthogonal = keras.initializers.Orthogonal()

        def gate_by_gate(shape: Any, dtype: Any = None) -> Any:
            square = (self.units, self.units)
            return tf.concat([orthogonal(square, dtype) for _ in range(4)], -1)

        def open_forget_gate(shape: Any, dtype: Any = None) -> Any:
            return tf.repeat(tf.constant([0.0, self.forget_bias, 0.0, 0.0], dtype), self.units)

        self.recurrent_kernel = self.add_weight(
            (self.units, wide), gate_by_gate, name="recurrent_kernel"
        )
        self.bias = self.add_weight((wide,), open_forget_gate, name="bias")

    def call(self, x: Any, initial_state: Any = None, training: bool | None = None) -> Any:
        """Run over all steps from `initial_state` (h, s), each [B, units], or from zeros."""
        kernel, bias, recurrent = map(
            self._sigmoids_first, (self.kernel, self.bias, self.recurrent_kernel)
        )
        steps_first = tf.transpose(x, [1, 0] if self.tokens else [1, 0, 2])
        product = COMPUTE[self.compute] if training else tf.float32
        if self.tokens:
            gates = tf.gather(kernel + bias, steps_first)
        else:
            short = tf.tensordot(tf.cast(steps_first, product), tf.cast(kernel, product), 1)
            gates = tf.cast(short, bias.dtype) + bias
        if initial_state is None:
            zeros = tf.zeros([tf.shape(x)[0], self.units], gates.dtype)
            initial_state = (zeros, zeros)
        if training and self.recurrent_dropout:
            recurrent = keras.random.dropout(recurrent, self.recurrent_dropout, seed=self.seeds)
        every, h, s = lstm_over_time(
            gates, recurrent, *initial_state, candidate=self.candidate, product=product
        )
        y = tf.transpose(every, [1, 0, 2]) if self.return_sequences else h
        return (y, h, s) if self.return_state else y

    def compute_output_spec(
        self, x: Any, initial_state: Any = None, training: bool | None = None
    ) -> Any:
        """Shapes without running the loop."""
        shape = (*x.shape[:2], self.units) if self.return_sequences else (x.shape[0], self.units)
        sizes = [shape, *[(x.shape[0], self.units)] * (2 * self.return_state)]
        specs = tuple(keras.KerasTensor(size, dtype=self.compute_dtype) for size in sizes)
        return specs if self.return_state else specs[0]

    def _sigmoids_first(self, weight: Any) -> Any:
        """Input, forget, output, candidate: the three sigmoids are then one operation."""
        i, f, candidate, o = tf.split(tf.convert_to_tensor(weight), 4, -1)
        return tf.concat([i, f, o, candidate], -1)

    def get_config(self) -> dict[str, Any]:
        """Keras configuration."""
        return super().get_config() | {
            "units": self.units, "candidate": self.candidate, "tokens": self.tokens,
            "forget_bias": self.forget_bias, "compute": self.compute,
            "recurrent_dropout": self.recurrent_dropout,
            "return_sequences": self.return_sequences, "return_state": self.return_state,
        }  # fmt: skip


def lstm_over_time(
    gates: tf.Tensor, recurrent: tf.Tensor, h: tf.Tensor, s: tf.Tensor, *, candidate: str = "tanh",
    product: tf.DType = tf.float32,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:  # fmt: skip
    """Every output [T, B, H], the last output and the last internal state [B, H]; differentiable.

    gates [T, B, 4 H]: what x says, bias included, in the order input, forget, output, candidate;
    recurrent [H, 4 H] in the same order; h, s [B, H]: output and internal state before the first step;
    product: the type in which the products with `recurrent` are made.
    """

    @tf.custom_gradient
    def run(gates: Any, recurrent: Any, h: Any, s: Any) -> Any:
        short = tf.cast(recurrent, product)
        every, states, sigmoids, candidates = _forward(gates, short, h, s, candidate)

        def gradient(d_every: Any, d_h: Any, d_s: Any) -> Any:
            before = tf.concat([s[None], states[:-1]], 0)
            d_gates, d_first_h, d_first_s = _backward(
                (d_every, d_h, d_s), short, states, before, sigmoids, candidates, candidate
            )
            outputs = tf.concat([h[None], every[:-1]], 0)
            flat = [tf.reshape(tf.cast(x, product), [-1, x.shape[-1]]) for x in (outputs, d_gates)]
            d_recurrent = tf.cast(tf.matmul(*flat, transpose_a=True), recurrent.dtype)
            return d_gates, d_recurrent, d_first_h, d_first_s

        return (every, every[-1], states[-1]), gradient

    return run(gates, recurrent, h, s)


def _product(x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return x [B, I] times the weights [I, O], made in the type of the weights, in the type of x."""
    return tf.cast(tf.cast(x, weights.dtype) @ weights, x.dtype)


def _forward(gates: Any, recurrent: Any, h: Any, s: Any, candidate: str) -> list[Any]:
    """Outputs, internal states, sigmoids [T, B, 3 H] and candidates of all steps."""
    steps, units = tf.shape(gates)[0], recurrent.shape[0]
    squash = tf.tanh if candidate == "tanh" else tf.sigmoid

    def body(t: Any, h: Any, s: Any, *kept: Any) -> Any:
        z = gates[t] + _product(h, recurrent)
        sigmoids, new = tf.sigmoid(z[:, : 3 * units]), squash(z[:, 3 * units :])
        i, f, o = tf.split(sigmoids, 3, -1)
        s = f * s + i * new
        h = o * tf.tanh(s)
        values = (h, s, sigmoids, new)
        return t + 1, h, s, *(array.write(t, x) for array, x in zip(kept, values, strict=True))

    shapes = [(*h.shape[:1], width) for width in (units, units, 3 * units, units)]
    arrays = [tf.TensorArray(gates.dtype, steps, element_shape=shape) for shape in shapes]
    _, _, _, *kept = tf.while_loop(lambda t, *_: t < steps, body, (0, h, s, *arrays))
    return [array.stack() for array in kept]


def _backward(
    given: Any, recurrent: Any, states: Any, before: Any, sigmoids: Any, candidates: Any, candidate: str
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Gradients of the gates of all steps, and of h and s before the first."""
    d_every, d_h, d_s = given
    steps = tf.shape(states)[0]
    back = tf.transpose(recurrent)

    def body(t: Any, d_h: Any, d_s: Any, kept: Any) -> Any:
        i, f, o = tf.split(sigmoids[t], 3, -1)
        new, out = candidates[t], tf.tanh(states[t])
        d_h = d_h + d_every[t]
        d_s = d_s + d_h * o * (1 - out * out)
        steep = 1 - new * new if candidate == "tanh" else new * (1 - new)
        d_i, d_f, d_o = (
            d_s * new * i * (1 - i),
            d_s * before[t] * f * (1 - f),
            d_h * out * o * (1 - o),
        )
        d_z = tf.concat([d_i, d_f, d_o, d_s * i * steep], -1)
        return t - 1, _product(d_z, back), d_s * f, kept.write(t, d_z)

    shape = (*d_h.shape[:1], recurrent.shape[1])
    array = tf.TensorArray(d_h.dtype, steps, element_shape=shape)
    _, d_h, d_s, kept = tf.while_loop(lambda t, *_: t >= 0, body, (steps - 1, d_h, d_s, array))
    return kept.stack(), d_h, d_s
