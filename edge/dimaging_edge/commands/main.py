"""The command `dimaging-edge`: what a bundle says, and everything that this device does with it."""

import argparse
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimaging_edge import __version__
from dimaging_edge.commands import app, attack, generate, photo, photo_info, robustness, run, text
from dimaging_edge.commands.numbers import above_zero, finite, positive
from dimaging_edge.common import output
from dimaging_edge.common.errors import DimagingError, InputError
from dimaging_edge.common.files import write_text
from dimaging_edge.common.output import show, tell, tell_provider
from dimaging_edge.common.stopping import Terminated, orderly_end
from dimaging_edge.common.tables import number, table

if TYPE_CHECKING:
    from dimaging_edge.benchmark import Report
    from dimaging_edge.bundle.open import Bundle

MARGIN = 15.0
"""What a written budget usually adds to a measured ratio, in per cent."""

# numpy and onnxruntime are imported inside the verbs: --help answers at once.


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns 0 ok, 1 error, 2 usage, 130 stopped by Ctrl-C, 143 stopped by SIGTERM; and see `bench`.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without a dash gets a question mark
    try:
        with orderly_end():
            options = parser().parse_args(argv)
            output.level = options.verbose - options.quiet
            code = options.verb(options)
            sys.stdout.flush()
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a usage error
        return int(stop.code or 0)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (DimagingError, OSError) as error:
        if output.level > 0:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return 1
    except MemoryError:
        print("error: this needs more memory than there is", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print("stopped; no half-written file is left", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    finally:
        output.level = 0  # for whoever calls this again
    return code


def info(options: argparse.Namespace) -> int:
    """Print what the bundle, or the compressed photo, says about itself."""
    path = Path(options.bundle)
    if not path.exists() and path.suffix == photo.SUFFIX:
        raise InputError(f"no file {path}")
    if path.is_file():
        if options.json:
            raise InputError("--json is for bundles; a compressed photo is described in text only")
        print(photo_info.info(path))
        return 0
    from dimaging_edge.bundle.info import info_text
    from dimaging_edge.bundle.open import read_manifest
    from dimaging_edge.photo.bundle_model import along

    manifest = read_manifest(along(options.bundle))
    show(info_text(manifest), asdict(manifest), options.json)
    return 0


def check(options: argparse.Namespace) -> int:
    """Compare this device's outputs with what Keras answered; exit code 1 if any is out."""
    found = _open(options).check()
    rows = [["graph", "output", "max |diff| to Keras", "allowed", "verdict"]]
    for graph, outputs in found.items():
        for name, one in outputs.items():
            figures = [number(one.max_abs), number(one.allowed)]
            rows.append([graph, name, *figures, "ok" if one.ok else "OUT OF TOLERANCE"])
    show(
        table(rows),
        {g: {o: asdict(x) | {"ok": x.ok} for o, x in one.items()} for g, one in found.items()},
        options.json,
    )
    return 0 if all(one.ok for outputs in found.values() for one in outputs.values()) else 1


def bench(options: argparse.Namespace) -> int:
    """Measure; with a budget, exit code 0 within it, 3 over it, 4 too noisy to say."""
    from dimaging_edge import benchmark
    from dimaging_edge.photo.bundle_model import along

    if options.margin is not None and not options.write_budget:
        raise InputError("--margin is what --write-budget FILE adds: give both, or neither")
    budget = benchmark.read_budget(options.budget) if options.budget else None
    given = budget.settings if budget else benchmark.Settings()
    # One thread unless said otherwise: two on a shared machine also measure its other users.
    threads = options.threads or given.threads or (1 if options.write_budget else None)
    report = benchmark.bench(
        along(options.bundle),
        graphs=options.graph,
        provider=options.provider or given.provider or "cpu",
        threads=threads,
        batch=options.batch or given.batch or 1,
        sizes=benchmark.read_sizes(options.size or (given.sizes or "").split()),
        seconds=options.seconds,
        budget=budget,
        ratios=bool(options.write_budget),
        limit_s=options.limit,
        allow_fallback=options.allow_fallback,
        progress=tell,
    )
    show(report.table(), report.to_json(), options.json)
    if options.write_budget:
        margin = MARGIN if options.margin is None else options.margin
        return _write_budget(report, options.write_budget, margin, alone=options.json == "-")
    return report.exit_code


def _write_budget(report: "Report", path: str, margin: float, *, alone: bool) -> int:
    """Write a budget unless it is too noisy; alone: stdout is for JSON."""
    from dimaging_edge.benchmark import budget_text

    for gate in report.gates:
        reach = (gate.ratio.high - gate.ratio.low) / 2 / gate.ratio.ratio
        if not gate.ratio.steady or 100 * reach > margin / 2:
            print(
                f"error: {gate.graph}: too noisy for a budget: the interval reaches {reach:.0%} "
                f"to each side, the margin is {margin:g} %. Try again on a quieter machine, with "
                f"a longer --limit, or with a wider --margin; {path} was not written",
                file=sys.stderr,
            )
            return 4
    ratios = {gate.graph: gate.ratio for gate in report.gates}
    write_text(path, budget_text(ratios, margin, report.settings))
    words = f"\nwrote {path}    next: dimaging-edge bench BUNDLE --budget {path}"
    print(words, file=sys.stderr if alone else sys.stdout)
    return 0


def _open(options: argparse.Namespace) -> "Bundle":
    from dimaging_edge.bundle.open import open_bundle
    from dimaging_edge.photo.bundle_model import along

    bundle = open_bundle(
        along(options.bundle),
        options.provider or "cpu",
        options.threads,
        allow_fallback=options.allow_fallback,
        limit_s=options.limit,
    )
    tell_provider(bundle.provider, options.provider, bundle.threads)
    return bundle


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command, whose subparsers are the verbs."""
    whole = argparse.ArgumentParser(prog="dimaging-edge", description=__doc__)
    whole.add_argument("--version", action="version", version=__version__)
    for word, what in (
        ("quiet", "no notes, no progress"),
        ("verbose", "an error's traceback, too"),
    ):
        whole.add_argument(f"-{word[0]}", f"--{word}", action="store_true", help=what)
    verbs = whole.add_subparsers(required=True, metavar="VERB")

    def verb(function, text: str) -> argparse.ArgumentParser:
        one = verbs.add_parser(function.__name__, help=text, description=text)
        one.set_defaults(verb=function)
        one.add_argument(
            "bundle", metavar="BUNDLE",
            help="folder that dimaging export wrote, or name of one that comes along, as denoiser_photos",
        )  # fmt: skip
        return one

    _json(verb(info, "print what a bundle holds, or (a file in its place) a compressed photo"))
    run.add_verbs(lambda function, said: verb(_opened(function), said), _device)
    one = verb(check, "compare this device with the Keras answers stored in the bundle")
    _json(one)
    _device(one)
    _bench_options(verb(bench, "measure latency, memory and size; gate them on a budget"))
    photo.add_verbs(verbs, _device)
    app.add_verb(verbs)
    for module in (generate, attack, robustness, text):
        module.add_verbs(lambda function, said: verb(_opened(function), said), _device)
    return whole


def _opened(function: "Callable[[argparse.Namespace, Bundle], int]") -> Any:
    """Return a verb that opens its bundle before `function` gets it."""

    @wraps(function)
    def open_first(options: argparse.Namespace) -> int:
        return function(options, _open(options))

    return open_first


def _device(parser: argparse.ArgumentParser, *, limit: bool = True) -> None:
    if limit:
        parser.add_argument(
            "--limit", type=above_zero, metavar="S",
            help="longest time of one run of a graph, in s (default: none)",
        )  # fmt: skip
    parser.add_argument(
        "--provider", metavar="NAME",
        help="where graphs run: cpu, cuda, openvino, or another provider that the installed onnxruntime has "
        "(default: cpu)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=positive, metavar="N",
        help="number of threads of one operator (default: every core of this process)",
    )  # fmt: skip
    parser.add_argument(
        "--allow-fallback", action="store_true",
        help="run on the cpu if the provider cannot be used (default: an error)",
    )  # fmt: skip


def _json(parser: argparse.ArgumentParser, what: str = "") -> None:
    parser.add_argument(
        "--json", metavar="FILE", help=f"file for {what or 'the same '}as JSON; - prints that alone"
    )


def _bench_options(one: argparse.ArgumentParser) -> None:
    one.epilog = "exit code: 0 ok, 3 over budget, 4 too noisy to say, 1 another error, 2 usage"
    one.add_argument(
        "--graph",
        action="append",
        metavar="GRAPH",
        help="graph to measure; may be repeated (default: all)",
    )
    one.add_argument("--batch", type=positive, metavar="N", help="items in one run (default: 1)")
    one.add_argument(
        "--size", action="append", metavar="NAME=N",
        help="length of a free dimension of the inputs, as height=1080; may be repeated; `info` names "
        "them (default: those of the bundle's example)",
    )  # fmt: skip
    one.add_argument(
        "--seconds", type=finite, default=3.0, metavar="S",
        help="time of the timed runs of each graph, in s (default: 3)",
    )  # fmt: skip
    _json(one, "all figures and the time of every run, in ns, ")
    gate = one.add_mutually_exclusive_group()
    gate.add_argument(
        "--budget",
        metavar="FILE",
        help="file with the most that each graph may take, as a ratio to a reference convolution; "
        "its settings are used",
    )
    gate.add_argument(
        "--write-budget", metavar="FILE", help="write such a file (default: for 1 thread)"
    )
    one.add_argument(
        "--margin", type=finite, metavar="PERCENT",
        help=f"what a written budget adds to the measured ratio, in %% (default: {MARGIN:g})",
    )  # fmt: skip
    one.add_argument(
        "--limit", type=finite, default=30.0, metavar="S",
        help="longest time to decide on one graph, in s (default: 30)",
    )  # fmt: skip
    _device(one, limit=False)


if __name__ == "__main__":
    sys.exit(main())
