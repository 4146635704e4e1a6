"""Captions on a device: the words of the bundle, three graphs in a row, the verb `imagine`."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dimaging_edge.commands import generate
from dimaging_edge.commands.main import main
from dimaging_edge.common.errors import InputError
from dimaging_edge.generate import captions

WORDS = ("a", "at", "circle", "left", "red", "small", "the", "top", "well-known")


class Toy:
    """Answers like a StackGAN's bundle; its picture says which token came last, and the noise."""

    def __init__(self, folder, dtype=np.float32):
        (folder / captions.WORDS).write_text("\n".join(WORDS) + "\n")
        self.path, self.dtype = folder, dtype
        self.manifest = SimpleNamespace(files={captions.WORDS: None})
        self.graphs = ("text_encoder", "stage1", "stage2")
        sizes = {
            "text_encoder": {"tokens": 6},
            "stage1": {"text": 1, "condition_noise": 3, "noise": 2},
        }
        self.sizes = sizes | {"stage2": {"low": 2, "text": 1, "condition_noise": 3}}

    def read(self, name):
        return (self.path / name).read_bytes()

    def tensor(self, graph, name, rank):
        return SimpleNamespace(example=(1, self.sizes[graph].get(name)))

    def run(self, name, **arrays):
        assert set(arrays) == set(self.sizes[name])
        for key, array in arrays.items():
            assert array.shape[:2] == (1, self.sizes[name][key])
        if name == "text_encoder":
            return {"text": arrays["tokens"][:, -1:].astype(np.float32)}
        seen = [np.ravel(arrays[k]).sum() for k in sorted(arrays)]
        picture = np.broadcast_to(np.abs(np.sin(sum(seen))), (1, 1, 2, 2, 3))[0].astype(np.float32)
        if self.dtype == np.uint8:
            picture = np.rint(255 * picture).astype(np.uint8)
        return {"low" if name == "stage1" else "image": picture}


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_seed_gives_the_same_pictures_whatever_their_number(tmp_path, dtype):
    bundle: Any = Toy(tmp_path, dtype)
    found = captions.imagine(bundle, "a small red circle", 3, seed=7)
    assert found.shape == (3, 2, 2, 3)
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1
    np.testing.assert_array_equal(found[:1], captions.imagine(bundle, "a small red circle", 1, 7))
    assert len(np.unique(found)) == 3
    assert not np.array_equal(found, captions.imagine(bundle, "a small red circle", 3, 8))
    with pytest.raises(InputError, match="expected 1 image or more, received 0"):
        captions.imagine(bundle, "a circle", 0)


def test_the_command_writes_a_grid(tmp_path, capsys):
    options: Any = SimpleNamespace(
        caption="a red circle", n=4, seed=0, out=str(tmp_path / "x.png"), scale=2
    )
    bundle: Any = Toy(tmp_path)
    assert generate.imagine(options, bundle) == 0
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.strip() == options.out


def test_a_bundle_of_another_kind_is_refused(toy, capsys):
    assert main(["imagine", str(toy), "a red circle"]) == 1
    error = capsys.readouterr().err
    assert "toy-fp32 draws no captions; export a model that does: dimaging train stackgan" in error
