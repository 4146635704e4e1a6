"""A training run takes settings and leaves a run folder; a killed one goes on where its last epoch ended."""

import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from dimaging_edge.common.files import remove_leftovers
from dimaging_edge.common.locks import sole_writer

from dimaging_tf import registry
from dimaging_tf.data.kinds import FORMS, Kind
from dimaging_tf.errors import DataError, TrainingError, UserError
from dimaging_tf.training.model_files import open_model
from dimaging_tf.training.model_settings import kinds_learned
from dimaging_tf.training.same_data import check_same_data, held
from dimaging_tf.training.strategies import check_strategy, place_of, strategy


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run's weights on one machine; run.json keeps it, and resuming reads it."""

    model: str
    data: str
    data_options: dict[str, Any] = field(default_factory=dict)  # of dimaging_tf.data.load
    changes: dict[str, Any] = field(default_factory=dict)  # of the model's Config
    epochs: int = 20
    minutes: float | None = None  # stop by the clock instead of by epochs
    batch: int = 100  # images a step
    learning_rate: float = 1e-3  # of Adam at the start; falls to zero by a half cosine
    hold: float = 0.0  # share of a run by minutes before it begins to fall
    optimizer: dict[str, Any] = field(default_factory=dict)  # more settings of Adam
    seed: int = 0
    augment: str = "none"
    strategy: str = "single"  # a name of training.strategies
    init: str | None = None  # run, or .keras file, whose weights it starts with


def default_settings(model: str, **given: Any) -> Settings:
    """Return the registry's settings for `model`, with what was given instead (None: not given)."""
    given = {k: v for k, v in given.items() if v is not None}
    changes = given.pop("changes", {})
    entry = registry.find(model).with_changes(changes)
    defaults = {
        k: getattr(entry, k)
        for k in ("data", "epochs", "batch", "learning_rate", "hold", "optimizer", "augment")
    }
    if entry.size is not None:
        given["data_options"] = {"size": entry.size, **given.get("data_options", {})}
    return Settings(model=model, changes={**entry.changes, **changes}, **{**defaults, **given})


def read_settings(folder: str | Path) -> Settings:
    """Return the settings of the run in `folder`; UserError where a fit script of your own recorded it."""
    record = read_record(folder)
    if "settings" not in record:
        raise UserError(
            f"{folder} was not made by dimaging train: its run.json has no settings to train or load data by."
        )
    return Settings(**record["settings"])


def longer(folder: str | Path, minutes: float | None, epochs: int | None) -> Settings:
    """Return the settings of the run in `folder`, to go on for so many minutes or epochs more.

    UserError where both are given.
    """
    from dimaging_edge.common.files import read_json_lines

    settings = read_settings(folder)
    if minutes is not None and epochs is not None:
        raise UserError("--resume goes on for --minutes or for --epochs more; received both")
    past = read_json_lines(Path(folder) / "metrics.jsonl")
    if minutes is not None:
        spent = past[-1]["seconds"] / 60 if past else 0.0
        return replace(settings, minutes=spent + minutes)
    if epochs is not None:
        return replace(settings, minutes=None, epochs=len(past) + epochs)
    return settings


def has_settings(folder: str | Path) -> bool:
    """Return whether `dimaging train` made the run, so that its data can be loaded again."""
    return "settings" in read_record(folder)


def latest(folder: str | Path) -> Path:
    """Return best.keras of a run folder, else last.keras; UserError where there is neither."""
    for name in ("best.keras", "last.keras"):
        if (Path(folder) / name).exists():
            return Path(folder) / name
    raise UserError(f"No trained model in {folder}: neither best.keras nor last.keras is there.")


def load_model(folder: str | Path) -> Any:
    """Return the run's best model, with its optimizer; UserError where its file cannot be read."""
    registry.find(
        read_record(folder)["model"]
    ).model_class()  # registers the classes that the file names
    return open_model(latest(folder))


def data_options(settings: Settings) -> dict[str, Any]:
    """Return the options of `dimaging_tf.data.load` for a run.

    A folder that may hold images or movies is read as what the model takes, if it takes one of both.
    DataError where the data is a path of your own and of another kind than the model learns from.
    """
    from dimaging_tf import data
    from dimaging_tf.data import paths

    options, path = dict(settings.data_options), Path(settings.data).expanduser()
    if settings.data in data.NAMES or not path.exists():
        return options
    entry = registry.find(settings.model).with_changes(settings.changes)
    learns = kinds_learned(entry)
    if path.is_dir() and "movie" in learns and "image" not in learns:
        options.setdefault("kind", "movie")
    kind = options.get("kind")
    check_kind(settings, path.name, paths.kinds_of(path, kind))
    if (
        options.get("size") == entry.size
        and "size" not in paths.OPTIONS[paths.loader_of(path, kind)]
    ):
        options.pop("size", None)  # the registry's, for photographs
    return options


