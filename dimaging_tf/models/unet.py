"""U-Net (lecture: "U-Net"; Ronneberger, Fischer, Brox 2015, arXiv 1505.04597, figure 1).

    image 572x572x1                                            388x388x2 logits
      | conv 3x3, conv 3x3 ------- copy and crop -------> conv, conv, 1x1
      v pool 2x2 (channels double)                            ^ up-conv 2x2 (channels halve)
      568 -> 284 ...  level 1, 2, 3 ...                      ... 392
      v                                                       ^
      32x32x512 -- conv 3x3, conv 3x3 (28x28x1024) -----------+

`padding="valid"` is the paper's network: each convolution removes a border, and the skip is cropped to fit.
`padding="same"` is what people deploy: it takes any height and width, and the output is as large as the
input.

image: float32 [B, H, W, C] in [0, 1]. Segmentation gives probabilities [B, H', W', classes] with sum 1 in
each pixel; regression gives an unbounded estimate [B, H', W', outputs].
"""

from dataclasses import dataclass

import keras
import numpy as np
from dimaging_edge.common.class_colours import classes_over
from keras import layers

from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.errors import DataError
from dimaging_tf.evaluation import metrics
from dimaging_tf.layers.padding import CropLike, PadToMultiple
from dimaging_tf.training.segmentation import LOSSES, SegmentationLoss


@dataclass(frozen=True)
class Config:
    """The paper's network; `padded()` gives the variant to deploy."""

    shape: tuple[int | None, int | None, int] = (572, 572, 1)
    outputs: int = 2  # number of classes, or channels of the regression
    depth: int = 4  # number of 2x2 poolings
    width: int = 64  # channels of the first level; each level doubles them
    padding: str = "valid"  # "valid" | "same"
    head: str = "segmentation"  # "segmentation" | "regression"
    dropout: float = 0.5  # share left out at the end of the contracting path (paper, section 3.1)
    stem: int = 1  # stride of a first and a last convolution; 2 makes the network 4 times cheaper
    loss: str = "cross-entropy"  # of a segmentation: "cross-entropy" | "dice" | "both"
    class_weights: tuple[float, ...] = ()  # weight of each class in the cross-entropy; (): 1 each
    normalise: bool = False  # batch norm after each convolution: learns several times as fast

    def __post_init__(self):
        for name, legal in _LEGAL.items():
            if getattr(self, name) not in legal:
                raise ValueError(
                    f"unet: {name} must be one of {', '.join(legal)}. "
                    f"Received: {getattr(self, name)!r}"
                )
        if self.head == "segmentation" and self.outputs < 2:
            raise ValueError(
                "unet: segmentation needs outputs of at least 2, the background and a class. "
                f"Received: {self.outputs}"
            )
        if self.class_weights and len(self.class_weights) != self.outputs:
            raise ValueError(
                f"unet: class_weights must be one for each of the {self.outputs} classes, or none. "
                f"Received: {self.class_weights}"
            )
        if min(self.class_weights, default=0.0) < 0:
            raise ValueError(
                f"unet: class_weights must be 0 or more. Received: {self.class_weights}"
            )
        if self.padding == "valid":
            self._check_size()

    def _check_size(self):
        if self.stem != 1:
            raise ValueError("unet: stem > 1 needs padding='same'. Received: padding='valid'")
        for size in self.shape[:2]:
            if size is None or _valid_output(size, self.depth) is None:
                near = [s for s in range(max(size or 0, 8) * 2) if _valid_output(s, self.depth)]
                near.sort(key=lambda s: abs(s - (size or 572)))
                raise ValueError(
                    f"unet: valid padding at depth {self.depth} needs a size that every pooling halves "
                    f"evenly, such as {', '.join(map(str, sorted(near[:3])))}. Received: {size}. "
                    "padding='same' takes any size."
                )


_LEGAL = {"padding": ("valid", "same"), "head": ("segmentation", "regression"), "loss": LOSSES}


def padded(**changes) -> Config:
    """Return the Config of the deployable variant: same padding, any size, a quarter of the width."""
    return Config(**{"shape": (None, None, 1), "width": 16, "padding": "same", **changes})


