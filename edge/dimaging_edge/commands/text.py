"""The verbs of models that make text: write, pack and unpack of a language model, and caption."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dimaging_edge.bundle.open import Bundle

_MARK = "\ufeff"
"""The byte order mark with which some editors begin a text."""


def add_verbs(
    verb: Callable[[Any, str], argparse.ArgumentParser],
    device: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Describe the verbs to the parser of `dimaging-edge`."""
    one = verb(write, "go on with a text, character by character (char_lm)")
    one.add_argument("--prime", default="", metavar="TEXT", help="what the text begins with")
    one.add_argument("--n", type=int, default=500, help="how many characters (default: 500)")
    one.add_argument(
        "--temperature", type=float, default=0.8,
        help="1 as the model believes, less is more careful, 0 the likeliest (default: 0.8)",
    )  # fmt: skip
    one.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")
    one.add_argument("--out", metavar="FILE", help="write the text there instead of the terminal")
    device(one)
    one = verb(caption, "say what a picture shows (captioning, illumination)")
    one.add_argument(
        "image", metavar="IMAGE",
        help="picture, whose central square is scaled to the model's size, or .npy",
    )  # fmt: skip
    one.add_argument(
        "--beam", type=int, default=3,
        help="how many beginnings of sentences are kept, 1 to 100 (default: 3)",
    )  # fmt: skip
    one.add_argument("--all", action="store_true", help="print all of them, with probabilities")
    device(one)


def write(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Print the prime and each piece as soon as it is drawn, or write a file."""
    from dimaging_edge.common.files import write_text
    from dimaging_edge.generate import text

    pieces = text.write(
        bundle, options.prime, options.n, temperature=options.temperature, seed=options.seed
    )
    if options.out:
        write_text(options.out, options.prime + "".join(pieces))
        print(options.out)
        return 0
    print(options.prime, end="")
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
    sys.stdout.flush()
    return 0


def caption(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Print the likeliest sentence, or all that were found."""
    from dimaging_edge.commands.array_files import read_square
    from dimaging_edge.generate import captioning

    captioning.read_vocabulary(bundle)  # says what is wrong before a picture is read
    image = read_square(Path(options.image), bundle.tensor("encoder", "image", 4))
    found = captioning.caption(bundle, image, options.beam)
    if not options.all:
        print(found[0])
        return 0
    for sentence in found:
        print(f"{sentence.probability:.3f}  {sentence}")
    return 0


def writes_text(bundle: "Bundle") -> bool:
    """Return whether the bundle is that of a language model."""
    from dimaging_edge.generate.text import VOCABULARY

    return VOCABULARY in bundle.manifest.files


def pack_text(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Compress one text file in UTF-8 and print how small it became."""
    from dimaging_edge.common.errors import InputError
    from dimaging_edge.common.files import write_bytes
    from dimaging_edge.generate.text import read_vocabulary
    from dimaging_edge.lossless import text

    if len(options.images) > 1:
        raise InputError(
            f"a stream holds one text, received {len(options.images)} files; pack them apart"
        )
    path = Path(options.images[0])
    try:
        # Line ends stay as they are, which read_text would change.
        content = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: byte {error.start}") from None
    if content.startswith(_MARK) and _MARK not in read_vocabulary(bundle):
        raise InputError(
            f"{path} begins with a byte order mark, which training leaves out; save it without: "
            "tail -c +4 FILE > NEW"
        )
    stream = text.pack(bundle, content)
    out = options.out or "text.dtxt"
    write_bytes(out, stream)
    bits = 8 * len(stream) / len(content)
    print(f"{out}: {len(content)} characters, {len(stream)} bytes, {bits:.2f} bits a character")
    return 0


def unpack_text(options: argparse.Namespace, bundle: "Bundle") -> int:
    """Write the text of a packed file, in UTF-8."""
    from dimaging_edge.common.files import write_bytes
    from dimaging_edge.lossless import text

    out = options.out or "text.txt"
    write_bytes(out, text.unpack(bundle, Path(options.file).read_bytes()).encode("utf-8"))
    print(out)
    return 0
