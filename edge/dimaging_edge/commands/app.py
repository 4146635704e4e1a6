"""The verb `app`: the page that compresses, opens, draws and measures in a phone's browser."""

import argparse
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimaging_edge.common.errors import InputError
from dimaging_edge.common.output import tell

if TYPE_CHECKING:
    from dimaging_edge.app.collect import Collector

PORT = 8737
"""The usual port."""
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
"""A name or an address of a machine, without scheme, port and path."""
_LOST = (
    "over plain http a browser calls this page insecure: it computes with one thread, keeps nothing for "
    "flight mode, shows no live camera and cannot check files by SHA-256. For all of it: --adb with a "
    "plugged-in Android, or --cert and --key, or --out for an https host"
)


def add_verb(verbs: Any) -> None:
    """Describe the verb to the parser of `dimaging-edge`."""
    text = "serve the page that compresses, opens, draws and measures on a phone, without a network"
    one = verbs.add_parser("app", help=text, description=text)
    one.set_defaults(verb=app)
    one.epilog = "exit code: 0 written or stopped, 1 an error, 2 usage"
    one.add_argument(
        "bundles", nargs="*", metavar="BUNDLE",
        help="folders of bundles to show beside those that come along; a codec given first is the page's own",
    )  # fmt: skip
    one.add_argument(
        "--port", type=int, default=PORT, metavar="N",
        help=f"port to serve on, 0 for a free one (default: {PORT})",
    )  # fmt: skip
    place = one.add_mutually_exclusive_group()
    place.add_argument(
        "--lan",
        action="store_true",
        help="answer to other machines of this network, too (default: to this machine only)",
    )
    place.add_argument(
        "--adb",
        action="store_true",
        help="lead a plugged-in Android's localhost here: the whole page, and offline after that",
    )
    place.add_argument("--out", metavar="DIR", help="write the page as a folder for any https host")
    one.add_argument(
        "--cert", metavar="FILE", help="certificate (PEM) for https, which the phone trusts"
    )
    one.add_argument("--key", metavar="FILE", help="key (PEM) of that certificate")
    one.add_argument(
        "--name", action="append", default=[], metavar="HOST",
        help="another name that this machine is called by; may be repeated",
    )  # fmt: skip
    one.add_argument(
        "--collect", metavar="DIR", help="take the measurements that phones send, as files in DIR"
    )


def app(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C, or write it to a folder."""
    from dimaging_edge.app.collect import Collector
    from dimaging_edge.app.server import Server
    from dimaging_edge.app.site import Site

    if bool(options.cert) != bool(options.key):
        raise InputError("--cert needs --key, and --key needs --cert")
    if not 0 <= options.port < 1 << 16:
        raise InputError(f"--port: expected 0 to 65535, received {options.port}")
    if wrong := [name for name in options.name if not _HOST.fullmatch(name)]:
        raise InputError(
            f"--name: expected a host name alone, such as phone.local, received {wrong[0]!r}"
        )
    if options.out:
        _check_folder_alone(options)
    site = Site(options.bundles)
    if options.out:
        count = site.write(Path(options.out))
        print(f"wrote {count} files to {options.out}    next: copy the folder to an https host")
        return 0
    collector = Collector(Path(options.collect)) if options.collect else None
    address = _lan_address() if options.lan else "127.0.0.1"
    names = [name.lower() for name in (*options.name, address)]
    server = Server(
        site, ("0.0.0.0" if options.lan else "127.0.0.1", options.port), names, collector
    )
    with server:
        if options.cert:
            server.encrypt(Path(options.cert), Path(options.key))
        port = server.server_address[1]
        if options.adb:
            _reverse(port)
        scheme = "https" if options.cert else "http"
        host = options.name[0] if options.name else "localhost" if not options.lan else address
        _announce(f"{scheme}://{host}:{port}/", collector)
        if options.lan and not options.cert:
            tell(f"note: {_LOST}")
        server.serve_forever()
    return 0


def _check_folder_alone(options: argparse.Namespace) -> None:
    """Raise InputError for options of a server that --out does not start."""
    given = {f"--{key}": getattr(options, key) for key in ("cert", "key", "name", "collect")}
    given["--port"] = options.port != PORT
    if passed := [name for name, value in given.items() if value]:
        raise InputError(
            f"--out writes a folder and starts no server: drop {', '.join(passed)}, or drop --out"
        )


def _announce(url: str, collector: "Collector | None") -> None:
    if collector is not None:
        url += f"#/measure?token={collector.token}"
        print(f"results are kept in {collector.folder}")
    print(f"{url}    (Ctrl-C stops)", flush=True)
    try:
        import segno  # type: ignore[import-not-found]
    except ImportError:
        print("for a code that a camera reads: pip install segno", flush=True)
        return
    if sys.stdout.isatty():
        segno.make(url, error="m").terminal(compact=True)


def _reverse(port: int) -> None:
    """Lead a port of the plugged-in Android here; InputError where that fails."""
    tool = shutil.which("adb")
    if tool is None:
        raise InputError("--adb needs the command adb; on Debian: apt-get install adb")
    command = [tool, "reverse", f"tcp:{port}", f"tcp:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())
        raise InputError(
            f"adb reverse failed ({words}); is the phone plugged in, and USB debugging on?"
        )


def _lan_address() -> str:
    """Return this machine's address in its network; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: an address that nobody has
        except OSError:
            raise InputError("--lan: this machine has no network") from None
        return probe.getsockname()[0]
