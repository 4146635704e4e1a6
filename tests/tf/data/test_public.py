"""MNIST and its siblings and CIFAR-10 from small files of the same formats; fetching from file://."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from typing import Any

import numpy as np
import pytest

from dimaging_tf.data import cache, cifar, load, mnist
from dimaging_tf.errors import DataError

RNG = np.random.default_rng(0)
DIGITS = RNG.integers(0, 256, (6, 28, 28), np.uint8)
LABELS = np.arange(6, dtype=np.uint8)


@pytest.fixture(autouse=True)
def _no_data_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("DIMAGING_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def write_mnist(folder, **changes):
    arrays: dict[str, Any] = {
        "x_train": DIGITS,
        "y_train": LABELS,
        "x_test": DIGITS[:2],
        "y_test": LABELS[:2],
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "mnist.npz", **(arrays | changes))


def write_fashion(folder):
    for remote, array in zip(mnist.FASHION, (DIGITS, LABELS, DIGITS[:2], LABELS[:2]), strict=True):
        path = folder / remote.path
        path.parent.mkdir(parents=True, exist_ok=True)
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        path.write_bytes(gzip.compress(head + array.tobytes()))


def write_binarized(folder, **changes):
    bits = {"x_train": DIGITS > 127, "x_valid": DIGITS[:2] > 127}
    packed: dict[str, Any] = {
        name: np.packbits(b.reshape(-1, 784), axis=1) for name, b in bits.items()
    }
    np.savez_compressed(folder / "binarized_mnist.npz", **(packed | changes))


def write_cifar(folder, names=cifar.TRAIN + cifar.VALID, size=3 * cifar.RECORD):
    with tarfile.open(folder / cifar.CIFAR10.path, "w:gz") as archive:
        for number, name in enumerate(names):
            batch = np.full(size, number, np.uint8)
            for record in range(0, size - cifar.RECORD + 1, cifar.RECORD):
                batch[record + 1 : record + 1025] = 200  # the red plane
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(batch.tobytes()))


def test_mnist_like_keras_keeps_it(tmp_path):
    write_mnist(tmp_path)
    dataset = load("mnist", data_dir=tmp_path)
    assert np.array_equal(dataset.train.x[..., 0], DIGITS)
    assert np.array_equal(np.asarray(dataset.train.label), LABELS)
    assert len(dataset.valid) == 2


def test_fashion_mnist_like_keras_keeps_it(tmp_path):
    write_fashion(tmp_path)
    dataset = load("fashion_mnist", data_dir=tmp_path, size=32)
    assert np.array_equal(dataset.train.x[:, 2:30, 2:30, 0], DIGITS)
    assert np.array_equal(np.asarray(dataset.valid.label), LABELS[:2])


def test_binarized_mnist_is_black_and_white(tmp_path):
    write_binarized(tmp_path)
    dataset = load("binarized_mnist", data_dir=tmp_path)
    assert np.array_equal(dataset.train.x[..., 0], np.where(DIGITS > 127, 255, 0))
    assert dataset.train.label is None
    assert len(dataset.valid) == 2


def test_cifar10_from_its_binary_version(tmp_path):
    write_cifar(tmp_path)
    dataset = load("cifar10", data_dir=tmp_path)
    assert dataset.shape == (32, 32, 3)
    assert dataset.train.label is not None
    assert dataset.train.label.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert (dataset.valid.x[..., 0] == 200).all()
    assert (dataset.valid.x[..., 1:] == 5).all()


def test_where_files_are_looked_for(tmp_path, monkeypatch):
    write_mnist(tmp_path / "keras" / "datasets")
    assert len(load("mnist").train) == 6
    write_mnist(tmp_path / "ours", x_train=DIGITS[:3], y_train=LABELS[:3])
    monkeypatch.setenv("DIMAGING_DATA", str(tmp_path / "ours"))
    assert len(load("mnist").train) == 3
    assert len(load("mnist", data_dir=tmp_path / "keras" / "datasets").train) == 6


ABSENT = [
    ("mnist", "mnist.npz is not in ", "curl --create-dirs -Lo"),
    ("fashion_mnist", "fashion-mnist/train-images-idx3-ubyte.gz is not in ", "download=True"),
    ("binarized_mnist", "binarized_mnist.npz is not in ", "it cannot be downloaded"),
    ("cifar10", "cifar-10-binary.tar.gz is not in ", "pickles, which can run any code"),
]


@pytest.mark.parametrize(("name", "words", "help_"), ABSENT)
def test_an_absent_file_is_named_with_the_command_that_gets_it(tmp_path, name, words, help_):
    with pytest.raises(DataError) as caught:
        load(name)
    assert words + str(tmp_path / "keras" / "datasets") in str(caught.value)
    assert help_ in str(caught.value)
    with pytest.raises(DataError, match="expected an existing folder with the data files"):
        load(name, data_dir=tmp_path / "nowhere")


def test_pickles_of_the_python_version_are_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was opened",))

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]:
        (folder / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match=r"cifar-10-batches-py, is made of pickles.*not opened"):
        load("cifar10", data_dir=tmp_path)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-50])


DAMAGED = [
    ("mnist", write_mnist, "mnist.npz", _cut, "mnist.npz is damaged"),
    ("fashion_mnist", write_fashion, mnist.FASHION[0].path, _cut, "ubyte.gz is damaged"),
    ("binarized_mnist", write_binarized, "binarized_mnist.npz", _cut, "is damaged"),
    ("cifar10", write_cifar, "cifar-10-binary.tar.gz", _cut, "is damaged"),
    (
        "mnist",
        lambda folder: np.savez(folder / "mnist.npz", x_train=DIGITS),
        "mnist.npz",
        None,
        "has no array 'y_train",
    ),
    (
        "mnist",
        lambda folder: write_mnist(folder, x_train=np.array([{}], dtype=object)),
        "mnist.npz",
        None,
        "'x_train' holds Python objects, which are never unpickled",
    ),
    (
        "mnist",
        lambda folder: write_mnist(folder, x_test=DIGITS / 255),
        "mnist.npz",
        None,
        "holds float64 [6, 28, 28]; expected uint8 [N, 28, 28] or [N]",
    ),
    (
        "mnist",
        lambda folder: write_mnist(folder, y_train=LABELS[:2]),
        "mnist.npz",
        None,
        "labels have the shape [6]",
    ),
    (
        "binarized_mnist",
        lambda folder: write_binarized(folder, x_valid=DIGITS),
        "binarized_mnist.npz",
        None,
        "holds uint8 [6, 28, 28]; expected uint8 [N, 98], packed bits",
    ),
    (
        "cifar10",
        lambda folder: write_cifar(folder, names=cifar.TRAIN),
        "cifar-10-binary.tar.gz",
        None,
        "test_batch.bin",
    ),
    (
        "cifar10",
        lambda folder: write_cifar(folder, size=cifar.RECORD + 1),
        "cifar-10-binary.tar.gz",
        None,
        "expected the batches of CIFAR-10",
    ),
]


@pytest.mark.parametrize(("name", "write", "file", "spoil", "words"), DAMAGED)
def test_a_damaged_file_is_named(tmp_path, name, write, file, spoil, words):
    write(tmp_path)
    if spoil:
        spoil(tmp_path / file)
    with pytest.raises(DataError) as caught:
        load(name, data_dir=tmp_path)
    assert words in str(caught.value)


def test_download_only_when_asked_checked_and_without_leftovers(tmp_path, monkeypatch):
    write_mnist(tmp_path / "web")
    source = tmp_path / "web" / "mnist.npz"
    md5 = hashlib.md5(source.read_bytes(), usedforsecurity=False).hexdigest()
    home = tmp_path / "keras" / "datasets"

    monkeypatch.setattr(mnist, "MNIST", cache.Remote("mnist.npz", source.as_uri(), "0" * 32))
    with pytest.raises(DataError, match=f"MD5 {md5}, expected 0+; nothing was kept"):
        load("mnist", download=True)
    assert list(home.iterdir()) == []

    monkeypatch.setattr(mnist, "MNIST", cache.Remote("mnist.npz", (tmp_path / "x").as_uri(), md5))
    with pytest.raises(DataError, match="cannot be downloaded"):
        load("mnist", download=True)

    monkeypatch.setattr(mnist, "MNIST", cache.Remote("mnist.npz", source.as_uri(), md5))
    with pytest.raises(DataError, match=r"mnist\.npz is not in"):
        load("mnist")
    assert len(load("mnist", download=True).train) == 6
    assert [path.name for path in home.iterdir()] == ["mnist.npz"]
    source.unlink()
    assert len(load("mnist").train) == 6
