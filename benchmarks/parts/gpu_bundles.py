"""The bundles that benchmarks/gpu.py checks and times: every exported graph, in every precision.

    python benchmarks/parts/gpu_bundles.py --out BUNDLES [--only unet vae]

A model is one of the registry with its own settings and random weights of a fixed seed, as a GPU computes
the same with any weights; PixelCNN has the trained weights of benchmarks/weights. The codecs are the shipped
bundles. Each bundle holds real inputs and what Keras answered for them. BUNDLES/keras gets the same graphs
as .keras files, for JAX. What export refuses is left out, and said in BUNDLES/refused.json.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

MODELS = {
    "autoencoder": ("fp32", "fp16", "int8"),
    "vae": ("fp32", "fp16", "int8"),
    "dcgan": ("fp32", "fp16", "int8"),
    "denoiser": ("fp32", "fp16", "int8"),
    "unet": ("fp32", "fp16", "int8"),
    "stackgan": ("fp32", "fp16", "int8"),
    "pixelcnn": ("fp32", "integer"),
}
WEIGHTS = {"pixelcnn": Path(__file__).parents[1] / "weights" / "pixelcnn_long.keras"}


def main() -> int:
    """Export; 1 if nothing could be."""
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--only", nargs="+", default=list(MODELS), choices=list(MODELS))
    p.add_argument("--quick", action="store_true", help="fp32 only, no codec")
    args = p.parse_args()
    import keras
    from dimaging_edge.photo.bundle_model import SHIPPED
    from dimaging_export.errors import ExportError
    from dimaging_export.exporting import export

    from dimaging_tf import data, registry

    (args.out / "keras").mkdir(parents=True, exist_ok=True)
    refused, written = {}, 0
    for folder in sorted(SHIPPED.iterdir()) if not args.quick else ():
        if (folder / "bundle.json").exists():
            shutil.copytree(folder, args.out / folder.name, dirs_exist_ok=True)
    for name in args.only:
        keras.utils.set_random_seed(0)
        entry = registry.find(name)
        pictures = data.load(entry.data)
        kind = entry.model_class()  # loading a file needs the class, too
        if name in WEIGHTS:
            model = keras.saving.load_model(WEIGHTS[name])
        else:
            told = {}
            if pictures.words and pictures.train.label is not None:
                told = {"words": pictures.words, "length": pictures.train.label.shape[1]}
            model = kind(kind.config_for(pictures.shape, {**told, **entry.changes}))
        for graph, network in model.graphs().items():
            try:
                network.save(args.out / "keras" / f"{name}-{graph}.keras")
            except Exception as error:  # a layer of ours without a configuration
                refused[f"{name}-{graph}.keras"] = str(error)
        for precision in MODELS[name][: 1 if args.quick else None]:
            out = args.out / f"{name}-{precision}"
            try:
                export(model, out, precision=precision, data=pictures, force=True)
                written += 1
            except ExportError as error:
                refused[out.name] = str(error)
            print(out.name, refused.get(out.name, "written"), flush=True)
    (args.out / "refused.json").write_text(json.dumps(refused, indent=1))
    return int(not written)


if __name__ == "__main__":
    sys.exit(main())