def _valid_output(size: int, depth: int) -> int | None:
    """Return the output size of the valid network; None where a pooling would meet an odd or empty map."""
    for _ in range(depth):
        size -= 4
        if size <= 0 or size % 2:
            return None
        size //= 2
    for _ in range(depth):
        size = (size - 4) * 2
    return size - 4 if size > 4 else None


def build_unet(config: Config, name: str = "unet") -> keras.Model:
    """Build the network: image -> {"logits"} (segmentation) or {"estimate"} (regression)."""
    image = keras.Input(config.shape, name="image")
    x = image
    if config.padding == "same":
        x = PadToMultiple(config.stem << config.depth, name="pad")(x)
    if config.stem > 1:
        x = layers.Conv2D(config.width, config.stem, config.stem, name="stem")(x)
    skips = []
    for level in range(config.depth):
        x = _two_convolutions(x, config.width << level, config, f"down{level}")
        skips.append(x)
        x = layers.MaxPooling2D(name=f"pool{level}")(x)
    x = _two_convolutions(x, config.width << config.depth, config, "bottom")
    x = layers.Dropout(config.dropout, name="dropout")(x)
    for level in reversed(range(config.depth)):
        x = layers.Conv2DTranspose(config.width << level, 2, 2, name=f"up{level}")(x)
        skip = _crop(skips[level], x, f"crop{level}") if config.padding == "valid" else skips[level]
        x = layers.Concatenate(name=f"copy{level}")([skip, x])
        x = _two_convolutions(x, config.width << level, config, f"merge{level}")
    if config.stem > 1:
        x = layers.Conv2DTranspose(config.outputs, config.stem, config.stem, name="head")(x)
    else:
        x = layers.Conv2D(config.outputs, 1, name="head")(x)
    if config.padding == "same":
        x = CropLike(name="crop")(x, image)
    output = "logits" if config.head == "segmentation" else "estimate"
    return keras.Model(image, {output: x}, name=name)


def _two_convolutions(x, channels: int, config: Config, name: str):
    plain = not config.normalise
    for part in "ab":
        x = layers.Conv2D(
            channels, 3, padding=config.padding, activation="relu" if plain else None,
            use_bias=plain, kernel_initializer="he_normal", name=f"{name}{part}",
        )(x)  # fmt: skip
        if config.normalise:
            # With the default momentum of .99 the averages of a short run are those of its beginning.
            x = layers.BatchNormalization(momentum=0.98, name=f"{name}{part}_norm")(x)
            x = layers.ReLU(name=f"{name}{part}_relu")(x)
    return x


