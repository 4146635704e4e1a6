"""`.keras` files open after `import dimaging_tf` alone, which imports no Keras itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import dimaging_tf
from dimaging_tf.registry import REGISTERED

PACKAGE = Path(dimaging_tf.__file__).parent
FILES = Path(__file__).parents[1] / "golden" / "older"
ORDERS = {
    "before keras": "import dimaging_tf, keras",
    "after keras": "import keras, dimaging_tf",
    "through tensorflow": "import dimaging_tf, tensorflow, keras",
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_files_open_after_one_import(order: str):
    names = ("vae", "pixelcnn", "gan", "fvbn_network")
    paths = [str(FILES / f"{name}.keras") for name in names]
    program = (
        f"import sys; {order}; assert 'dimaging_tf.models.vae' not in sys.modules;"
        f"print(*(type(keras.saving.load_model(p)).__name__ for p in {paths}));"
        "assert 'dimaging_tf.models.unet' not in sys.modules"
    )
    run = [sys.executable, "-W", "ignore", "-c", program]
    found = subprocess.run(run, capture_output=True, text=True, cwd=PACKAGE.parent, check=False)
    assert found.stdout.split() == ["VAE", "PixelCNN", "GAN", "Functional"], found.stderr


def test_the_import_alone_loads_no_keras():
    program = (
        "import sys, dimaging_tf; assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PACKAGE.parent)


def test_every_registered_class_is_in_the_table():
    pattern = r'register_keras_serializable\("dimaging"(?:, name="(\w+)")?\)\nclass (\w+)'
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if names := [a or b for a, b in re.findall(pattern, path.read_text(encoding="utf-8"))]:
            home = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
            found[home] = sorted(names)
    assert found == {home: names.split() for home, names in REGISTERED.items()}
