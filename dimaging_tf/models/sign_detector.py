"""Detector of traffic signs (lecture: "NO need to worry": detectors are not classifiers, Lu et al. 2017).

    image ──conv 3x3/2──conv 3x3/2──conv 3x3/2──conv 3x3, 3x3──┬── scores [H/8, W/8, classes - 1]
                                                               └── boxes  [H/8, W/8, 4]
    scores ──largest of each class──> logits [classes], of which "nothing" is 0

One stage and no anchors, as FCOS (Tian et al. 2019, arXiv 1904.01355): a cell in the middle of a sign says
its class, and how far its edges are. Fully convolutional, so it takes images of any size; it is attacked at
the size of its Config, 96 x 96, where a far sign is 12 pixels wide. The logits are what an attack asks for:
the image shows class k where logit k is the largest, and no sign at all where that of "nothing" is.

image: float32 [B, H, W, 3] in [0, 1], sides multiples of 8; scores: float32, logits against nothing, above 0
where a sign is seen; boxes: float32, pixels from the middle of a cell to the top, left, bottom and right
edge of the sign; label: int32 [B, H, W], the class of every pixel, each class once an image at most.
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dimaging_tf.data.labels import check_classes, class_settings
from dimaging_tf.deployable import DeployableModel, FigureOfMerit, check_strides
from dimaging_tf.evaluation import detection
from dimaging_tf.training.steps import descend

STRIDE = 8
"""Pixels from the middle of a cell to that of the next."""


@dataclass(frozen=True)
class Config:
    """A network for scenes of 96 x 96; `dimaging train` takes size, classes and names from the data."""

    shape: tuple[int | None, int | None, int] = (96, 96, 3)  # height, width, channels
    classes: int = 9  # number of classes; the first is "nothing"
    names: tuple[str, ...] = ()  # names of the classes in the order of their numbers; (): unknown
    channels: tuple[int, int, int] = (16, 32, 64)  # of the three convolutions of stride 2
    depth: int = 2  # convolutions at the stride of the cells
    focus: float = 2.0  # gamma of the focal loss: how little a cell counts that is right already
    middle: float = 0.5  # share of a sign's width and height in which cells have to see it

    def __post_init__(self):
        if self.classes < 2:
            raise ValueError(
                f"sign_detector: classes are nothing and at least one sign. Received: {self.classes}"
            )
        if not 0 < self.middle <= 1:
            raise ValueError(
                f"sign_detector: middle is a share above 0, up to 1. Received: {self.middle}"
            )
        check_strides("sign_detector", tuple(side or STRIDE for side in self.shape), 3)


def build_detector(config: Config) -> keras.Model:
    """Build the network: image -> {"scores", "boxes", "logits"}."""
    image = keras.Input(config.shape, name="image")
    x = image
    for channels in config.channels:
        x = _convolution(x, channels, 2)
    for _ in range(config.depth):
        x = _convolution(x, config.channels[-1], 1)
    # At first a cell in a hundred sees a sign: or the first steps would only learn that most see none.
    rare = keras.initializers.Constant(-4.6)
    scores = layers.Conv2D(config.classes - 1, 1, bias_initializer=rare, name="scores")(x)
    edges = layers.Conv2D(4, 1, activation="softplus", name="edges")(x)
    boxes = layers.Rescaling(float(STRIDE), name="boxes")(edges)
    strongest = layers.GlobalMaxPooling2D(name="strongest")(scores)
    strongest = layers.Reshape((config.classes - 1, 1), name="column")(strongest)
    logits = layers.Flatten(name="logits")(
        layers.ZeroPadding1D((1, 0), name="with_nothing")(strongest)
    )
    return keras.Model(image, {"scores": scores, "boxes": boxes, "logits": logits}, name="detector")


def _convolution(x, channels: int, stride: int):
    x = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False)(x)
    # Trainings are a thousand steps: means over 100 of them, the default, would lag behind.
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


@keras.saving.register_keras_serializable("dimaging")
class SignDetector(DeployableModel):
    """The detector; it is fitted on (image, mask int [B, H, W])."""

    config_class = Config
    registry_name = "sign_detector"
    ranges = {"image": (0.0, 1.0), "scores": None, "boxes": None, "logits": None}
    figure_of_merit = FigureOfMerit("F1", "%", True, {"fp16": 0.5, "int8": 2.0})

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        self.network = build_detector(self.config)
        self.trackers = {n: keras.metrics.Mean(n) for n in ("loss", "class_loss", "box_loss")}

    @classmethod
    def settings_for(cls, dataset):
        """Return the number of the data's classes and their names, where it has any."""
        return class_settings(dataset, "pixel")

    def check_data(self, dataset):
        """DataError unless every image has a mask of classes."""
        mend = "Put NAME_mask.png beside each NAME.png: 0 nothing, k a sign of class k"
        check_classes("sign_detector", dataset, self.config.classes, "a pixel", mend, "pixel")

    def call(self, image, training=False):
        """Compute {"scores", "boxes", "logits"} of images [B, H, W, C]."""
        return self.network(image, training=training)

    def graphs(self):
        """Return {"detector": image -> scores, boxes, logits}."""
        return {"detector": self.network}

    def train_step(self, data):
        """Take one step on the focal loss of the cells and the overlap of the boxes."""
        image, mask, _ = keras.utils.unpack_x_y_sample_weight(data)

        def loss_of():
            parts = self.losses(self.network(image, training=True), mask)
            return parts["loss"], parts

        return self.track(descend(self, loss_of))

    def test_step(self, data):
        """Report the same losses."""
        image, mask = data[:2]
        return self.track(self.losses(self.network(image, training=False), mask))

    def losses(self, found, mask):
        """Return the losses of maps at masks [B, H, W], as sums by the number of cells that see a sign."""
        config = self.config
        label, counts, expected = cell_targets(mask, config.classes, config.middle)
        seen = tf.cast(label > 0, tf.float32)
        signs = tf.maximum(tf.reduce_sum(seen), 1.0)
        zero = tf.zeros_like(found["scores"][..., :1])
        log_odds = tf.nn.log_softmax(tf.concat([zero, found["scores"]], -1))
        right = tf.gather(log_odds, label, batch_dims=3)
        focal = -right * (1 - tf.exp(right)) ** config.focus
        classes = tf.reduce_sum(focal * counts) / signs
        boxes = tf.reduce_sum(seen * -tf.math.log(_overlap(found["boxes"], expected))) / signs
        return {"loss": classes + boxes, "class_loss": classes, "box_loss": boxes}

    def objective(self):
        """Return nothing: the losses are in `train_step`."""
        return {}

    def transform(self, image, label, seed):
        """Return (image, mask)."""
        return image, label

    def examples(self, image, label=None, seed=0):
        """Return the images themselves."""
        return {"detector": {"image": image}}

    def score(self, run, image, label=None, seed=0):
        """Return the F1 score in percent; ValueError without masks."""
        if label is None:
            raise ValueError("sign_detector: the score needs masks. Received: label=None")
        found = detection.read_maps(run("detector", image=image), STRIDE)
        return detection.f1(found, [detection.truth(mask) for mask in label])

    def detect(self, image: np.ndarray) -> list[list[detection.Found]]:
        """Return the signs in each of the images float32 [N, H, W, C]."""
        return detection.read_maps(self.run("detector", image=image), STRIDE)

    def picture(self, image, label=None, seed=0):
        """Return rows: images, and the same with the boxes of what was found in white."""
        image = np.array(image[:8])
        framed = [detection.framed(i, f) for i, f in zip(image, self.detect(image), strict=True)]
        return np.stack([image, np.stack(framed)]).astype(np.float32)


