"""Every model as LiteRT files (`dimaging export --tflite`): does LiteRT compute what Keras computes?

    python benchmarks/litert.py

A model is one of the registry with its own settings and random weights of a fixed seed; size 64 where a graph leaves
it free. Nothing is written where an answer differs by more than is allowed, so a figure is a share of that. Models
that do not leave so are told with the reason (recurrent ones: Keras writes their loops with TensorFlow's own
operators, which LiteRT does not have); they leave as ONNX.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from parts import figures
from parts.gpu_bundles import MODELS, untrained

SIZE = 64


def main() -> int:
    """Model by model."""
    p = figures.parser("litert", __doc__)
    p.add_argument("--only", nargs="+", default=list(MODELS), choices=list(MODELS))
    args = p.parse_args()
    from dimaging_export.bundle.tflite import export_tflite
    from dimaging_export.errors import ExportError

    from dimaging_tf.training.runs import default_settings, load_data

    out = figures.Figures("litert", args.quick, args.json)
    refused = {}
    for name in ["autoencoder"] if args.quick else args.only:
        model = untrained(name, load_data(default_settings(name)))
        with tempfile.TemporaryDirectory() as folder:
            try:
                reports = export_tflite(model, Path(folder) / name, size=SIZE)
            except ExportError as error:
                refused[name] = str(error)
                print(name, error, file=sys.stderr)
                continue
        for graph, outputs in reports.items():
            share = max(one["max_abs"] / one["allowed"] for one in outputs.values())
            out.add(f"{name}, {graph}: difference over what is allowed", share, "<= 1")
    out.add("models that do not leave as .tflite", len(refused))
    out.facts["refused"] = refused
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
