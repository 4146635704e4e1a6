"""The page as a person uses it: photo to file and back, by keyboard, on small screens, without a network."""

import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dimaging_edge.app.collect import Collector, check_report
from dimaging_edge.benchmark.budget import verdict
from dimaging_edge.benchmark.paired_ratio import Ratio
from dimaging_edge.commands.main import main
from dimaging_edge.photo.reading import read_container
from helpers.browser import SMALL, address, serving, visit
from PIL import Image

from benchmarks.parts.page_kit import packed

TABS = ("compress", "open", "clean", "draw", "fool", "measure", "about")
SCREENS = ((390, 844), (844, 390), (1280, 800))


def picture(path: Path, size: tuple[int, int] = (150, 170)) -> Path:
    y, x = np.mgrid[: size[0], : size[1]]
    values = np.stack([x % 256, (x + 2 * y) % 256, 255 - y % 200], -1).astype(np.uint8)
    Image.fromarray(values).save(path)
    return path


def begin(page: Any, tab: str) -> None:
    """Show a tab without what it showed before."""
    page.evaluate("tab => location.hash = `#/${tab}`", tab)
    page.wait_for_function("tab => document.title.startsWith(tab)", arg=tab)
    page.evaluate(
        "document.querySelectorAll('main section').forEach((one) => one.replaceChildren())"
    )


def compressed(page: Any, source: Path, out: Path) -> Path:
    """What the tab Compress makes of a picture."""
    begin(page, "compress")
    page.set_input_files("main input[type=file] >> nth=0", source)
    page.wait_for_selector("a[download$='.dimg'], .error", timeout=120_000)
    assert not page.query_selector(".error"), page.inner_text("main")
    with page.expect_download() as download:
        page.click("a[download$='.dimg']")
    download.value.save_as(out)
    return out


def opened(page: Any, source: Path) -> str:
    """What the tab Open says of a file."""
    begin(page, "open")
    page.set_input_files("main input[type=file] >> nth=0", source)
    page.wait_for_selector("main a[download], main .error", timeout=120_000)
    return page.inner_text("main")


def test_a_photo_becomes_a_file_that_python_opens(page: Any, tmp_path: Path) -> None:
    source = picture(tmp_path / "photo.png")
    file = compressed(page, source, tmp_path / "photo.dimg")
    assert main(["decompress", str(file), "-o", str(tmp_path / "back.png")]) == 0
    assert np.asarray(Image.open(tmp_path / "back.png")).shape == (150, 170, 3)
    words = opened(page, file)
    assert "170 x 150, 3 channels of 8 bits" in words
    assert "their check sums agree" in words


def test_bytes_at_most(page: Any, tmp_path: Path) -> None:
    begin(page, "compress")
    source = picture(tmp_path / "photo.png", (300, 400))
    free = compressed(page, source, tmp_path / "photo.dimg").stat().st_size
    page.fill("#most", "3")
    assert compressed(page, source, tmp_path / "photo.dimg").stat().st_size <= 3000 < free
    page.fill("#most", "0.9")  # less than the whole size can have
    assert compressed(page, source, tmp_path / "photo.dimg").stat().st_size <= 900
    assert "coded at half size" in page.inner_text("section[aria-label=Result] h2")
    begin(page, "compress")
    page.fill("#most", "0.1")
    page.set_input_files("main input[type=file] >> nth=0", source)
    page.wait_for_selector(".error", timeout=120_000)
    assert "100 bytes cannot be met: this photo has at least" in page.inner_text(".error")
    page.fill("#most", "")


def test_half_size(page: Any, tmp_path: Path) -> None:
    """As `compress --half`, with its usual quality; the file opens at the photo's own size."""
    begin(page, "compress")
    page.check("#half")
    assert page.inner_text("output[for=quality]") == "12"
    file = compressed(page, picture(tmp_path / "photo.png"), tmp_path / "photo.dimg")
    assert "at quality 12, coded at half size" in page.inner_text("main")
    page.uncheck("#half")
    assert page.inner_text("output[for=quality]") == "30"
    found = read_container(file.read_bytes())
    assert (found.half, found.shown, found.header.width) == (True, (170, 150), 85)
    assert main(["decompress", str(file), "-o", str(tmp_path / "back.png")]) == 0
    assert np.asarray(Image.open(tmp_path / "back.png")).shape == (150, 170, 3)


