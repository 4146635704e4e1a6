"""How long a newcomer waits: every command that the README gives its four readers, in order, with a stopwatch.

    python benchmarks/first_hour.py                # all four readers, in a new folder
    python benchmarks/first_hour.py --install      # the installation too, into a new environment

Seconds are those of the clock and of the processors; on a busy machine the second are the fairer ones. What comes
out is what lies in the folder afterwards. A command that serves a page is timed until the page answers.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

from parts import figures
from parts.readers import Step, steps

ROOT = Path(__file__).parents[1]
COMMANDS = {"dimaging": "dimaging_tf", "dimaging-edge": "dimaging_edge.commands.main"}
SERVERS = ("mkdocs serve", "dimaging-edge app")
"""What answers until it is stopped."""
LEFT_OUT = ("c.pem",)
"""Commands that need what a reader has to bring."""


def main() -> int:
    """Walk the README, one line a command."""
    p = figures.parser("first_hour", __doc__)
    p.add_argument("--install", action="store_true", help="install into a new environment first")
    args = p.parse_args()
    found = figures.Figures("first_hour", args.quick, args.json)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    walked: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder, spent = Path(name) / "work", {}
        folder.mkdir()
        if args.install:
            found.add("installation", install(Path(name) / "env", readme), "", "s")
        for step in steps(readme):
            if any(word in step.code for word in LEFT_OUT) or step.code.startswith("pip "):
                continue
            if args.quick and step.code.startswith(SERVERS):
                continue
            seconds, busy, out = run(step, folder, args.quick)
            found.add(f"{step.reader}: {step.title}", busy, "", "CPU s")
            spent[step.reader] = spent.get(step.reader, 0.0) + busy
            walked.append(
                {
                    "reader": step.reader,
                    "command": step.title,
                    "seconds": seconds,
                    "cpu": busy,
                    "out": out,
                }
            )
        for reader, busy in spent.items():
            found.add(f"{reader}: all of it", busy, "<= 1200", "CPU s")
    found.facts["walked"] = walked
    return found.finish()


def install(env: Path, readme: str) -> float:
    """Install what the README says into a new environment, and return the seconds of the clock."""
    extras = re.search(r"pip install '\.(\[[\w,]+\])'", readme)
    if extras is None:
        raise SystemExit("the README has no command that installs")
    venv.create(env, with_pip=True)
    start = time.perf_counter()
    words = [env / "bin" / "python", "-m", "pip", "install", "-q", f"{ROOT}{extras[1]}"]
    subprocess.run(words, check=True)
    return time.perf_counter() - start


def run(step: Step, folder: Path, quick: bool) -> tuple[float, float, str]:
    """Run a step, and return seconds of the clock, of the processors, and what lies in the folder afterwards."""
    code = step.code
    if quick:
        code = re.sub(r"--minutes \d+", "--minutes 0.05", code).replace("epochs=10", "epochs=1")
    if step.language == "python":
        words = [sys.executable, "-c", code]
    else:
        words = code.split()
        if words[0] in COMMANDS:
            words = [sys.executable, "-m", COMMANDS[words[0]], *words[1:]]
        elif words[0] == "python":
            words = [sys.executable, str(ROOT / words[1]), *words[2:]]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / x) for x in (".", "export", "edge")),
    }
    before, start, used = files(folder), time.perf_counter(), os.times()
    if code.startswith(SERVERS) and "--out" not in code:
        out = serve(words, ROOT if words[0] == "mkdocs" else folder, env)
    else:
        done = subprocess.run(
            words, cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 4):  # 4: a busy machine is too noisy for a budget
            raise SystemExit(f"{code}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        new = {name: size for name, size in files(folder).items() if before.get(name) != size}
        out = described(new) or (done.stdout.strip().splitlines() or ["nothing"])[-1][:90]
    seconds, now = time.perf_counter() - start, os.times()
    busy = now.children_user + now.children_system - used.children_user - used.children_system
    return seconds, busy, out


def serve(words: list[str], folder: Path, env: dict[str, str]) -> str:
    """Start a server, wait until its page answers, and stop it."""
    if words[0] == "mkdocs":
        words, address = (
            [sys.executable, "-m", "mkdocs", "serve", "-a", "127.0.0.1:8738"],
            "http://127.0.0.1:8738/",
        )
    else:
        words, address = [*words, "--port", "8739"], "http://127.0.0.1:8739/"
    server = subprocess.Popen(
        words, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in waiting(600):
            if server.poll() is not None:
                raise SystemExit(f"{' '.join(words)} ended before its page answered")
            try:
                with urllib.request.urlopen(address, timeout=5) as page:
                    return f"a page of {len(page.read()) / 1e3:.0f} kB at that address"
            except (urllib.error.URLError, OSError):
                continue
        raise SystemExit(f"{' '.join(words)} did not answer")
    finally:
        server.terminate()
        server.wait()


def waiting(seconds: float) -> Iterator[None]:
    """Yield five times a second until the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.2)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the files below a folder: name -> size, time."""
    stats = {
        str(path.relative_to(folder)): path.stat() for path in folder.rglob("*") if path.is_file()
    }
    return {
        name: (stat.st_size, stat.st_mtime_ns)
        for name, stat in stats.items()
        if "/." not in f"/{name}"
    }


def described(new: dict[str, tuple[int, int]]) -> str:
    """Return the new files in a few words: the folders that hold them, or their names, and their size."""
    if not new:
        return ""
    tops = dict.fromkeys(
        "/".join(name.split("/")[:2]) if name.count("/") > 1 else name for name in sorted(new)
    )
    size = sum(size for size, _ in new.values())
    shown = ", ".join(list(tops)[:3]) + (", ..." if len(tops) > 3 else "")
    return f"{shown}: {size / 1e6:.2f} MB" if size >= 1e5 else f"{shown}: {size / 1e3:.1f} kB"


if __name__ == "__main__":
    sys.exit(main())
