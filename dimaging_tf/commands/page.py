"""What the pages of `dimaging demo` and `dimaging report` are made of: one file of HTML, pictures included.

A picture opens in full size by a click; tables scroll by themselves on a narrow screen; the colours follow
the reader's choice of light or dark. `page.html` holds the frame.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from dimaging_tf.evaluation import plots

_PAGE = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
CURVES: dict[str, tuple[tuple[str, ...], str]] = {
    "denoiser": (("loss",), "mean absolute error, share of white"),
    "pixelcnn": (("loss",), "nats an image"),
    "dcgan": (("d_real", "d_fake"), "probability of being real"),
    "vae": (("loss", "reconstruction", "kl"), "nats an image"),
    "vae_faces": (("loss", "reconstruction", "kl"), "nats an image"),
    "frame_selection": (("accuracy",), "share of movies told right"),
    "captioning": (("loss",), "nats a word"),
    "char_lm": (("bits",), "bits a character"),
}
"""Model -> the metrics that its curves show, and their unit. All metrics of any other model are shown."""


def document(title: str, body: Sequence[str]) -> str:
    """Return a whole page; the parts of the body are HTML."""
    return _PAGE.substitute(title=escape(title), body="\n".join(body))


def picture(caption: str, data: bytes, alt: str = "", kind: str = "") -> str:
    """Return a figure of a PNG, enlarged by a click.

    caption    words below it
    alt        what it shows, for those who do not see it; by default the caption
    kind       "plot" for a diagram, "photo" for what must not show its pixels
    """
    source = base64.b64encode(data).decode()
    alt = escape(alt or caption)
    return (
        f'<figure><button class="zoom" aria-label="Enlarge: {alt}">'
        f"<img class='{kind}' src='data:image/png;base64,{source}' alt='{alt}'></button>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def quotation(caption: str, path: Path) -> str:
    """Return a figure of a text file."""
    words = escape(path.read_text(encoding="utf-8").strip())
    return f"<figure><pre>{words}</pre><figcaption>{escape(caption)}</figcaption></figure>"


def curves(model: str, epochs: Sequence[Mapping[str, Any]]) -> str:
    """Return the curves of a training as a figure, from the records of its epochs; "" of a single epoch."""
    if len(epochs) < 2:
        return ""
    names, unit = CURVES.get(model, ((), ""))
    buffer = io.BytesIO()
    plots.loss_curves(epochs, names=names, unit=unit).savefig(buffer, format="png", dpi=120)
    ends = [
        f"{name.replace('_', ' ')} {epochs[0][name]:.3g} after epoch {epochs[0]['epoch']}, "
        f"{epochs[-1][name]:.3g} after epoch {epochs[-1]['epoch']}"
        for name in names or ("loss",)
        if name in epochs[0]
    ]
    caption = "Training; dashed: examples that were not trained on" + f" ({unit})" * bool(unit)
    return picture(caption, buffer.getvalue(), f"Curves over the epochs: {'; '.join(ends)}", "plot")


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table whose first column is text; a cell that begins with "*" is the best of its kind."""
    cells = "".join(f"<th>{escape(word)}</th>" for word in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<div class='scroll' tabindex='0'><table><tr>{cells}</tr>{body}</table></div>"


def _cell(value: Any) -> str:
    text = str(value)
    if text.startswith("*"):
        return f"<td class='best'>{escape(text[1:])}</td>"
    return f"<td>{escape(text)}</td>"
