"""Every verb that makes something, on a bundle that cannot: one sentence, with what can."""

from pathlib import Path

import dimaging_edge
import numpy as np
import pytest
from dimaging_edge.commands.main import main
from PIL import Image

SHIPPED = Path(dimaging_edge.__file__).parent / "shipped"
GOLDEN = Path(__file__).parents[2] / "golden" / "older"
ROWS = [  # verb, its arguments, bundle (toy: decoder and filters), words
    ("complete", ["{grey}", "--keep", "upper"], "toy",
     "is no explicit density, it has the graphs decoder, denoiser, negative; export one: dimaging train pixelcnn"),
    ("complete", ["{grey}", "--keep", "upper"], "vae-fp32", "is no explicit density"),
    ("sample", [], "char_lm-integer", "makes no images from noise alone, it has the graphs"),
    ("sample", [], "unet_codec", "makes no images from noise alone, it has the graphs"),
    ("sample", ["--prior"], "pixelcnn-integer", "draws without codes; leave --prior out"),
    ("caption", ["{grey}"], "vae-fp32", "says nothing about images"),
    ("certify", ["{data}"], "vae-fp32", "has no graph 'certificate'; it holds encoder, decoder"),
    ("certify", ["{data}"], "unet_codec", "has no graph 'certificate'"),
    ("upscale", ["{grey}"], "toy", "does not enlarge images; train one: dimaging train super_resolution"),
    ("upscale", ["{grey}"], "vae-fp32", "does not enlarge images"),
    ("upscale", ["{grey}"], "pixelcnn-integer", "does not enlarge images"),
    ("pack", ["{grey}"], "toy", "is no explicit density"),
    ("pack", ["{grey}"], "vae-fp32", "is no explicit density"),
    ("unpack", ["{grey}"], "vae-fp32", "is no explicit density"),
    ("imagine", ["a circle"], "toy", "draws no captions"),
    ("imagine", ["a circle"], "vae-fp32", "draws no captions"),
    ("imagine", ["a circle"], "pixelcnn-integer", "draws no captions"),
    ("write", [], "vae-fp32", "writes no text; export a model that does: dimaging train char_lm"),
    ("write", [], "pixelcnn-integer", "writes no text"),
    ("attack", ["{grey}", "--label", "1"], "vae-fp32", "is no classifier, whose one graph"),
    ("attack", ["{grey}", "--label", "1"], "pixelcnn-integer", "is no classifier"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "arguments", "bundle", "words"), ROWS)
def test_a_bundle_of_another_kind_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], toy: Path, tmp_path: Path,
    verb: str, arguments: list[str], bundle: str, words: str,
) -> None:  # fmt: skip
    grey = tmp_path / "grey.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(grey)
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 8, 8, 1), np.float32), y=np.zeros(2, np.int32))
    places = {"toy": toy, "unet_codec": SHIPPED / "unet_codec"}
    given = [a.format(grey=grey, data=tmp_path / "x.npz") for a in arguments]
    code = main([verb, str(places.get(bundle, GOLDEN / bundle)), *given])
    found = capsys.readouterr().err
    assert code == 1
    assert found.removeprefix("provider cpu, threads 2\n").startswith("error: ")
    assert "Traceback" not in found
    assert words in found


@pytest.mark.parametrize(
    ("pixel", "said"), [((200, 10, 10), True), ((90, 90, 90), False), (90, False)]
)
def test_a_colour_that_is_dropped_is_said(
    capsys: pytest.CaptureFixture[str], toy: Path, tmp_path: Path, pixel, said: bool
) -> None:
    picture = np.zeros((8, 8, 3) if isinstance(pixel, tuple) else (8, 8), np.uint8)
    picture[2, 3] = pixel
    Image.fromarray(picture).save(tmp_path / "photo.png")
    given = ["--input", f"noisy={tmp_path / 'photo.png'}", "--out", str(tmp_path / "out")]
    assert main(["run", str(toy), "denoiser", *given]) == 0
    note = "note: photo.png is in colour, and 'noisy' is grey: its brightness is taken (Rec. 601)"
    assert (note in capsys.readouterr().err) is said