def load_data(settings: Settings) -> Any:
    """Return the `Dataset` that the run learns from; DataError as for `data_options` and `data.load`."""
    from dimaging_tf import data

    if settings.data in data.NAMES and Path(settings.data).exists():
        warnings.warn(
            f"{settings.data} is taken as the data set of that name; what lies here is ./{settings.data}",
            stacklevel=2,
        )
    dataset = data.load(settings.data, seed=settings.seed, **data_options(settings))
    check_kind(settings, dataset.name, (dataset.kind,))
    return dataset


def train(
    settings: Settings, out: str | Path, *, resume: bool = False, callbacks: Any = (),
    clock: Callable[[], float] = time.monotonic,
) -> Any:  # fmt: skip
    """Train into the run folder `out` and return the Keras model; `clock`, in seconds, ends a run by minutes.

    Two calls with the same settings on one machine give the same weights, also when the second was
    killed and resumed; a run by `minutes` is the exception. Raises UserError where `out` holds a run
    already and `resume` is not set, or where its minutes are used up; DataError for data that the
    model cannot learn from, TrainingError on NaN, DimagingError while another process trains into `out`.
    """
    check_strategy(settings.strategy, settings.minutes)
    out, place = Path(out), place_of(settings.strategy, Path(out))
    if not resume:
        check_free(place)
    with sole_writer(place, place / ".dimaging-lock"):
        for folder in (place, place / "samples"):
            remove_leftovers(folder)
        try:
            return _train(settings, out, place, resume, callbacks, clock)
        except Exception as error:
            if type(error).__name__ not in ("ResourceExhaustedError", "MemoryError"):
                raise
            raise TrainingError(
                f"the memory does not suffice for {settings.model} with batches of {settings.batch}; "
                "expected a smaller --batch, a smaller --size of the examples, or a smaller model (--set)"
            ) from error


def check_free(place: Path) -> None:
    """Raise UserError where the folder that a new run would write holds a run already."""
    if (place / "run.json").exists():
        raise UserError(
            f"{place} holds a run already: continue it with --resume, or choose another --out."
        )
    for path in (place, *place.parents):
        if path.exists() and not path.is_dir():
            raise UserError(f"{path} is a file; expected a folder to write the run into: --out NEW")


def _train(
    settings: Settings, out: Path, place: Path, resume: bool, callbacks: Any,
    clock: Callable[[], float],
) -> Any:  # fmt: skip
    """Train; `out` is read where the run is resumed, and `place` written, see `strategies.place_of`."""
    import keras
    import tensorflow as tf

    from dimaging_tf.data import pipeline
    from dimaging_tf.training import callbacks as training

    devices = strategy(settings.strategy, settings.batch)
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    dataset = load_data(settings)
    if resume:
        check_same_data(
            settings.model, settings.data, dataset, read_record(out).get("data", {}), out
        )
    steps = max(1, len(dataset.train) // settings.batch)
    with devices.scope():
        model = _start(settings, dataset, steps, out, resume)
        done = training.steps_done(model)
    model.check_data(dataset)
    model.check_batch(dataset, settings.batch)
    augmented = _augmented(settings, model)
    learned = model.precomputed(dataset)
    train_batches = pipeline.batches(
        learned.train, settings.batch, seed=settings.seed, start_step=done, transform=augmented,
        streams=model.reads_streams,
    )  # fmt: skip
    valid_batches = pipeline.valid_batches(
        learned.valid, settings.batch, seed=settings.seed, transform=model.transform,
        streams=model.reads_streams,
    )  # fmt: skip
    x, label = examples(dataset)
    facts = {
        "settings": asdict(settings),
        "seed": settings.seed,
        "data": {
            "name": settings.data,
            "licence": dataset.licence,
            "kind": dataset.kind,
            "range": dataset.range,
            **held(dataset),
            **settings.data_options,
        },
    }
    budget, epochs = [], settings.epochs
    if settings.minutes is not None:
        past = training.epochs_done(out, done) if resume else []
        spent = past[-1]["seconds"] if past else 0.0
        if spent >= settings.minutes * 60:
            raise UserError(
                f"{out} has trained its {settings.minutes:g} minutes; nothing is left to do. "
                f"Export it: dimaging export {out}; or go on: dimaging train --resume --minutes 10 "
                f"--out {out}"
            )
        budget = [training.TimeBudget(settings.minutes, spent, clock, settings.hold)]
        epochs = 10**6
    with training.StopOnInterrupt() as stop:
        model.fit(
            train_batches,
            steps_per_epoch=steps,
            initial_epoch=done // steps,
            epochs=epochs,
            validation_data=valid_batches,
            shuffle=False,  # the batches come shuffled
            verbose=0,
            callbacks=[
                training.StopOnNaN(),
                *model.callbacks(dataset, place),  # before the record, which keeps what they find
                training.RunRecord(place, clock, **facts),
                *budget,  # after the record, whose seconds are then never fewer
                training.Checkpoint(place),
                training.SampleGrid(place, x, label),
                *([training.Animation(place)] if model.draws else []),
                *callbacks,
                stop,
            ],
        )
    return model


def examples(dataset: Any, count: int = 8) -> tuple[Any, Any]:
    """Return validation examples evenly over the split, as a model takes them, and their labels or None."""
    import numpy as np

    valid = dataset.valid
    index = np.linspace(0, len(valid) - 1, min(count, len(valid))).astype(int)
    return valid.inputs(index), None if valid.label is None else valid.label[index]


def check_kind(settings: Settings, name: str, held: tuple[Kind, ...]) -> None:
    """Raise DataError where the model cannot learn from this kind of data, or the policy cannot vary it."""
    from dimaging_tf import data

    learns = kinds_learned(registry.find(settings.model))
    holds = " or ".join(str(FORMS[kind]) for kind in held)
    if not set(held) & set(learns):
        fitting = [e.name for e in registry.REGISTRY.values() if data.KINDS[e.data] in held]
        others = [f"a model that learns from {holds} ({', '.join(fitting)})"] if fitting else []
        wanted = " or ".join(str(FORMS[kind]) for kind in learns)
        raise DataError(
            f"{settings.model} learns from {wanted}; {name} holds {holds}. Choose "
            f"{' or '.join([*others, 'data that holds ' + wanted])} (see dimaging list)"
        )
    if settings.augment != "none" and "image" not in held:
        raise DataError(
            f"augment {settings.augment!r} varies images; {name} holds {holds}. Choose --augment none"
        )


def _start(settings: Settings, dataset: Any, steps: int, out: Path, resume: bool) -> Any:
    """Return a compiled model: a new one, or the last checkpoint with its optimizer."""
    from dimaging_tf.training import callbacks as training

    model_class = registry.find(settings.model).model_class()
    if resume and (out / "last.keras").exists():
        # Read first: no worker passes the loading before all have begun it, and then the first one writes.
        before = read_settings(out)
        model = open_model(out / "last.keras")
        if before != settings:  # it goes on for longer than it was set up for
            _compile_again(model, settings, steps)
        elif settings.minutes is not None:
            training.set_learning_rate(model, settings.learning_rate)
        return model
    told = {"seed": settings.seed, "vocabulary": dataset.vocabulary}
    if dataset.words:
        told |= {"words": dataset.words, "length": dataset.train.label.shape[-1]}
    names = {f.name for f in fields(model_class.config_class)}
    told = {n: value for n, value in told.items() if n in names}
    follow = model_class.settings_for(dataset)
    if set(model_class.together) & set(settings.changes):
        follow = {k: v for k, v in follow.items() if k not in model_class.together}
    changes = {**told, **follow, **settings.changes}
    model = model_class(model_class.config_for(dataset.shape, changes))
    model.compile(optimizer=_adam(settings, steps), **model.objective())
    model.check_data(dataset)
    model.measure(dataset.train.x, dataset.train.label)
    if settings.init:
        _take_weights(model, settings.init)
    return model


def _adam(settings: Settings, steps: int) -> Any:
    """Return the optimizer of a run of so many steps an epoch; the clock sets the rate of one by minutes."""
    import keras

    rate = settings.learning_rate
    if settings.minutes is None:
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, settings.epochs * steps, warmup_target=rate, warmup_steps=min(100, steps)
        )
    return keras.optimizers.Adam(rate, **settings.optimizer)


