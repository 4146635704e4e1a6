"""The page of `dimaging-edge app` in Debian's chromium: bytes of a visit, memory and processor time of 12 megapixels.

    python benchmarks/phone.py

The cross table is benchmarks/phone_cross.py; equal bits and mutated files are benchmarks/phone_bits.py.

One thread of WebAssembly. Processor time and memory are those of the browser's process that renders the page, the
first from chromium itself, the second its largest resident set (VmHWM). The picture is laid out of scikit-image's
photographs. A computer's figures: nobody has measured a phone yet.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures
from parts.page import a_page, begin, cpu_seconds, peak_mb

QUALITY = 30
NATIVE = """
import sys, time
import numpy as np
from dimaging_edge.photo.bundle_model import open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.symbol_model import Photo
model = open_model("unet_codec", threads=1)
image = np.load(sys.argv[1])
compress(model, Photo(image[:64, :64]), 30)
begun = time.process_time()
data = compress(model, Photo(image), 30, tile=512)
middle = time.process_time()
decompress(model, data)
print(middle - begun, time.process_time() - middle)
"""
WARM = """async ([name, data, count]) => {
  const {openBundle} = await import('/bundle/open.mjs');
  const {openModel} = await import('/photo/bundle_model.mjs');
  const {decodeTile} = await import('/photo/tile_codec.mjs');
  const {readContainer} = await import('/photo/reading.mjs');
  const ort = await import(`/${page.listing.engine}ort.wasm.min.mjs`);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL(page.listing.engine, location.href).href;
  const {folder} = page.listing.bundles.find((one) => one.name === name);
  const read = async (file) => new Uint8Array(await (await fetch(`/${folder}${file}`)).arrayBuffer());
  const model = await openModel(await openBundle(name, read, ort));
  const answers = [];
  const prior = model.prior.bind(model);
  model.prior = async (z, y, pass, ...rest) => (answers[pass] ??= await prior(z, y, pass, ...rest));
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const once = async () => {
    const found = readContainer(bytes);
    const rungs = found.rungs.map((rung) => rung[0]);
    return decodeTile(model, found.entries[0], rungs, found.header.quality, 64, 64);
  };
  for (let i = 0; i < 8; i++) await once();
  globalThis.once = once;
}"""


def main() -> int:
    """Visits, a warm decode without networks, 12 megapixels both ways."""
    args = figures.parser("phone", __doc__).parse_args()
    out = figures.Figures("phone", args.quick, args.json)
    height, width = (600, 800) if args.quick else (3000, 4000)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        picture = mosaic(height, width)
        with a_page() as (page, browser, site, url):
            visits(page, site, url, out)
            warm(page, browser, out, 3 if args.quick else 40)
        native = in_python(place, picture)
        with a_page() as (page, browser, _, url):
            begin(page, url, 1)
            large(page, browser, place, picture, native, out)
    return out.finish()


def visits(page: Any, site: Any, url: str, out: figures.Figures) -> None:
    """Bytes of the first visit, and requests of a later one but for the browser's question about sw.js."""
    sizes, asked = [], []
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    client.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(url)
    page.wait_for_selector("html[data-ready=true]", timeout=120_000)
    page.context.on(
        "response", lambda one: asked.append(one) if not one.from_service_worker else None
    )
    listing = page.evaluate("(async () => (await fetch('files.json')).json())()")
    core = [name for name, core in listing["files"].items() if core]
    sent = sum(len(site.files[name].packed()) for name in core)
    out.add("first visit: every file that is kept, compressed", sent / 1e6, "<= 6.5", "MB")
    asked.clear()
    page.goto(url)
    page.wait_for_selector("html[data-ready=true]", timeout=120_000)
    later = [one.url for one in asked if not one.url.endswith("/sw.js")]
    out.add("later visits: requests that reach the server", len(later), "<= 0")


def warm(page: Any, browser: Any, out: figures.Figures, count: int) -> None:
    """512 x 512: rANS, neighbours and container, in processor time; the prior's answers are remembered."""
    import base64

    from dimaging_edge.photo.bundle_model import open_model
    from dimaging_edge.photo.codec import compress
    from dimaging_edge.photo.symbol_model import Photo
    from skimage import data

    photo = Photo(data.astronaut())
    file = compress(open_model("unet_codec", threads=1), photo, QUALITY)
    page.evaluate(WARM, ["unet_codec", base64.b64encode(file).decode(), count])
    begun, wall = cpu_seconds(browser), time.monotonic()
    page.evaluate("async (count) => { for (let i = 0; i < count; i++) await once(); }", count)
    spent = 1000 * (cpu_seconds(browser) - begun) / count
    out.add("512 x 512, decode without the networks: processor time", spent, "<= 120", "ms")
    out.facts["warm decode, wall ms"] = 1000 * (time.monotonic() - wall) / count


def in_python(place: Path, picture: np.ndarray) -> dict[str, float]:
    """Processor time in seconds of the same work by `dimaging_edge`, one thread."""
    np.save(place / "picture.npy", picture)
    command = [sys.executable, "-c", NATIVE, str(place / "picture.npy")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(zip(("compress", "open"), map(float, done.stdout.split()), strict=True))


def large(
    page: Any, browser: Any, place: Path, picture: np.ndarray, native: dict, out: figures.Figures
) -> None:
    """A large photo through the page's own tabs: from file to file, and to pixels on the screen."""
    from PIL import Image

    source, file = place / "photo.png", place / "photo.dimg"
    Image.fromarray(picture).save(source)
    height, width = picture.shape[:2]
    said = f"{width} x {height}"
    for task, tab, given in (("compress", "compress", source), ("open", "open", file)):
        page.evaluate("tab => location.hash = `#/${tab}`", tab)
        page.wait_for_function("tab => document.title.startsWith(tab)", arg=tab)
        begun, wall = cpu_seconds(browser), time.monotonic()
        page.set_input_files("main input[type=file] >> nth=0", given)
        page.wait_for_selector("main a[download], main .error", timeout=1_800_000)
        spent = cpu_seconds(browser) - begun
        out.facts[f"{task}: wall s"] = time.monotonic() - wall
        if task == "compress":
            with page.expect_download() as download:
                page.click("main a[download]")
            download.value.save_as(file)
            out.add("that file", file.stat().st_size / 1e6, "", "MB")
        out.add(f"{task} {said}: processor time", spent, "", "s")
        out.add(f"{task} {said}: processor time over Python's", spent / native[task], "<= 8", "x")
        out.add(f"{task} {said}: largest resident set so far", peak_mb(browser), "<= 500", "MB")


def mosaic(height: int, width: int) -> np.ndarray:
    """Photographs side by side until the picture is full."""
    from skimage import data

    photos = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    picture = np.zeros((height, width, 3), np.uint8)
    number = 0
    for top in range(0, height, 300):
        for left in range(0, width, 400):
            part = photos[number % len(photos)][:300, :400]
            room = picture[top : top + 300, left : left + 400]
            room[...] = part[: room.shape[0], : room.shape[1]]
            number += 1
    return picture


if __name__ == "__main__":
    sys.exit(main())
