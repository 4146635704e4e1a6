"""One onnxruntime session that runs where it was asked to run, or an error that says why not.

onnxruntime answers a provider it cannot start with a warning and the CPU, and lists providers that
cannot start. So what counts here is only what the finished session says.
"""

import contextlib
import ctypes
import io
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimaging_edge.bundle.providers import TABLE, known, short
from dimaging_edge.common.errors import BundleError, InputError, ProviderError, near

if TYPE_CHECKING:
    import onnxruntime

PROVIDERS = {name: provider.execution for name, provider in TABLE.items()}
"""Our name of a provider -> its name in onnxruntime."""

# These install the same `onnxruntime` folder: the last one written wins, silently.
_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
_EXTERNAL_FOLDER = "session.model_external_initializers_file_folder_path"
_INSTALL = "pip install 'dimaging[cpu]' or 'dimaging[gpu]' or 'dimaging[openvino]'"


MOST_THREADS = 64
"""The most threads that may be asked for, or four for each core: 1000 on two cores took 79 s for a photo."""


def default_threads() -> int:
    """Return how many cores this process may use, at least 1."""
    count = getattr(os, "process_cpu_count", None)  # Python 3.13
    if count is not None:
        return count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_threads(threads: int | None) -> int:
    """Return `threads`, or the default for None; InputError unless it is 1 or more, and not absurd."""
    if threads is None:
        return default_threads()
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError(f"threads: expected an integer of 1 or more, received {threads!r}")
    most = max(MOST_THREADS, 4 * (os.cpu_count() or 1))
    if threads > most:
        raise InputError(
            f"threads: expected up to {most} on this machine of {os.cpu_count()} cores, received {threads}; "
            "more wait for each other"
        )
    return threads


def runtime(*, allow_fallback: bool = False) -> Any:
    """Import and return onnxruntime; ProviderError if it is absent, broken or installed twice."""
    try:
        import onnxruntime
    except ImportError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C, as C++ passes it on
            raise error.__cause__ from None
        raise ProviderError(
            f"onnxruntime cannot be imported ({error}). Install exactly one: {_INSTALL}"
        ) from None
    if not hasattr(onnxruntime, "InferenceSession"):
        raise ProviderError(
            "onnxruntime is half removed: another onnxruntime distribution took its files along. "
            f"Uninstall what is left of both, then install exactly one: {_INSTALL}"
        )
    found = _distributions()
    if len(found) > 1 and not allow_fallback:
        winner = getattr(onnxruntime, "package_name", None) or "the last one installed"
        raise ProviderError(
            f"{' and '.join(found)} are installed at once and share one folder; {winner} wins. "
            f"Keep one: pip uninstall -y {' '.join(found)}, then {_INSTALL}"
        )
    return onnxruntime


@cache
def _distributions() -> tuple[str, ...]:
    # Not importlib.metadata: it brings the e-mail parser, 30 ms and 2 MB, for a file name.
    patterns = {name: f"{name.replace('-', '_')}-*.dist-info" for name in _DISTRIBUTIONS}
    folders = [Path(folder) for folder in sys.path]
    return tuple(
        name for name, pattern in patterns.items() if any(any(f.glob(pattern)) for f in folders)
    )


def make_session(
    model: str | os.PathLike[str] | bytes,
    provider: str = "cpu",
    threads: int | None = None,
    *,
    allow_fallback: bool = False,
    exact: bool = False,
    config: Mapping[str, str] | None = None,
    profile: str | None = None,
    external: Mapping[str, bytes] | None = None,
    name: str = "",
) -> "onnxruntime.InferenceSession":
    """Return a session of an ONNX file (or its bytes) on the provider asked for.

    threads: the number of threads of one operator; None takes every core of this process. exact: the graph's
    values are whole numbers that must come out the same on every device: CUDA then takes no convolution by
    Winograd or FFT, which round (on an H200 1 to 3 of 8,192 numbers of a codec's prior came out wrong).
    config: session entries of onnxruntime. profile: prefix of the JSON file that `session.end_profiling()`
    then writes. external: the bytes at each place where the model keeps weights outside; for a model of
    bytes, nothing else is read. name: that of the file, for messages.
    Raises ProviderError if the provider is unknown or is not what the session runs on (with
    `allow_fallback` the CPU takes its place), BundleError if onnxruntime refuses the model.
    """
    threads = resolve_threads(threads)
    ort = runtime(allow_fallback=allow_fallback)
    names = known(ort.get_available_providers())
    if provider not in names:
        raise ProviderError(f"unknown provider {provider!r}; {near(provider, tuple(names))}")
    reason, mend = _unavailable(ort, provider)
    if reason and not allow_fallback:
        raise _refusal(provider, reason, mend)
    used = "cpu" if reason else provider
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only: what matters comes back as an exception
    if used == "cpu":
        options.enable_mem_pattern = False  # it plans a second copy of all activations: no faster
        if _lean_arena(ort):
            options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    for key, value in (config or {}).items():
        options.add_session_config_entry(key, value)
    if isinstance(model, bytes):
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry(_EXTERNAL_FOLDER, os.devnull)  # else the working directory
        if external:
            places, parts = list(external), list(external.values())
            options.add_external_initializers_from_files_in_memory(
                places, parts, [len(part) for part in parts]
            )
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, profile
    try:
        session = _create(ort, model, options, used, threads, exact, name)
        reason, mend = _unused(ort, session, used)
    except ProviderError as error:
        reason, mend = str(error), ""
    if not reason:
        return session
    if not allow_fallback:
        raise _refusal(used, reason, mend)
    return _create(ort, model, options, "cpu", threads, exact, name)


