"""The README is a program: its Python runs, its commands exist, its table of systems is true."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dimaging_tf.registry import REGISTRY

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ENV = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in (".", "export", "edge")),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "COLUMNS": "300",  # of --help
}
CLI = {"dimaging": "dimaging_tf.commands.app", "dimaging-edge": "dimaging_edge.commands.main"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[list[str]]:
    """Every dimaging or dimaging-edge call in the shell blocks, as words."""
    lines = "\n".join(blocks("sh")).replace(" && ", "\n").splitlines()
    return [words for line in lines if (words := line.split("#")[0].split()) and words[0] in CLI]


def run(words: list[str], folder: Path) -> str:
    done = subprocess.run(words, cwd=folder, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cli(words: list[str], folder: Path) -> str:
    return run([sys.executable, "-m", CLI[words[0]], *words[1:]], folder)


def test_readme_python_then_export_then_edge(tmp_path):
    fit, onnx, photo = blocks("python")
    run([sys.executable, "-c", photo], tmp_path)
    run([sys.executable, "-c", fit], tmp_path)
    assert "dimaging export runs/mine --out bundle/mine" in fit
    cli(["dimaging", "export", "runs/mine", "--out", "bundle/mine"], tmp_path)
    run([sys.executable, "-c", onnx], tmp_path)
    ours = [words for words in commands() if "bundle/mine" in words]
    assert {words[1] for words in ours} == {"info", "check", "bench"}
    for words in ours:
        cli(words, tmp_path)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_of_the_readme_exist(words, tmp_path):
    text = cli([*words[:2], "--help"], tmp_path)
    for flag in [word for word in words if word.startswith("--")]:
        assert flag in text


def test_table_of_systems_is_the_registry():
    working = re.findall(r"\| works \| \[\w+\.py\]\(dimaging_tf/models/(\w+)\.py\)", README)
    assert sorted(working) == sorted(REGISTRY)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_figures_page_is_made_from_the_results():
    code = "import table; assert table.PAGE.read_text(encoding='utf-8') == table.page(), 'python benchmarks/table.py'"
    run([sys.executable, "-c", code], ROOT / "benchmarks")


def test_figures_name_the_arguments_of_their_command_but_no_place_of_the_machine():
    code = (
        "import table\nfrom parts import figures\n"
        "words = figures.arguments(['--data', '/some/where/my photos', '--keep=/some/run', '--minutes', '2.5'])\n"
        "assert words == ['--data', 'my photos', '--keep=run', '--minutes', '2.5'], words\n"
        "record = {'topic': 'vae', 'rows': [], 'arguments': words, 'environment': figures.environment()}\n"
        "command = \"`python benchmarks/vae.py --data 'my photos' --keep=run --minutes 2.5`\"\n"
        "assert command in table.section(record), table.section(record)"
    )
    run([sys.executable, "-c", code], ROOT / "benchmarks")


EXAMPLES = {
    "vae": ["--epochs", "1"],
    "latent": ["--epochs", "1"],
    "dcgan": ["--epochs", "1"],
    "pixelcnn": ["--epochs", "1"],
    "stackgan": ["--epochs", "2", "--pictures", "192"],
    "autoencoder": ["--epochs", "1", "--convolutional"],
    "compressive_autoencoder": ["--minutes", "0.05"],
    "unet": ["--epochs", "1", "--width", "4"],
    "denoiser": ["--minutes", "0.05", "--width", "4"],
    "unet_codec": ["--minutes", "0.05", "--width", "8"],
}


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "examples").glob("*.py")))
def test_example(name, tmp_path):
    said = run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), *EXAMPLES[name], "--out", "made"],
        tmp_path,
    )
    picture = Path(said.strip().splitlines()[-1].split(": ")[-1])
    assert (tmp_path / picture).stat().st_size > 500