def test_a_photo_s_metadata_is_kept_upright(page: Any, tmp_path: Path) -> None:
    source = Image.open(picture(tmp_path / "plain.png")).convert("RGB")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    source.save(tmp_path / "photo.jpg", exif=exif, icc_profile=b"profile" * 9)
    file = compressed(page, tmp_path / "photo.jpg", tmp_path / "photo.dimg")
    assert main(["decompress", str(file), "-o", str(tmp_path / "back.png")]) == 0
    with Image.open(tmp_path / "back.png") as back:
        assert back.size == (150, 170)  # turned
        assert back.info["icc_profile"] == b"profile" * 9
        assert (back.getexif()[0x0112], back.getexif()[0x010F]) == (1, "maker")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("note.dimg", b"hello", "does not begin with DIMG"),
        ("photo.dimg", b"DIMG" + bytes(60), "the header is damaged: expected CRC32C"),
        (
            "text.dtxt",
            b"DTXT" + bytes(60),
            "The command opens it, with the bundle of that model: dimaging-edge unpack BUNDLE FILE",
        ),
    ],
)
def test_a_file_that_is_none_is_told_in_a_sentence(
    page: Any, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in opened(page, tmp_path / name)


def test_no_picture_is_told_in_a_sentence(page: Any, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"not a picture")
    begin(page, "compress")
    page.set_input_files("main input[type=file] >> nth=0", tmp_path / "photo.png")
    page.wait_for_selector(".error")
    assert "this browser cannot read that picture" in page.inner_text(".error")


def test_a_cancelled_task_ends_and_the_next_one_runs(page: Any, tmp_path: Path) -> None:
    begin(page, "compress")
    page.select_option("#tile", "256")
    page.set_input_files(
        "main input[type=file] >> nth=0", picture(tmp_path / "large.png", (1400, 1400))
    )
    page.click("text=Cancel", timeout=60_000)
    page.wait_for_selector("text=Cancelled.", timeout=120_000)
    page.select_option("#tile", "512")
    compressed(page, picture(tmp_path / "photo.png"), tmp_path / "photo.dimg")


def test_drawing_grows_row_by_row_and_completes(page: Any) -> None:
    page.evaluate("location.hash = '#/draw'")
    page.click("text=Draw one")
    page.wait_for_selector("text=Rub over the picture", timeout=60_000)
    canvas = "document.querySelector('canvas[aria-label^=\"an image that\"]')"
    upper = (
        f"(x => x.getContext('2d').getImageData(0, 0, x.width, x.height / 2).data.join())({canvas})"
    )
    seed, kept = page.evaluate(f"{canvas}.ariaLabel"), page.evaluate(upper)
    page.click("text=Hide the lower half")
    page.click("text=Complete what I hid")
    # The words of the first drawing may still stand there, so its seed is waited away.
    page.wait_for_function(f"seed => {canvas}.ariaLabel !== seed", arg=seed, timeout=60_000)
    assert page.evaluate(upper) == kept
    page.click("text=Open vae-fp32")
    slider = page.wait_for_selector("#vae-fp32-0", timeout=60_000)
    before = page.evaluate(
        "document.querySelector('[aria-label=\"what vae-fp32 decodes\"]').toDataURL()"
    )
    slider.evaluate("input => { input.value = 3; input.dispatchEvent(new Event('input')); }")
    page.wait_for_function(
        "before => document.querySelector('[aria-label=\"what vae-fp32 decodes\"]').toDataURL() !== before",
        arg=before,
    )


def test_keys_alone_reach_every_tab(page: Any) -> None:
    page.evaluate("location.hash = '#/compress'")
    page.focus(".brand")
    seen = []
    for _ in TABS:
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.getAttribute('href')"))
    assert seen == [f"#/{name}" for name in TABS]
    page.keyboard.press("Enter")
    page.wait_for_selector("text=About this page")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.title() == "about - dimaging"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS, ids=lambda s: f"{s[0]}x{s[1]}")
