"""StackGAN, text to image in two stages (lecture: "StackGAN"; Zhang et al. 2017, arXiv 1612.03242).

    "a small red circle at the top left" ──words.txt──> tokens ──text_encoder──> text
    text, condition_noise, noise ──stage1──> low 16x16 ┐
    text, condition_noise ─────────────────────────────┴──stage2──> image 64x64

One `fit` does three things in turn, told apart by the count of steps: the text encoder, with an image
encoder, learns which caption belongs to which picture (`matching.py`); then the game of stage I is
played on pictures shrunk to 16x16; then that of stage II, whose generator repairs and refines what the
finished stage I draws (`stages.py`). Captions and pictures judge the generators in two ways: by the
matching-aware discriminators, and by the matching loss of the first phase (AttnGAN, arXiv 1711.10485).

image: float32 [B, H, H, C] in [0, 1]; tokens: int32 [B, length], 0 in front of the words; text: float32
[B, text_dim] in [-1, 1]; noise and condition_noise: float32, unit Gaussian.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dimaging_tf import matching, stages, text
from dimaging_tf.adversarial import Game
from dimaging_tf.deploy import DeployableModel, Quality
from dimaging_tf.errors import DataError
from dimaging_tf.layers.random import step_normal


@dataclass(frozen=True)
class Config(Game):
    """64x64 pictures of one object, twenty minutes on two cores."""

    shape: tuple[int, int, int] = (64, 64, 3)  # height, width, channels
    words: tuple[str, ...] = ()  # the vocabulary; `dimaging train` takes that of the data
    length: int = 12  # words of the longest caption
    factor: int = 4  # pixels of the image along a side of one of stage I's
    embedding: int = 32  # length of a word's vector
    recurrent: int = 64  # units of the GRU
    text_dim: int = 32  # length of a text
    condition_dim: int = 32  # length of an augmented condition, and of condition_noise
    noise_dim: int = 16  # length of noise
    encoder: int = 16  # filters of the image encoder's first layer; doubled in each, up to 4 times
    generator1: int = 128  # filters at 4x4, halved with each doubling
    generator2: int = 48  # filters at stage I's size; two thirds from there on
    discriminator1: int = 48  # filters of the first layer, as for the encoder
    discriminator2: int = 16
    matching_steps: int = 1000  # of the first phase
    stage1_steps: int = 3000  # of the second
    learning_rate: float = 4e-4  # of Adam, all four players; `fit`'s optimizer is the matching's
    kl: float = 0.5  # weight of the conditioning augmentation's KL, nats per element
    match: float = 1.0  # weight of the matching loss in a generator's cost

    def __post_init__(self):
        super().__post_init__()
        height, width, _ = self.shape
        side = self.low_side
        if height != width or self.factor < 2 or side * self.factor != height or side % 4:
            raise ValueError(
                "stackgan: images must be square, and their side `factor` (2, 4, 8, ..) times 4, 8, "
                f"16, .. pixels. Received: {height} x {width}, factor {self.factor}"
            )
        if self.factor & (self.factor - 1) or side & (side - 1):
            raise ValueError(
                f"stackgan: factor and side / factor must be powers of 2. Received: {self.factor}, {side}"
            )

    @property
    def low_side(self) -> int:
        """Side of stage I's pictures."""
        return self.shape[0] // self.factor


