"""The README is a program: its Python runs, its links lead somewhere; the table of systems is true."""

import json
import re
import sys

import pytest
from helpers.pages import ROOT, blocks, cli, commands, read, run, run_warm

from dimaging_tf.registry import REGISTRY

README = read("README.md")


def test_readme_python_then_export_then_edge(tmp_path):
    fit, onnx = blocks(README, "python")
    assert "epochs=10," in fit  # fewer do for the test
    run_warm([sys.executable, "-c", fit.replace("epochs=10,", "epochs=2,")], tmp_path)
    export, *ours = [words for words in commands(README) if "bundle/mine" in words]
    assert export == "dimaging export runs/mine --out bundle/mine".split()
    assert {words[1] for words in ours} == {"info", "check", "bench"}
    cli(export, tmp_path)
    run_warm([sys.executable, "-c", onnx], tmp_path)
    for words in ours:
        cli(words, tmp_path)


def test_table_of_systems_is_the_registry():
    working = re.findall(
        r"\| works \| \[\w+\.py\]\(\.\./\.\./dimaging_tf/(?:models|defenses)/(\w+)\.py\)",
        read("docs/lecture/index.md"),
    )
    assert sorted(working) == sorted(REGISTRY)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_figures_pages_are_made_from_the_results():
    code = (
        "import table\nfrom parts import summary\n"
        "old = [str(p) for p, text in table.pages().items() if p.read_text(encoding='utf-8') != text]\n"
        "assert not old, f'python benchmarks/table.py: {old}'\n"
        "assert not summary.missing(table.records()), summary.missing(table.records())"
    )
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


def test_published_figures_stand_beside_figures_that_exist():
    code = (
        "import json\nfrom parts.figures import RESULTS\nfrom parts.published import PUBLISHED, published\n"
        "assert '81.30' in published('pixelcnn_long', 'after a long training, whole valid split')\n"
        "assert published('pixelcnn', 'packing') == ''\n"
        "for topic, figure in PUBLISHED:\n"
        "    rows = json.loads((RESULTS / f'{topic}.json').read_text('utf-8'))['rows']\n"
        "    assert any(row['figure'].startswith(figure) for row in rows), (topic, figure)"
    )
    run([sys.executable, "-c", code], ROOT / "benchmarks")


def test_the_stopwatch_ran_what_the_readme_says():
    code = (
        "import json, table\nfrom parts import readers\n"
        "steps = readers.steps(open('../README.md', encoding='utf-8').read())\n"
        "said = [s.title for s in steps if not s.code.startswith('pip ') and 'c.pem' not in s.code]\n"
        "walked = table.records()['first_hour']['facts']['walked']\n"
        "assert [row['command'] for row in walked] == said, 'python benchmarks/first_hour.py'\n"
        "print(json.dumps({row['command']: row['cpu'] for row in walked}))"
    )
    measured = json.loads(run([sys.executable, "-c", code], ROOT / "benchmarks"))
    for line in README[README.index("## I write") : README.index("## Everything")].splitlines():
        command, _, comment = line.partition("  #")
        if seconds := measured.get(command.strip()):
            found = re.match(r" ([\d.]+) (s|min)\b", comment)
            assert found, f"{line}: say how long it takes"
            said = float(found[1]) * (60 if found[2] == "min" else 1)
            assert said > 0.4 * seconds, f"{line}: took {seconds:.1f} s of two cores"