def _crop(skip, x, name: str):
    """Crop the contracting path's map around its centre to the size of the expanding path's."""
    margins = [(s - t, (s - t) // 2) for s, t in zip(skip.shape[1:3], x.shape[1:3], strict=True)]
    return layers.Cropping2D([(half, full - half) for full, half in margins], name=name)(skip)


@keras.saving.register_keras_serializable("dimaging")
class UNet(DeployableModel):
    """The U-Net, for segmentation or regression.

    It is fitted on (image, mask int [B, H', W']) for segmentation, and on (image, target) for regression.
    With valid padding the mask is the centre crop that the output covers: see `output_crop`.
    """

    config_class = Config
    registry_name = "unet"
    mixed_precision = True
    ranges = {"image": (0.0, 1.0), "probabilities": (0.0, 1.0), "estimate": None}

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        self.network = build_unet(self.config)
        plain = self.config.head == "segmentation" and self.config.loss == "cross-entropy"
        self.loss_units = {"loss": "nats/pixel"} if plain else {}
        self.segments = self.config.head == "segmentation"
        self.picture_rows = ("image", "found", "true") if self.segments else ("image", "estimate")
        self.figure_of_merit = (
            FigureOfMerit("mean IoU", "", True, {"fp16": 0.002, "int8": 0.02})
            if self.segments
            else FigureOfMerit("PSNR", "dB", True, {"fp16": 0.02, "int8": 0.1})
        )

    @classmethod
    def input_shape_for(cls, shape, changes):
        """Return any height and width for same padding, those of the data for valid padding."""
        return (None, None, shape[-1]) if changes.get("padding") == "same" else shape

    @property
    def label_classes(self):
        """The classes of a mask, where the loss is of this package: others may leave some out."""
        return self.config.outputs if isinstance(self.loss, SegmentationLoss) else 0

    def check_data(self, dataset):
        """DataError where a segmentation has no mask for each image, or classes beyond outputs - 1."""
        if not self.segments:
            return
        for split in (dataset.train, dataset.valid):
            label = split.label
            if label is None or label.ndim != 3:
                found = "labels of whole images" if label is not None else "no masks"
                raise DataError(
                    f"unet: segmentation learns from masks, one class a pixel; {dataset.name} has "
                    f"{found}. Put NAME_mask.png beside each NAME.png, or --set head=regression"
                )
            top = self.config.outputs - 1
            if label.min() < 0 or label.max() > top:
                values = np.unique(label)
                shown = ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")
                mend = f"Save the classes as 0, 1, 2, ..., or --set outputs={values[-1] + 1}"
                if set(values) <= {0, 255}:
                    mend += "; white is 255 here: save (mask > 127).astype('uint8') instead"
                raise DataError(
                    f"unet: the masks of {dataset.name} hold {shown}; expected 0..{top}. {mend}"
                )

    def call(self, image, training=False):
        """Compute logits or estimate [B, H', W', outputs] of images [B, H, W, C]."""
        return self.network(image, training=training)["logits" if self.segments else "estimate"]

    def graphs(self):
        """Return {"unet": image -> probabilities (segmentation) or estimate (regression)}."""
        image = self.network.input
        outputs = self.network.output
        if self.segments:
            softmax = layers.Softmax(name="probabilities")
            outputs = {"probabilities": softmax(outputs["logits"])}
        return {"unet": keras.Model(image, outputs, name="unet")}

    def objective(self):
        """Return the loss of `config.loss` with the accuracy as metric, or the mean squared error."""
        config = self.config
        if not self.segments:
            return {"loss": "mse"}
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if config.loss != "cross-entropy" or config.class_weights:
            loss = SegmentationLoss(config.loss, config.class_weights)
        return {"loss": loss, "metrics": [keras.metrics.SparseCategoricalAccuracy("accuracy")]}

    def output_crop(self, array):
        """Crop [B, H, W, ...] around its centre to the part that the valid network's output covers."""
        if self.config.padding == "same":
            return array
        margins = [(s - _valid_output(s, self.config.depth)) // 2 for s in self.config.shape[:2]]
        (top, left), (height, width) = margins, array.shape[1:3]
        return array[:, top : height - top, left : width - left]

    def transform(self, image, label, seed):
        """Return (image, mask) for segmentation, (image, image) for regression."""
        return image, self.output_crop(label if self.segments else image)

    def examples(self, image, label=None, seed=0):
        """Return the images themselves."""
        return {"unet": {"image": image}}

    def score(self, run, image, label=None, seed=0):
        """Return the mean intersection over union of the classes, or the PSNR in dB."""
        outputs = run("unet", image=image)
        if not self.segments:
            return metrics.psnr(outputs["estimate"], self.output_crop(image))
        if label is None:
            raise ValueError("unet: the score of a segmentation needs masks. Received: label=None")
        found = outputs["probabilities"].argmax(-1)
        return metrics.mean_iou(found, self.output_crop(label), self.config.outputs)

    def picture(self, image, label=None, seed=0):
        """Return rows: images, the classes found in colour over them, and the true ones if they are known."""
        image = image[:8]
        result = self.run("unet", image=image)
        image = self.output_crop(image)
        if not self.segments:
            return np.stack([image, np.clip(result["estimate"], 0, 1)])
        none = np.zeros(image.shape[:3], np.int32)
        labels = [none, result["probabilities"].argmax(-1)]
        if label is not None:
            labels.append(self.output_crop(label[:8]))
        return np.stack([classes_over(image, one) for one in labels])