def cell_targets(mask, classes: int, middle: float):
    """Return what each cell has to say about masks [B, H, W], each class once an image at most.

    label     int32 [B, h, w], the class whose middle it lies in, or 0
    counts    float32 [B, h, w], 0 where a cell lies on a sign but not in its middle, and may say anything
    edges     float32 [B, h, w, 4], pixels to the top, left, bottom and right edge of that sign
    """
    height, width = tf.shape(mask)[1], tf.shape(mask)[2]
    of_class = tf.equal(mask[..., None], tf.range(1, classes, dtype=mask.dtype))
    spans = []
    for axis, size in ((2, height), (1, width)):
        occupied = tf.reduce_any(of_class, axis)  # [B, size, classes - 1]
        place = tf.range(size)[None, :, None]
        first = tf.reduce_min(tf.where(occupied, place, size), 1)
        last = tf.reduce_max(tf.where(occupied, place + 1, 0), 1)
        spans.append((tf.cast(first, tf.float32), tf.cast(last, tf.float32)))
    inside, core, edges = [], [], []
    for axis, (size, (first, last)) in enumerate(zip((height, width), spans, strict=True)):
        at = (tf.range(size // STRIDE, dtype=tf.float32) + 0.5) * STRIDE
        at = tf.reshape(at, (1, -1, 1, 1) if axis == 0 else (1, 1, -1, 1))
        first, last = first[:, None, None], last[:, None, None]
        # Half a cell at least: a small sign has one cell that sees it.
        reach = tf.maximum((last - first) * middle / 2, STRIDE / 2)
        inside.append((at > first) & (at < last))
        core.append((tf.abs(at - (first + last) / 2) <= reach) & (last > first))
        edges += [at - first, last - at]
    on, seen = inside[0] & inside[1], core[0] & core[1]
    chosen = tf.argmax(tf.cast(seen, tf.int32), -1, output_type=tf.int32)
    any_seen = tf.reduce_any(seen, -1)
    label = tf.where(any_seen, chosen + 1, 0)
    counts = tf.cast(any_seen | ~tf.reduce_any(on, -1), tf.float32)
    order = (edges[0], edges[2], edges[1], edges[3])
    picked = [
        tf.gather(e + tf.zeros_like(tf.cast(seen, tf.float32)), chosen, batch_dims=3) for e in order
    ]
    return label, counts, tf.stack(picked, -1)


def _overlap(found, expected):
    """Return the intersection over union of boxes [..., 4] around the same points; above 0."""
    expected = tf.maximum(expected, 0.5)  # the middle of a cell may lie just outside a small sign
    common = tf.minimum(found, expected)
    area = [(b[..., 0] + b[..., 2]) * (b[..., 1] + b[..., 3]) for b in (found, expected, common)]
    return tf.maximum(area[2] / (area[0] + area[1] - area[2]), 1e-6)