@keras.saving.register_keras_serializable("dimaging")
class StackGAN(DeployableModel):
    """`compile(optimizer)` and `fit(images, tokens)`; `imagine(captions)` draws."""

    config_class = Config
    registry_name = "stackgan"
    ranges = {"text": (-1.0, 1.0), "low": (0.0, 1.0), "image": (0.0, 1.0)} | dict.fromkeys(
        ("noise", "condition_noise")
    )
    quality = Quality("R-precision", "", True, {"fp16": 0.02, "int8": 0.05})

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        rules = self.config
        self.ranges = {**type(self).ranges, "tokens": (0.0, float(len(rules.words)))}
        self.text_encoder = matching.build_text_encoder(rules)
        self.image_encoder = matching.build_image_encoder(rules)
        low, side = rules.low_side, rules.shape[0]
        self.stage1 = stages.Stage(
            rules,
            stages.build_stage1(rules),
            stages.build_discriminator(rules, low, rules.discriminator1, "discriminator1"),
            self._match,
        )
        self.stage2 = stages.Stage(
            rules,
            stages.build_stage2(rules),
            stages.build_discriminator(rules, side, rules.discriminator2, "discriminator2"),
            self._match,
            self._low,
        )
        self.trackers = {n: keras.metrics.Mean(n) for n in ("matching", "r_precision")}

    # ---- training --------------------------------------------------------------------------------

    def compile(self, optimizer: Any = "adam", **more) -> None:
        """optimizer: of the matching; it counts all steps. The players' are Adam, as Config says."""
        # XLA would compile all three phases, for convolutions that it makes slower on a CPU.
        super().compile(optimizer=optimizer, **{"jit_compile": False, **more})
        self.optimizer.build(self._matched)
        for stage in (self.stage1, self.stage2):
            # beta_1 as in DCGAN (arXiv 1511.06434); beta_2 forgets the other player's past sooner.
            stage.compile(keras.optimizers.Adam(self.config.learning_rate, 0.5, 0.99))

    def compile_from_config(self, config):
        """The optimizer of the matching; the players' follow from the Config."""
        self.compile(keras.optimizers.deserialize(config["optimizer"]))

    @property
    def _matched(self) -> list[Any]:
        return self.text_encoder.trainable_variables + self.image_encoder.trainable_variables

    @property
    def metrics(self):
        """Reset by Keras at the start of each epoch."""
        return list(self._results().values())

    def _results(self) -> dict[str, Any]:
        found = {"matching": self.trackers["matching"]}
        for stage in (self.stage1, self.stage2):
            found |= {f"{stage.name}_{name}": tracker for name, tracker in stage.trackers.items()}
        return {**found, "r_precision": self.trackers["r_precision"]}

    def train_step(self, data):
        """One step of the phase that the count of steps says. data: images, tokens."""
        image, tokens, _ = keras.utils.unpack_x_y_sample_weight(data)
        config, step = self.config, self.optimizer.iterations.value
        ends = [config.matching_steps, config.matching_steps + config.stage1_steps]
        phase = tf.add_n([tf.cast(step >= end, tf.int32) for end in ends])
        phases = [
            lambda: self._learn_matching(image, tokens),
            lambda: self._play(self.stage1, self._shrunk(image), tokens),
            lambda: self._play(self.stage2, image, tokens),
        ]
        tf.switch_case(phase, phases)
        found = {n: x.result() for n, x in self._results().items() if n != "r_precision"}
        return found

    def _learn_matching(self, image, tokens):
        with tf.GradientTape() as tape:
            found = self.text_encoder(tokens, training=True)["text"]
            loss = matching.matching_loss(self._feature(image, training=True), found)
        self.optimizer.apply(tape.gradient(loss, self._matched), self._matched)
        self.trackers["matching"].update_state(loss)
        return tf.constant(0)

    def _play(self, stage, picture, tokens):
        stage.train_step((picture, self.text_encoder(tokens)["text"]))
        self.optimizer.iterations.assign_add(1)
        return tf.constant(0)

    def test_step(self, data):
        """Matching loss of the pictures; R-precision of as many drawn ones, the same noise always."""
        image, tokens, _ = keras.utils.unpack_x_y_sample_weight(data)
        found = self.text_encoder(tokens)["text"]
        noise = step_normal(tf.stack([tf.shape(tokens)[0], self.stage2.noise_size]), -1, 0)
        drawn = self._drawn(noise, found)
        hits = matching.hits(self._feature(drawn), found)
        self.trackers["matching"].update_state(matching.matching_loss(self._feature(image), found))
        self.trackers["r_precision"].update_state(hits)
        return {n: x.result() for n, x in self.trackers.items()}

    def _feature(self, image, training=False):
        return self.image_encoder(image, training=training)["feature"]

    def _match(self, picture, found):
        """Matching loss of pictures of any size with their texts."""
        side = self.config.shape[0]
        if picture.shape[1] != side:
            picture = tf.image.resize(picture, [side, side], "bilinear")
        return matching.matching_loss(self._feature(picture), found, both=False)

    def _shrunk(self, image):
        factor = self.config.factor
        return tf.nn.avg_pool2d(image, factor, factor, "VALID")

    def _low(self, found, noise):
        """What the averaged stage I draws."""
        return self.stage1.draw(noise, found, generator=self.stage1.average)["low"]

    def _drawn(self, noise, found):
        return self.stage2.draw(noise, found, generator=self.stage2.average)["image"]

    # ---- data ------------------------------------------------------------------------------------

    def transform(self, image, label, seed):
        """Images and tokens."""
        return image, label

    def check_data(self, dataset):
        """DataError where there are no captions, or others than the model knows."""
        label = dataset.train.label
        if not dataset.words or label is None or label.ndim != 2:
            raise DataError(
                f"{dataset.name} has no captions, and stackgan learns from them: --data shapes"
            )
        if tuple(dataset.words) != tuple(self.config.words) or label.shape[1] != self.config.length:
            raise DataError(
                f"the captions of {dataset.name} have {len(dataset.words)} words, at most "
                f"{label.shape[1]} in a caption; the model knows {len(self.config.words)} others, at "
                f"most {self.config.length}: train it on this data from the start"
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Of the pictures that captions belong to; no graph takes them."""
        return self.config.shape

    # ---- use -------------------------------------------------------------------------------------

    def graphs(self):
        """{"text_encoder": tokens -> text; "stage1": .. -> low; "stage2": .. -> image}."""
        found = {"text_encoder": self.text_encoder}
        for stage, output in ((self.stage1, "low"), (self.stage2, "image")):
            network = stage.average or stage.generator
            found[stage.name] = keras.Model(
                network.input, {output: network.output[output]}, name=stage.name
            )
        return found

    def files(self):
        """words.txt: the vocabulary, word k in line k."""
        return {"words.txt": "".join(f"{word}\n" for word in self.config.words).encode()}

    def examples(self, image, label=None, seed=0):
        """Tokens; their texts and noise; what stage I makes of them."""
        return self.inputs(self.run, _captions(label), seed)

    def inputs(self, run: Any, tokens: np.ndarray, seed: int) -> dict[str, Any]:
        """Inputs of every graph, each made of what the ones before it answered."""
        config, count = self.config, len(tokens)
        rng = np.random.default_rng(seed)
        noise = [
            rng.standard_normal((count, n), np.float32)
            for n in (config.noise_dim, config.condition_dim, config.condition_dim)
        ]
        found = run("text_encoder", tokens=tokens)["text"]
        one = {"text": found, "condition_noise": noise[1], "noise": noise[0]}
        low = run("stage1", **one)["low"]
        two = {"text": found, "condition_noise": noise[2], "low": low}
        return {"text_encoder": {"tokens": tokens}, "stage1": one, "stage2": two}

    def draw(self, tokens: np.ndarray, seed: int = 0, run: Any = None) -> np.ndarray:
        """A picture for each row of tokens int32 [N, length]: float32 [N, H, W, C] in [0, 1]."""
        run = run or self.run
        parts = np.array_split(tokens, max(1, len(tokens) // 256))
        inputs = (self.inputs(run, part, seed + i) for i, part in enumerate(parts))
        return np.concatenate([run("stage2", **x["stage2"])["image"] for x in inputs])

    def imagine(self, captions: str | Sequence[str], n: int = 1, seed: int = 0) -> np.ndarray:
        """Draw each caption n times: [captions * n, H, W, C] in [0, 1].

        DataError for a word that the model does not know; it says which are known.
        """
        captions = [captions] if isinstance(captions, str) else captions
        tokens = text.encode(captions, self.config.words, self.config.length)
        return self.draw(np.repeat(tokens, n, 0), seed)

    def score(self, run, image, label=None, seed=0):
        """R-precision: the share of drawn pictures whose own caption fits best among all of `label`."""
        tokens = _captions(label)
        drawn = self.draw(tokens, seed, run)
        found = self.run("text_encoder", tokens=tokens)["text"]
        return float(np.mean(matching.hits(self._feature(drawn), found)))

    def picture(self, image, label=None, seed=0):
        """Rows: pictures, stage I enlarged, stage II for their captions, drawn twice."""
        tokens = _captions(label)[:8]
        rows = [image[:8]]
        for i in range(2):
            inputs = self.inputs(self.run, tokens, seed + i)["stage2"]
            low = inputs["low"].repeat(self.config.factor, 1).repeat(self.config.factor, 2)
            rows += [low, self.run("stage2", **inputs)["image"]]
        return np.stack(rows)


def _captions(label: Any) -> np.ndarray:
    if label is None or np.ndim(label) != 2:
        raise ValueError(
            "stackgan: expected captions, int32 [N, words] (such as those of --data shapes)"
        )
    return np.asarray(label, np.int32)
