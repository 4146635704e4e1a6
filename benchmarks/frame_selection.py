"""Learned frame selection: is the mask the best there is, and what does the network say that sees 3 of 16 frames.

    python benchmarks/frame_selection.py

Simulated cells that light up (`dimaging_tf.data.cell_kinetics`). What a mask can tell is computed from the
exact posterior of the simulated process, for all 560 masks, so the best mask and the best uniform one are
known. Uniform: a frame every five frames from each of the possible first ones, and three patterns over the
whole movie; the best of them counts. Ten seeds (data, weights and order; five of straight-through masks) train
with the settings of `dimaging train frame_selection`; the networks are judged on 2,000 fresh movies. The time
is processor time of one thread, everything in it included.
"""

import itertools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from parts import figures

TEST = 2000


def main() -> int:
    """Search all masks by the known optimum, then train, export and judge."""
    args = figures.parser("frame_selection", __doc__).parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    import dimaging_edge as edge
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from dimaging_export import export

    from dimaging_tf.data import cell_kinetics as cells
    from dimaging_tf.data.dataset import to_float
    from dimaging_tf.training import runs

    keep, out = 3, figures.Figures("frame_selection", args.quick, args.json, facts={"threads": 1})
    exact = {
        mask: cells.optimum(mask) for mask in itertools.combinations(range(cells.FRAMES), keep)
    }
    best = max(exact, key=exact.__getitem__)
    uniform = [(k, k + 5, k + 10) for k in range(6)] + [(0, 7, 15), (0, 8, 15), (2, 8, 13)]
    evenly = max(uniform, key=exact.__getitem__)
    out.facts |= {"best mask": best, "best uniform mask": evenly}
    out.add("accuracy, exact optimum, all 16 frames", cells.optimum(range(cells.FRAMES)))
    out.add("accuracy, exact optimum, best mask of 3", exact[best])
    out.add("accuracy, exact optimum, best uniform mask of 3", exact[evenly])
    out.add("accuracy, exact optimum, random mask of 3 (mean)", float(np.mean([*exact.values()])))

    movies, label = cells.draw(TEST, np.random.default_rng(99))
    movies = to_float(movies)
    epochs = {"epochs": 2} if args.quick else {}
    for method, count in {"search": 10, "straight_through": 5}.items():
        seeds = range(1 if args.quick else count)
        changes = {"method": method} | ({"search_epochs": 1} if args.quick else {})
        masks, judged, seconds = [], [], []
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                settings = runs.default_settings(
                    "frame_selection", seed=seed, changes=changes, **epochs
                )
                began = time.process_time()
                runs.train(settings, Path(folder) / "run")
                seconds.append(time.process_time() - began)
                model = runs.load_model(Path(folder) / "run")
                masks.append(model.mask)
                judged.append(model.score(model.run, movies, label))
                if not seed:
                    bundle = edge.open_bundle(export(Path(folder) / "run", Path(folder) / "bundle"))
                    run = bundle.run
                    found = model.score(lambda graph, run=run, **x: run(graph, **x), movies, label)
                    out.add(f"{method}: accuracy of the exported file, first seed", found)
            print(f"seed {seed}: {model.mask}", file=sys.stderr, flush=True)
        near = sum(exact[mask] >= exact[best] - 0.01 for mask in masks)
        goals = (">= 9", ">= 0.3") if method == "search" else ("", "")
        out.facts[f"masks, {method}"] = masks
        out.add(f"{method}: masks within 1 point of the best", near, goals[0], f"of {len(seeds)}")
        gain = float(np.mean([exact[mask] for mask in masks])) - exact[evenly]
        out.add(f"{method}: exact optimum over the best uniform mask", gain, goals[1])
        out.add(f"{method}: accuracy of the network, mean", float(np.mean(judged)))
        out.add(f"{method}: accuracy of the network, worst seed", min(judged))
        out.add(f"{method}: training", float(np.mean(seconds)), "", "s")
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