def test_tabs_fit_the_screen_and_axe_finds_nothing(
    page: Any, screen: tuple[int, int], scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": screen[0], "height": screen[1]})
    for tab in TABS:
        page.evaluate("tab => location.hash = `#/${tab}`", tab)
        page.wait_for_function("tab => document.title.startsWith(tab)", arg=tab)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= screen[0], f"{tab} is {wide} pixels wide"
        small = page.evaluate(
            "[...document.querySelectorAll('main button, main .button, main select, nav a')]"
            ".filter((e) => e.offsetHeight && e.offsetHeight < 44).map((e) => e.textContent)"
        )
        assert small == []
        found = axe.run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], tab


def test_axe_finds_nothing_in_what_tabs_show(page: Any, tmp_path: Path) -> None:
    """The tabs above were empty."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    opened(page, compressed(page, picture(tmp_path / "photo.png"), tmp_path / "photo.dimg"))
    steps = {
        "compress": "h1",
        "open": "text=check sums agree",
        "clean": "text=dB cleaned",
        "fool": "text=questions to the gradient",
    }
    for tab, shown in steps.items():
        page.evaluate("tab => location.hash = `#/${tab}`", tab)
        if tab in ("clean", "fool"):
            page.click("[aria-label='Try example 2']")
        page.wait_for_selector(shown, timeout=60_000, state="attached")
        found = axe.run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], tab


def test_measurements_are_those_of_the_command_and_arrive(browser: Any, tmp_path: Path) -> None:
    collector = Collector(tmp_path, "secret")
    with serving(SMALL, collector=collector) as server:
        context = browser.new_context()
        page = visit(context.new_page(), f"{address(server)}#/measure?token=secret")
        page.select_option("#measured", "vae-fp32")
        page.select_option("#seconds", "1")
        page.fill("#budget", "1000")
        page.click("button:text-is('Measure')")
        page.click("text=Send to the computer", timeout=120_000)
        page.wait_for_selector("text=kept as")
        context.close()
    (file,) = tmp_path.iterdir()
    report = json.loads(file.read_text())
    check_report(report)
    assert [graph["graph"] for graph in report["graphs"]] == ["encoder", "decoder"]
    assert report["environment"]["isolated"] is True
    for gate in report["gates"]:
        ratio = Ratio(**{one.name: gate["ratio"][one.name] for one in fields(Ratio)})
        # A machine with company is "too noisy to say"; whether it is, the command judges by itself.
        assert (gate["max_ratio"], gate["verdict"]) == (1000, verdict(ratio, 1000))
        assert gate["verdict"] == "ok" or not ratio.steady
        assert ratio.low <= ratio.ratio <= ratio.high < 1000


def test_flight_mode(browser: Any, tmp_path: Path) -> None:
    """Without a network: the codec, a model that was kept by its button, and a sentence for one that was not."""
    context = browser.new_context()
    page = context.new_page()
    sizes: list[int] = []
    with serving() as server:
        client = context.new_cdp_session(page)
        client.send("Network.enable")
        client.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        url = address(server)
        visit(page, url)
        assert page.inner_text("#state") == "ready, also in flight mode"
        assert sum(sizes) < 6.5e6
        stored = page.evaluate(
            "(async () => (await (await caches.open('dimaging-keep')).keys()).length)()"
        )
        assert stored > 8
        asked: list[str] = []
        server.RequestHandlerClass.log_request = lambda self, *rest: asked.append(self.path)  # type: ignore[method-assign]
        try:
            visit(page, url)
        finally:
            del server.RequestHandlerClass.log_request
        assert set(asked) <= {
            "/sw.js"
        }  # the browser itself asks whether the service worker changed
        assert not any("pixelcnn_digits" in path for path in asked)
        page.evaluate("location.hash = '#/draw'")
        page.click("text=Keep pixelcnn_digits for flight mode")
        page.wait_for_selector("text=pixelcnn_digits is kept: it works without a network.")
    # The server is gone.
    visit(page, url)
    assert page.inner_text("#state") == "ready, also in flight mode"
    assert page.evaluate("crossOriginIsolated")
    file = compressed(page, picture(tmp_path / "photo.png"), tmp_path / "photo.dimg")
    assert main(["decompress", str(file), "-o", str(tmp_path / "back.png")]) == 0
    assert "their check sums agree" in opened(page, file)
    page.evaluate("location.hash = '#/draw'")
    page.click("text=Draw one")
    page.wait_for_selector("text=Rub over the picture", timeout=60_000)
    page.evaluate("location.hash = '#/clean'")
    page.click("[aria-label='Try example 1']")
    page.wait_for_selector(".error")
    assert "is not kept on this device; use it once with a network" in page.inner_text(".error")
    context.close()


def test_an_update_of_the_wheel_updates_the_page(
    browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = browser.new_context()
    page = context.new_page()
    with serving() as server:
        visit(page, address(server))
        old = server.site.files["app.css"].read()
        site = type(server.site)()
        site.files["app.css"] = type(site.files["app.css"])(lambda: old + b"/* newer */")
        site.__dict__.pop("version", None)
        worker = site._worker()
        site.files["sw.js"] = type(site.files["sw.js"])(lambda: worker, core=False)
        server.site = site
        server._packed.clear()
        page.reload()
        page.wait_for_function(
            "(async () => (await (await fetch('app.css')).text()).includes('newer'))()",
            timeout=60_000,
        )
    context.close()


def test_an_insecure_origin_works_and_says_what_is_missing(browser: Any, tmp_path: Path) -> None:
    with serving(names=("phone.test",)) as server:
        context = browser.new_context()
        page = context.new_page()
        visit(page, address(server, "phone.test"))
        assert page.evaluate("[isSecureContext, page.client.threads]") == [False, 1]
        file = compressed(page, picture(tmp_path / "photo.png"), tmp_path / "photo.dimg")
        assert file.stat().st_size > 100
        page.evaluate("location.hash = '#/about'")
        words = page.inner_text("main")
        assert "The address is not secure" in words
        assert "computes with one thread" in words
        context.close()


def test_a_folder_on_a_plain_host_gets_its_threads_from_the_service_worker(
    browser: Any, tmp_path: Path
) -> None:
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

        def log_message(self, format: str, *args: object) -> None: ...

    assert main(["app", "--out", str(tmp_path)]) == 0
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as host:
        thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            context = browser.new_context()
            page = visit(context.new_page(), f"http://localhost:{host.server_address[1]}/")
            assert page.evaluate("crossOriginIsolated")
            context.close()
        finally:
            host.shutdown()
            thread.join()


def test_a_picture_is_read_as_pillow_reads_it(kit: Any) -> None:
    y, x = np.mgrid[:600, :30]  # more rows than are read at once
    values = np.stack([x * 8, y * 12, x + y, np.full_like(x, 255)], -1).astype(np.uint8)
    script = """async (data) => {
      const {readPicture} = await import('/picture.mjs');
      const {photo} = await readPicture(new Blob([kit.bytes(data)], {type: 'image/png'}));
      return [photo.channels, kit.text(photo.image), photo.alpha && kit.text(photo.alpha)];
    }"""
    for mode, channels in (("RGB", 3), ("L", 1), ("RGBA", 3)):
        image = Image.fromarray(values).convert(mode)
        if mode == "RGBA":
            values[..., 3] = np.where(y < 300, 255, (x * 7) % 256)
            image = Image.fromarray(values)
        buffer = io.BytesIO()
        image.save(buffer, "png")
        found, pixels, alpha = kit.evaluate(script, packed(buffer.getvalue()))
        assert found == channels
        if mode == "RGBA":
            assert alpha == packed(np.ascontiguousarray(values[..., 3]))
        else:
            assert pixels == packed(np.asarray(image))
