"""The demo's page: a section a system with a command that exists, one table of precisions, words that follow it."""

import json
import re
import shlex

import pytest
import typer
from PIL import Image

from dimaging_tf.commands import demo, demo_page
from dimaging_tf.commands.app import app
from dimaging_tf.commands.demo_story import ALTS, STORY

TRAIN = typer.main.get_command(app).commands["train"]  # pyright: ignore[reportAttributeAccessIssue]


def write_bundle(folder, model, precision, size, ms):
    """A manifest and a latency as small as the page can read."""
    folder.mkdir(parents=True)
    graph, parity = demo_page.MAIN[model], {"image": {"max_abs": 1e-6}}
    described = {"file": "a.onnx", "macs": 2e6, "nodes": {"Conv": 2}, "parity": parity}
    manifest = {
        "model": model, "precision": precision, "target": "cpu", "files": {"a.onnx": {"bytes": size}},
        "quality": {"name": "PSNR", "unit": "dB", "keras": 30.0, "onnx": 29.9}, "graphs": {graph: described},
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(manifest))
    fresh = {"session_ms": 1, "first_ms": 1, "peak_bytes": None}
    timed = {"graph": graph, "n": 9, "latency_ms": dict.fromkeys(("p50", "p90", "p99"), ms)}
    timed |= {"fresh": fresh, "items_per_s": 1, "gmac_per_s": 1}
    environment = {"cpu": "chip", "threads": 2, "provider_used": "cpu"}
    (folder / "latency.json").write_text(
        json.dumps({"graphs": [timed], "environment": environment})
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    for precision, size, ms in (("fp32", 2_000_000, 8.0), ("int8", 500_000, 4.0)):
        write_bundle(out / "bundle" / f"denoiser-{precision}", "denoiser", precision, size, ms)
    for model, steps in (("denoiser", (9, 18)), ("char_lm", (1,))):
        run = out / "runs" / model
        run.mkdir(parents=True)
        (run / "run.json").write_text(json.dumps({"model": model, "data": {"name": "photos"}}))
        rows = (
            {"epoch": k, "step": step, "seconds": k, "loss": 0.1 / k, "val_loss": 0.2}
            for k, step in enumerate(steps, 1)
        )
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    picture, text = out / "denoised.png", out / "text.txt"
    Image.new("L", (8, 8)).save(picture)
    text.write_text("a < b")
    figures = {"char_lm": [("written", text)], "denoiser": [("a photo & noise", picture)]}
    recipes = {"denoiser": {"minutes": 1.1}, "char_lm": {"init": "weights/char_lm.keras"}}
    return demo_page.write_demo_page(out, figures, recipes, 163.6).read_text("utf-8")


def test_the_page_tells_a_story(page):
    assert "What was made in 164 seconds" in page
    places = [
        page.index(f"<h2 id='{name}'>") for name in ("denoiser", "char_lm", "precisions", "next")
    ]
    assert places == sorted(places)
    for words in (
        "dimaging train denoiser --minutes 1.1 --out runs/denoiser", "a photo &amp; noise", "a &lt; b",
        ALTS["denoised"].split(",")[0], STORY["denoiser"].look[:30], "Learned from photos in 2 s, 18 steps.",
        "Weights that came along learned on from photos for 1 s, 1 step.",
        "loss 0.1 after epoch 1, 0.05 after epoch 2", "share of white", "int8 is smaller in every file, 4.0",
        "faster where there is much to multiply: denoiser (2.0 times)", "<td class='best'>0.5</td>",
        "<td class='best'>4</td>", "dimaging export runs/mine", "Every graph of every bundle",
    ):  # fmt: skip
        assert words in page, words


def test_the_page_needs_nothing_else_and_suits_every_reader(page):
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", page)
    assert "prefers-color-scheme: dark" in page
    assert page.count("<img") == page.count("alt='")
    assert page.count("<table") == page.count("class='scroll' tabindex='0'")
    assert '<dialog id="large"' in page


@pytest.mark.parametrize("name", sorted(demo.recipes(False)))
def test_the_command_of_a_section_is_one(name):
    words = shlex.split(demo_page.command_of(name, demo.recipes(False)[name]))
    found = TRAIN.make_context("train", words[2:], resilient_parsing=False).params
    assert found["model"] == name
    assert str(found["out"]) == f"runs/{name}"
    assert len(found["set_"] or []) == len(demo.recipes(False)[name].get("changes", {}))


def test_every_system_of_the_demo_has_a_section():
    assert {*demo.recipes(False), "codec", "iguana", "signs"} <= set(STORY)
    assert set(demo.recipes(False)) == set(demo_page.MAIN)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ({}, "No model was exported in two precisions."),
        (
            {"a": {"fp32": (4, 1), "int8": (1, 2)}},
            "It is not faster in a: the networks are so small",
        ),
        ({"a": {"fp32": (4, 9), "int8": (1, 3)}}, "much to multiply: a (3.0 times)."),
    ],
)
def test_the_verdict_follows_the_figures(pairs, words):
    assert words in demo_page.verdict(pairs)
