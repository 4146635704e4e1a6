"""What a model says about itself, so that it can be trained, exported and judged whatever its class."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, get_type_hints

import keras
import numpy as np

from dimaging_tf.data.given import check_policy, check_predicted, checked
from dimaging_tf.data.given_settings import as_tuples, check_setting
from dimaging_tf.data.given_training import check_objective
from dimaging_tf.data.kinds import Kind
from dimaging_tf.errors import near

Arrays = dict[str, np.ndarray]
"""The inputs or outputs of a graph, by name."""
Run = Callable[..., Mapping[str, np.ndarray]]
"""run(graph_name, **inputs) -> outputs by name, computed by Keras, onnxruntime or an int8 file."""
AT_ONCE = 1024
"""The most items that a graph is run on at a time."""


@dataclass(frozen=True)
class FigureOfMerit:
    """The number that says how good a model is at its task, and how much of it a precision may cost."""

    name: str  # such as "PSNR"
    unit: str  # such as "dB"; "" for a plain number
    higher_is_better: bool
    allowed_loss: Mapping[str, float]
    """precision ("fp16", "int8") -> the largest loss, in `unit`."""
    relative: bool = False
    """Whether `allowed_loss` is a share of the model's own score instead."""

    def loss(self, reference: float, score: float) -> float:
        """Return how much worse `score` is than `reference`, in `unit`; negative means better."""
        return reference - score if self.higher_is_better else score - reference

    def allowed(self, precision: str, reference: float, otherwise: float) -> float:
        """Return the largest loss in `unit` for a model that scores `reference`.

        otherwise: the answer for a precision whose loss is not stated.
        """
        share = self.allowed_loss.get(precision)
        if share is None:
            return otherwise
        return share * abs(reference) if self.relative else share


