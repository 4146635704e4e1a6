"""A provider that is asked for is used, or the error says why not and how to mend it."""

import importlib.metadata
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from dimaging_edge import ProviderError, open_bundle
from dimaging_edge.bundle import session
from dimaging_edge.bundle.open import REFERENCE
from dimaging_edge.bundle.providers import known, short
from dimaging_edge.bundle.session import PROVIDERS, make_session, used_provider
from dimaging_edge.photo.bundle_model import SHIPPED

CPU_ONLY = set(onnxruntime.get_available_providers()).isdisjoint(
    {PROVIDERS["cuda"], PROVIDERS["openvino"]}
)


@pytest.fixture(autouse=True)
def _forget():
    session._distributions.cache_clear()
    yield
    session._distributions.cache_clear()


def test_unknown_provider(toy: Path) -> None:
    with pytest.raises(ProviderError, match="'cdua'; did you mean 'cuda'. known: cpu, cuda, openv"):
        open_bundle(toy, provider="cdua")


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("coreml", "onnxruntime's own wheel for macOS"),
        ("directml", "pip install onnxruntime-directml"),
        ("nnapi", "no wheel on PyPI has it"),
        ("qnn", "pip install 'onnxruntime-qnn<2'"),
        ("tensorrt", "pip install tensorrt"),
        ("xnnpack", "build onnxruntime with --use_xnnpack"),
    ],
)
def test_every_provider_says_what_brings_it(toy: Path, provider: str, words: str) -> None:
    if PROVIDERS[provider] in onnxruntime.get_available_providers():
        pytest.skip("in the installed onnxruntime")
    with pytest.raises(ProviderError, match=f"was built without it.*{words}"):
        open_bundle(toy, provider=provider)


def test_whatever_the_installed_onnxruntime_offers_is_known() -> None:
    names = known(["AzureExecutionProvider", "CPUExecutionProvider"])
    assert names["azure"] == "AzureExecutionProvider"
    assert list(names)[:3] == ["cpu", "cuda", "openvino"]
    assert short("MIGraphXExecutionProvider") == "migraphx"
    if "AzureExecutionProvider" in onnxruntime.get_available_providers():
        with pytest.raises(
            ProviderError, match="took no node of this graph"
        ):  # the same strict check
            make_session(REFERENCE, "azure")


@pytest.mark.skipif(not CPU_ONLY, reason="this onnxruntime has more than the CPU")
@pytest.mark.parametrize(("provider", "extra"), [("cuda", "gpu"), ("openvino", "openvino")])
def test_absent_provider(toy: Path, provider: str, extra: str) -> None:
    with pytest.raises(ProviderError) as caught:
        open_bundle(toy, provider=provider)
    for words in (
        f"provider '{provider}' ({PROVIDERS[provider]}) was asked for and cannot be used",
        "the installed onnxruntime",
        "was built without it",
        f"pip install 'dimaging[{extra}]'",
        "--allow-fallback",
    ):
        assert words in str(caught.value)
    bundle = open_bundle(toy, provider=provider, allow_fallback=True)
    assert bundle.provider == "cpu"
    assert bundle.run("decoder", z=np.zeros((1, 4), np.float32))["image"].shape == (1, 8, 8, 1)


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "cpu"])
def test_present_provider_runs_or_names_what_is_missing(toy: Path, provider: str) -> None:
    if PROVIDERS[provider] not in onnxruntime.get_available_providers():
        pytest.skip("not in the installed onnxruntime")
    try:
        make_session(REFERENCE, provider)
    except ProviderError:  # e.g. onnxruntime-gpu where there is no GPU
        with pytest.raises(ProviderError, match=r"\.so|nvidia-smi|CUDA"):
            open_bundle(toy, provider=provider)
        return
    bundle = open_bundle(toy, provider=provider, threads=1)
    assert bundle.provider == provider
    for graph in ("decoder", "denoiser"):
        inputs, expected = bundle.examples(graph)
        for output, array in bundle.run(graph, **inputs).items():
            np.testing.assert_allclose(array, expected[output], atol=1e-3)


class _Fake:
    """An onnxruntime that lists a provider and then does as `session` says."""

    package_name, __version__, __file__ = "onnxruntime-gpu", "9.9", __file__

    def __init__(self, **answers):
        self.answers = answers
        self.SessionOptions = onnxruntime.SessionOptions

    def get_available_providers(self):
        return list(PROVIDERS.values())

    def InferenceSession(self, model, options, *, providers, enable_fallback):
        assert enable_fallback == 0
        if "raises" in self.answers and providers[0][0] != PROVIDERS["cpu"]:
            raise RuntimeError(self.answers["raises"])
        used = self.answers.get("used", providers[0][0])
        parts = [SimpleNamespace(ep_name=name) for name in self.answers.get("nodes", [used])]
        return SimpleNamespace(
            get_providers=lambda: [used],
            get_provider_graph_assignment_info=lambda: parts,
            providers=providers,
        )