def used_provider(session: "onnxruntime.InferenceSession") -> str:
    """Return our name of the provider that a session runs on, such as "cpu"."""
    return short(session.get_providers()[0])


@cache
def _lean_arena(ort: Any) -> bool:
    """Register an arena that grows by what is asked for, where the default grows by powers of two."""
    info = (ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    grow = {"max_mem": 0, "arena_extend_strategy": 1, "initial_chunk_size_bytes": -1}
    try:
        ort.create_and_register_allocator(
            ort.OrtMemoryInfo("Cpu", *info),
            ort.OrtArenaCfg({**grow, "max_dead_bytes_per_chunk": -1}),
        )
    except Exception:  # an onnxruntime without it, or one whose process has registered its own
        return False
    return True


def _create(
    ort: Any, model: Any, options: Any, provider: str, threads: int, exact: bool, name: str
) -> Any:
    extra = {}
    if provider == "openvino":  # it ignores onnxruntime's own number of threads
        extra = {"device_type": "CPU", "num_of_threads": str(threads)}
    if provider == "cuda":  # its default rounds what a convolution multiplies to 11 bits
        extra = {"use_tf32": "0"} | ({"cudnn_conv_algo_search": "DEFAULT"} if exact else {})
    providers = [(_execution(ort, provider), extra)]
    try:
        # enable_fallback: without it a failing provider is replaced by the CPU in mid-flight.
        return ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime raises a dozen unrelated types
        text = " ".join(str(error).split())
        if provider != "cpu":
            raise ProviderError(text) from None
        name = name or ("the model" if isinstance(model, bytes) else Path(model).name)
        raise BundleError(f"onnxruntime cannot load {name}: {text}") from None


def _execution(ort: Any, provider: str) -> str:
    """Return onnxruntime's name of a provider."""
    return known(ort.get_available_providers())[provider]


def _unavailable(ort: Any, provider: str) -> tuple[str, str]:
    """Return why the provider cannot start and what mends it, as far as shows without a session."""
    if _execution(ort, provider) not in ort.get_available_providers():
        name = getattr(ort, "package_name", "onnxruntime")
        mend = TABLE[provider].brought_by
        return f"the installed {name} {ort.__version__} was built without it", mend
    if provider == "cuda" and hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            ort.preload_dlls()  # CUDA from pip
    return "", ""


def _unused(ort: Any, session: Any, provider: str) -> tuple[str, str]:
    """Return why a finished session does not count as running on the provider and what mends it, or ""."""
    execution = _execution(ort, provider)
    if session.get_providers()[0] != execution:
        reason, mend = _missing_library(ort) if provider == "cuda" else ("", "")
        if reason:
            return reason, mend
        return (
            f"onnxruntime fell back to {session.get_providers()[0]}; "
            "its libraries load, so look at the device and its driver (nvidia-smi)"
        ), ""
    if provider == "cpu" or not hasattr(session, "get_provider_graph_assignment_info"):
        return "", ""
    parts = session.get_provider_graph_assignment_info()
    if parts and all(part.ep_name != execution for part in parts):
        return "it took no node of this graph; all of them would run on the CPU", ""
    return "", ""


def _missing_library(ort: Any) -> tuple[str, str]:
    """Return what keeps CUDA's provider from loading and what mends it, or "".

    Only after onnxruntime failed: the provider asks its host for a table when it is loaded, and a provider
    that is loaded before onnxruntime has set the table up would keep none, and crash.
    """
    folder = Path(ort.__file__).parent / "capi"
    shared, library = (folder / f"libonnxruntime_providers_{x}.so" for x in ("shared", "cuda"))
    if not library.exists():
        return "", ""
    try:
        if shared.exists():
            ctypes.CDLL(
                str(shared), ctypes.RTLD_GLOBAL
            )  # the provider does not say that it needs it
        ctypes.CDLL(str(library))
    except OSError as error:  # its text begins with the name of the missing library
        driver = str(error).startswith("libcuda.so")
        mend = "the NVIDIA driver" if driver else "pip install 'onnxruntime-gpu[cuda,cudnn]'"
        return str(error), mend
    return "", ""


def _refusal(provider: str, reason: str, mend: str = "") -> ProviderError:
    return ProviderError(
        f"provider {provider!r} ({PROVIDERS.get(provider, provider)}) was asked for and cannot be used: "
        f"{reason}. Try: {mend + ', or ' if mend else ''}provider 'cpu' (--provider cpu), or "
        "allow_fallback=True (--allow-fallback)"
    )