class TrackedModel(keras.Model):
    """A model whose own `train_step` and `test_step` report running means of named values."""

    trackers: Mapping[str, keras.metrics.Mean] = {}
    """Name in the logs -> running mean. A model without trackers has the metrics that it is compiled with."""

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The running means, which Keras resets at the start of each epoch."""
        return list(self.trackers.values()) or super().metrics

    def track(self, values: Mapping[str, Any], weight: Any = None) -> dict[str, Any]:
        """Add values ([B], or scalars) to the trackers of these names, and return all means so far.

        weight: [B], the weight of each example in the mean; None: all alike.
        """
        for name, value in values.items():
            self.trackers[name].update_state(value, weight)
        return {name: tracker.result() for name, tracker in self.trackers.items()}


class DeployableModel(TrackedModel, ABC):
    """Base of every model here: one frozen `Config`, functional graphs, a figure of merit.

    Subclasses set the class attributes and override the methods below. What they learn from, `x`, is of one
    of their `kinds`: images [N, H, W, C] and movies [N, T, H, W, C] come as float32 in [0, 1], series
    [N, T, C] as float32, tokens [N, T] as int32; labels are integer arrays (see `data.kinds`) or None.
    """

    config_class: ClassVar[type]
    registry_name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    """The kinds of data that the model learns from; data of another kind is refused."""
    reads_streams: ClassVar[bool] = False
    """`dimaging train` gives it batches that continue each other (`pipeline.batches`), not shuffled ones.

    Each epoch begins at the beginning of all streams, in training and in validation: forget the state there.
    """
    ranges: Mapping[str, tuple[float, float] | None]
    """Tensor name -> closed range of its legal values, for all graphs; None: any finite value."""
    figure_of_merit: FigureOfMerit
    draws: ClassVar[bool] = False
    """Whether `sample(n, seed=0)` draws images [n, H, W, C] from nothing but noise."""
    mixed_precision: ClassVar[bool] = False
    """Whether it trains under a policy such as mixed_bfloat16; otherwise such a policy is refused."""
    takes: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """The range in which `fit`'s images lie."""
    weighs_examples: ClassVar[bool | None] = None
    """Whether sample_weight and class_weight count, otherwise they are refused; None: by Keras's own step."""
    loss_units: Mapping[str, str] = {}
    """Name in the logs -> unit, such as nats, for people; what has no unit is left out."""
    together: ClassVar[tuple[str, ...]] = ()
    """Settings of which none follows from the data where one of them is given."""
    picture_rows: tuple[str, ...] = ()
    """What the rows of `picture` show, from the top; a picture may end before the last."""
    targets_are_images: ClassVar[bool] = False
    """Whether `fit`'s y holds images in [0, 1]."""

    def __init__(self, config: Any = None, **kwargs):
        super().__init__(**kwargs)
        check_policy(self.registry_name, self.mixed_precision)
        self.config = config if config is not None else self.config_class()
        # Sub-models are functional, so all weights exist by now. Keras restores an optimizer only if they do.
        self.built = True

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile as Keras does. ValueError for a loss or metrics that the model's own step would not use."""
        check_objective(self, inspect.signature(super().compile).bind(*args, **kwargs).arguments)
        super().compile(*args, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as the saved model was: Keras leaves that to a class with a `compile` of its own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self._build_optimizer()

    def export(self, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        """Export the model's one graph as Keras does. ValueError where it has several: those do, too."""
        graphs = self.graphs()
        if len(graphs) > 1:
            raise ValueError(
                f"{self.registry_name} is {len(graphs)} networks, {', '.join(graphs)}; export the one "
                f"that is wanted: model.graphs()[{next(iter(graphs))!r}].export(path), or all of them, "
                "proven equal: dimaging_export.export(model, folder)"
            )
        return next(iter(graphs.values())).export(filepath, *args, **kwargs)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train as Keras does.

        ValueError for images outside [0, 1] or of another shape, and for weights that would not count.
        """
        call = checked(self, super().fit, args, kwargs)
        self._build_optimizer()
        return super().fit(*call.args, **call.kwargs)

    def _build_optimizer(self) -> None:
        """Create the optimizer's variables; a step that created them itself would be traced twice."""
        if self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope() if self.distribute_strategy else nullcontext():
                self.optimizer.build(self.trainable_variables)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate as Keras does. ValueError as for `fit`."""
        call = checked(self, super().evaluate, args, kwargs)
        return super().evaluate(*call.args, **call.kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Predict as Keras does. ValueError for images outside of the range that the model takes."""
        check_predicted(self, x)
        return super().predict(x, *args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Take one step as Keras does. ValueError as for `fit`."""
        call = checked(self, super().train_on_batch, args, kwargs)
        self._build_optimizer()
        return super().train_on_batch(*call.args, **call.kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate one batch as Keras does. ValueError as for `fit`."""
        call = checked(self, super().test_on_batch, args, kwargs)
        return super().test_on_batch(*call.args, **call.kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Compute the loss as Keras does; weights [B] count for all pixels or steps of their example."""
        if sample_weight is not None and y is not None and len(sample_weight.shape) == 1:
            values = len(y.shape) - (not keras.backend.is_int_dtype(y.dtype))
            shape = (-1, *[1] * (values - 1))
            sample_weight = keras.ops.reshape(sample_weight, shape)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    @classmethod
    def config_for(cls, shape: tuple[int, ...], changes: Mapping[str, Any]) -> Any:
        """Return the Config for examples of `shape`, such as (H, W, C) or (T, C), with some fields changed.

        ValueError for a name that is no field, a value of another type than the field's, and a negative int.
        """
        kinds = get_type_hints(cls.config_class)
        names = [f.name for f in fields(cls.config_class)]
        for name, value in changes.items():
            if name not in names:
                raise ValueError(
                    f"{cls.registry_name} has no setting {name!r}; {near(name, names)}"
                )
            check_setting(cls.registry_name, name, value, kinds[name])
        return cls.config_class(
            **{"shape": cls.input_shape_for(shape, changes), **as_tuples(changes)}
        )

    @classmethod
    def input_shape_for(cls, shape: tuple[int, ...], changes: Mapping[str, Any]) -> tuple:
        """Return the network's input shape for examples of `shape`; models of any size override it."""
        return shape

    @cached_property
    def example_shape(self) -> tuple[int | None, ...]:
        """The shape of one example of the data that the graphs work on; None where any length will do.

        It is the shape of the first image that goes into a graph, or Config.shape of a model of another kind.
        It is found once: every step checks its data by it, and some graphs take half a second to make.
        """
        if "image" not in self.kinds:
            return tuple(self.config.shape)
        shapes = [tuple(x.shape) for graph in self.graphs().values() for x in graph.inputs]
        return next((shape for shape in shapes if len(shape) == 4), shapes[0])[1:]

    @property
    def label_classes(self) -> int:
        """The number of classes that whole numbers of `fit`'s y are held against; 0: none."""
        return 0

    @property
    def precomputed_shape(self) -> tuple[int, ...] | None:
        """The shape of what a fixed first part made of one example, where `fit` takes that too; else None."""
        return None

    @classmethod
    def settings_for(cls, dataset: Any) -> dict[str, Any]:
        """Return the Config fields that follow from this `dimaging_tf.data` Dataset, such as its classes."""
        return {}

    def check_data(self, dataset: Any) -> None:
        """DataError where the model cannot learn from this `dimaging_tf.data` Dataset."""

    def check_batch(self, dataset: Any, batch: int) -> None:
        """DataError where the model cannot learn from batches of that many examples."""

    def precomputed(self, dataset: Any) -> Any:
        """Return the `Dataset` that batches are made of, after all that has to be done to it only once.

        That is, for instance, what a network that does not learn computes of its images.
        """
        return dataset

    def measure(self, x: np.ndarray, label: np.ndarray | None) -> None:
        """Measure on the training split what the model keeps fixed, such as the noise.

        `dimaging train` calls it once, before the first step.
        """

    def callbacks(self, dataset: Any, folder: Path) -> list[keras.callbacks.Callback]:
        """Return the model's own callbacks of `dimaging train`, for the run in `folder`.

        They come before the run's record, so the figures that they add to an epoch's logs are recorded.
        """
        return []

    @abstractmethod
    def graphs(self) -> dict[str, keras.Model]:
        """Return the functional sub-models worth deploying, by name; noise is always an input of theirs."""

    def files(self) -> dict[str, bytes]:
        """Return the files that a bundle holds beside the graphs, such as a vocabulary: name -> contents."""
        return {}

    def objective(self) -> dict[str, Any]:
        """Return the keyword arguments of `compile` that train this model as the lecture does."""
        return {}

    def transform(self, x: Any, label: Any, seed: Any) -> Any:
        """Return what `fit` receives for a batch of examples; `seed` int32 [2] is new in every step."""
        return x

    @abstractmethod
    def examples(
        self, x: np.ndarray, label: np.ndarray | None = None, seed: int = 0
    ) -> dict[str, Arrays]:
        """Return inputs of every graph that are made of real examples: graph -> input -> array."""

    @abstractmethod
    def score(
        self, run: Run, x: np.ndarray, label: np.ndarray | None = None, seed: int = 0
    ) -> float:
        """Return the figure of merit of whatever `run` computes, on real examples."""

    @abstractmethod
    def picture(
        self, x: np.ndarray, label: np.ndarray | None = None, seed: int = 0
    ) -> np.ndarray | None:
        """Return cells [rows, columns, h, w, C] in [0, 1] that show how far training is; None: no picture."""

    def sentences(self, x: np.ndarray) -> list[str] | None:
        """Return what stands below the cells of `picture(x)`: one a cell, or one a column; None: no words."""
        return None

    def run(self, graph: str, **inputs: np.ndarray) -> Arrays:
        """Run a graph in Keras, which is the reference for every exported file.

        Many items are run AT_ONCE at a time, so that memory does not grow with what lies between the layers.
        """
        model = self.graphs()[graph]
        # Keras warns about a dictionary where a functional model has a single input.
        single = len(inputs) == 1 and not isinstance(model.input, dict)
        parts: list[Arrays] = []
        for part in _batches(model, inputs):
            outputs = model(next(iter(part.values())) if single else part, training=False)
            parts.append({name: _full(np.asarray(value)) for name, value in outputs.items()})
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def save_own_variables(self, store: Any) -> None:
        """Write the weights, and the states of dropout, which Keras leaves out and a resumed run needs."""
        super().save_own_variables(store)
        for index, state in enumerate(self._seed_states()):
            store[f"seed_state_{index}"] = np.asarray(state)

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote."""
        super().load_own_variables({k: store[k] for k in store.keys() if "seed_state" not in k})
        for index, state in enumerate(self._seed_states()):
            state.assign(store[f"seed_state_{index}"])

    def _seed_states(self) -> list[Any]:
        return [v for v in self.variables if v.path.endswith("seed_generator_state")]

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to rebuild the model."""
        return {"name": self.name, "config": asdict(self.config)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None):
        """Rebuild the model from `get_config`."""
        return cls(cls.config_class(**as_tuples(config["config"])), name=config["name"])


def _batches(model: keras.Model, inputs: Arrays) -> Iterator[Arrays]:
    """Yield the inputs AT_ONCE items at a time where all are of so many, or as they are."""
    counts = {np.shape(x)[:1] for x in inputs.values()}
    free = all(tensor.shape[:1] == (None,) for tensor in (*model.inputs, *model.outputs))
    if not free or len(counts) != 1 or () in counts:
        yield inputs
        return
    [(count,)] = counts
    for start in range(0, max(count, 1), AT_ONCE):
        yield {name: x[start : start + AT_ONCE] for name, x in inputs.items()}


def check_strides(model: str, shape: tuple[int, ...], convolutions: int) -> None:
    """ValueError unless so many convolutions of stride 2 halve height and width of `shape` evenly."""
    step = 2**convolutions
    if shape[0] % step or shape[1] % step:
        raise ValueError(
            f"{model}: {convolutions} stride-2 convolutions need height and width divisible by "
            f"{step}. Received: {shape[0]}x{shape[1]}"
        )


def _full(array: np.ndarray) -> np.ndarray:
    """Return float32 for what a mixed policy computed in float16 or bfloat16, otherwise the array itself."""
    return (
        array.astype(np.float32)
        if array.dtype.itemsize == 2 and array.dtype.kind not in "iu"
        else array
    )