REFUSED = [
    (
        {"raises": "CUDA failure 35:\n driver too old"},
        "cannot be used: CUDA failure 35: driver too",
    ),
    ({"used": PROVIDERS["cpu"]}, "fell back to CPUExecutionProvider; its libraries load, so look"),
    ({"nodes": [PROVIDERS["cpu"]] * 2}, "it took no node of this graph"),
]


@pytest.mark.parametrize(("answers", "says"), REFUSED)
def test_provider_that_fails_late(
    monkeypatch: pytest.MonkeyPatch, answers: dict, says: str
) -> None:
    monkeypatch.setattr(session, "runtime", lambda **_: _Fake(**answers))
    with pytest.raises(ProviderError) as caught:
        make_session(REFERENCE, "cuda")
    assert says in str(caught.value)
    assert used_provider(make_session(REFERENCE, "cuda", allow_fallback=True)) == "cpu"


def test_partly_on_the_cpu_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _Fake(nodes=[PROVIDERS["cuda"], PROVIDERS["cpu"]])
    monkeypatch.setattr(session, "runtime", lambda **_: fake)
    assert used_provider(make_session(REFERENCE, "cuda")) == "cuda"


def test_openvino_gets_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "runtime", lambda **_: _Fake())
    made = make_session(REFERENCE, "openvino", threads=3)
    assert made.providers == [  # pyright: ignore[reportAttributeAccessIssue]
        (PROVIDERS["openvino"], {"device_type": "CPU", "num_of_threads": "3"})
    ]


def test_cuda_provider_is_onnxruntimes_to_load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It cannot be loaded by itself: nothing may be tried, and held against it, before a session is."""
    fake = _Fake()
    fake.__file__ = str(tmp_path / "__init__.py")
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi" / "libonnxruntime_providers_cuda.so").write_bytes(b"no library by itself")
    monkeypatch.setattr(session, "runtime", lambda **_: fake)
    assert used_provider(make_session(REFERENCE, "cuda")) == "cuda"


@pytest.mark.parametrize(
    ("exact", "more"), [(False, {}), (True, {"cudnn_conv_algo_search": "DEFAULT"})]
)
def test_cuda_computes_in_24_bits_and_whole_numbers_without_rounding(
    monkeypatch: pytest.MonkeyPatch, exact: bool, more: dict
) -> None:
    monkeypatch.setattr(session, "runtime", lambda **_: _Fake())
    made = make_session(REFERENCE, "cuda", exact=exact)
    assert made.providers == [  # pyright: ignore[reportAttributeAccessIssue]
        (PROVIDERS["cuda"], {"use_tf32": "0", **more})
    ]


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = _Fake(used=PROVIDERS["cpu"])
    fake.__file__ = str(tmp_path / "__init__.py")
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi" / "libonnxruntime_providers_cuda.so").write_bytes(b"no library")
    monkeypatch.setattr(session, "runtime", lambda **_: fake)
    with pytest.raises(ProviderError, match=r"cannot be used: .*libonnxruntime_providers_cuda\.so"):
        make_session(REFERENCE, "cuda")


def test_onnxruntime_missing_or_half_removed(monkeypatch: pytest.MonkeyPatch, toy: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    bundle = open_bundle(toy)  # reading a bundle needs no onnxruntime
    with pytest.raises(ProviderError, match=r"Install exactly one: pip install 'dimaging\[cpu\]'"):
        bundle.session("decoder")
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace())
    with pytest.raises(ProviderError, match="half removed: another onnxruntime distribution took"):
        bundle.session("decoder")


def test_two_distributions_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toy: Path
) -> None:
    names = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
    for name in names:
        folder = tmp_path / f"{name.replace('-', '_')}-9.9.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.metadata.version("onnxruntime-gpu") == "9.9"
    with pytest.raises(ProviderError) as caught:
        open_bundle(toy).session("decoder")
    for words in (
        "onnxruntime and onnxruntime-gpu and onnxruntime-openvino are installed at once",
        f"{onnxruntime.package_name} wins",
        f"pip uninstall -y {' '.join(names)}",
        "pip install 'dimaging[cpu]' or 'dimaging[gpu]'",
    ):
        assert words in str(caught.value)
    assert open_bundle(toy, allow_fallback=True).session("decoder")


def test_threads_reach_the_session(toy: Path) -> None:
    bundle = open_bundle(toy, threads=1)
    assert bundle.threads == 1
    assert bundle.session("decoder").get_session_options().intra_op_num_threads == 1
    every = open_bundle(toy).session("decoder").get_session_options().intra_op_num_threads
    assert every == session.default_threads() >= 1


def test_what_must_be_exact_is_known_from_the_bundle() -> None:
    shipped = open_bundle(SHIPPED / "unet_codec")
    assert {name: shipped.exact(name) for name in shipped.graphs} == {
        "prior": True, "encoder": False, "decoder": False
    }  # fmt: skip
