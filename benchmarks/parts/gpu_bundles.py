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
from dataclasses import fields
from pathlib import Path
from typing import Any

ALL = ("fp32", "fp16", "int8")
MODELS = {
    "autoencoder": ALL,
    "vae": ALL,
    "vae_faces": ALL,
    "dcgan": ALL,
    "gan": ALL,
    "denoiser": ALL,
    "unet": ALL,
    "stackgan": ALL,
    "classifier": ALL,
    "sign_detector": ALL,
    "super_resolution": ("fp32",),
    "pixelcnn": ("fp32", "integer"),
    "pixelrnn": ("fp32",),
    "fvbn": ("fp32",),
    "compressive_autoencoder": ("fp32",),
    "captioning": ("fp32", "fp16"),
    "char_lm": ("fp32", "int8", "integer"),
    "sequence_labels": ("fp32",),
    "eeg": ("fp32",),
    "lineage": ("fp32",),
    "illumination": ("fp32",),
    "frame_selection": ("fp32",),
}
"""Name of a model -> its precisions; those that export refuses are told."""
LEFT_OUT = {
    "unet_codec": "the shipped bundles are three of them",
    "adversarial_training": "the network of classifier",
    "interval_training": "the network of classifier",
    "logit_pairing": "the network of classifier",
    "trades": "the network of classifier",
}
"""Name of a model of the registry that is not exported here -> why."""
WEIGHTS = {"pixelcnn": Path(__file__).parents[1] / "weights" / "pixelcnn_long.keras"}


def main() -> int:
    """Export; 1 if nothing could be."""
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--only", nargs="+", default=list(MODELS), choices=list(MODELS))
    p.add_argument("--quick", action="store_true", help="fp32 only, no codec")
    args = p.parse_args()
    from dimaging_edge.photo.bundle_model import SHIPPED
    from dimaging_export.errors import ExportError
    from dimaging_export.exporting import export

    from dimaging_tf.training.runs import default_settings, load_data

    (args.out / "keras").mkdir(parents=True, exist_ok=True)
    refused, written = {}, 0
    for folder in sorted(SHIPPED.iterdir()) if not args.quick else ():
        if (folder / "bundle.json").exists():
            shutil.copytree(folder, args.out / folder.name, dirs_exist_ok=True)
    for name in args.only:
        dataset = load_data(default_settings(name))
        model = untrained(name, dataset)
        for graph, network in model.graphs().items():
            try:
                network.save(args.out / "keras" / f"{name}-{graph}.keras")
            except Exception as error:  # a layer of ours without a configuration
                refused[f"{name}-{graph}.keras"] = str(error)
        for precision in MODELS[name][: 1 if args.quick else None]:
            out = args.out / f"{name}-{precision}"
            gradient = name == "classifier" and precision == "fp32"
            try:
                export(model, out, precision=precision, data=dataset, force=True, gradient=gradient)
                written += 1
            except ExportError as error:
                refused[out.name] = str(error)
            print(out.name, refused.get(out.name, "written"), flush=True)
    (args.out / "refused.json").write_text(json.dumps(refused, indent=1))
    return int(not written)


def untrained(name: str, dataset: Any) -> Any:
    """Return a model of the registry with its own settings, for this data; PixelCNN is a trained one."""
    import keras

    from dimaging_tf import registry

    keras.utils.set_random_seed(0)
    entry = registry.find(name)
    kind = entry.model_class()  # loading a file needs the class, too
    if name in WEIGHTS:
        return keras.saving.load_model(WEIGHTS[name])
    told = {"vocabulary": dataset.vocabulary}
    if dataset.words and dataset.train.label is not None:
        told |= {"words": dataset.words, "length": dataset.train.label.shape[-1]}
    names = {field.name for field in fields(kind.config_class)}
    told = {key: value for key, value in told.items() if key in names}
    return kind(
        kind.config_for(dataset.shape, {**told, **kind.settings_for(dataset), **entry.changes})
    )


if __name__ == "__main__":
    sys.exit(main())