def _compile_again(model: Any, settings: Settings, steps: int) -> None:
    """Give a model optimizers whose rate falls over the longer run, with the moments of those it has."""
    from dimaging_tf.training.callbacks import optimizers

    before = [_moments(optimizer) for optimizer in optimizers(model)]
    model.compile(optimizer=_adam(settings, steps), **model.objective())
    for optimizer, values in zip(optimizers(model), before, strict=True):
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        for variable, value in zip(_moments(optimizer), values, strict=True):
            variable.assign(value)


def _moments(optimizer: Any) -> list[Any]:
    """Return an optimizer's variables but the learning rate, which is none under a schedule."""
    return [v for v in optimizer.variables if v.path.rpartition("/")[2] != "learning_rate"]


def _take_weights(model: Any, source: str) -> None:
    """Set the weights to those of another run's best model, whose networks must be alike."""
    path = Path(source)
    other = open_model(path if path.suffix == ".keras" else latest(path))
    shapes = [[tuple(w.shape) for w in x.weights] for x in (model, other)]
    if type(other) is not type(model) or shapes[0] != shapes[1]:
        raise UserError(
            f"{source} is a {getattr(other, 'registry_name', other.name)} with other weights; expected "
            f"a {model.registry_name} of the same sizes: say with --set what it was trained with"
        )
    model.set_weights(other.get_weights())


def _augmented(settings: Settings, model: Any) -> Any:
    from dimaging_tf.data.augment import augmentation

    policy = augmentation(settings.augment)

    def transform(x: Any, label: Any, seed: Any) -> Any:
        x, label = policy(x, label, seed)
        return model.transform(x, label, seed + (0, 1 << 16))  # noqa: RUF005, a tensor

    return transform


def read_record(folder: str | Path) -> dict[str, Any]:
    """Return what run.json of a run folder says; UserError where there is none."""
    import json

    path = Path(folder) / "run.json"
    if not path.exists():
        raise UserError(
            f"{folder} is not a run folder: it has no run.json. (dimaging train makes one.)"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise TrainingError(f"{path} is not valid JSON: {error}") from None
