"""`from dimaging_tf import data, models, training`: every public name is there, and importing them is light."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import dimaging_tf
from dimaging_tf import data, gan, models, training
from dimaging_tf.registry import REGISTRY

ROOT = Path(__file__).parents[2]


SYSTEMS = [entry for entry in REGISTRY.values() if "." not in entry.model]  # those of models/


@pytest.mark.parametrize("entry", SYSTEMS, ids=lambda entry: entry.name)
def test_every_system_is_a_class_and_its_settings(entry):
    file, name = entry.model.split(":")
    module = import_module(f"dimaging_tf.models.{file}")
    assert getattr(models, name) is entry.model_class() is getattr(module, name)
    assert getattr(models, f"{name}Config") is module.Config is entry.model_class().config_class


def test_nothing_else_is_public():
    names = {entry.model.split(":")[1] for entry in SYSTEMS}
    assert set(models.__all__) == names | {f"{name}Config" for name in names}


@pytest.mark.parametrize("package", [dimaging_tf, data, gan, training])
def test_every_public_name_loads(package):
    for name in package.__all__:
        assert getattr(package, name) is not None


@pytest.mark.parametrize("package", [dimaging_tf, data, gan, models, training])
def test_another_name_is_an_attribute_error(package):
    with pytest.raises(
        AttributeError, match=rf"module '{package.__name__}' has no attribute 'VEA'"
    ):
        _ = package.VEA


def test_importing_them_loads_nothing_heavy():
    code = (
        "import sys; from dimaging_tf import data, models, training, gan; import dimaging_tf.registry\n"
        "print({'numpy', 'tensorflow', 'keras', 'PIL', 'onnxruntime'} & set(sys.modules))"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "edge")])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


SCRIPTS = [*sorted((ROOT / "examples").glob("*.py")), ROOT / "README.md"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_fit_scripts_reach_two_levels_deep_at_most(path):
    modules = re.findall(
        r"^(?:from|import) (dimaging_\w+[.\w]*)", path.read_text(encoding="utf-8"), re.M
    )
    assert not [module for module in modules if module.count(".") > 1]
