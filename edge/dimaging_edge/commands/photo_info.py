"""`info` of a compressed photo: what its file says about itself."""

from pathlib import Path

from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.common.tables import table


def info(path: Path) -> str:
    """Return what a compressed file says about itself, and what is damaged."""
    from dimaging_edge.photo.bundle_model import shipped
    from dimaging_edge.photo.container import EXACT, RUNGS, SIZE, VERSION, read_header
    from dimaging_edge.photo.reading import read_container

    try:
        with path.open("rb") as file:
            start = file.read(SIZE)
            read_header(start, 1 << 62)  # or a film of 10 GB would be read first
            data = start + file.read()
        found = read_container(data, 1 << 62, keep_going=True)
        pixels = _exactness(found.chunks.get(EXACT))
    except CodecError as error:
        raise InputError(f"{path}: {error}") from error
    head, known = found.header, shipped()
    width, height = found.shown
    rate = 8 / (width * height)
    kind = f"{head.channels} channels of {head.depth} bits"
    coded = f", coded at half size, {head.width} x {head.height}" if found.half else ""
    names = [name for name, m in known.items() if m.model_id.startswith(head.model_id.hex())]
    facts = [
        ["picture", f"{width} x {height}, {kind}{coded}"],
        ["file", f"{len(data)} bytes, {len(data) * rate:.3f} bits a pixel"],
        ["quality", str(head.quality)],
        ["model", f"{head.model_id.hex()} ({(names or ['not one of those that come along'])[0]})"],
        ["tiles", f"{head.columns} x {head.rows} of up to {head.tile} x {head.tile}"],
        ["pixels", pixels],
        ["also", ", ".join(kind.decode() for kind in found.chunks) or "—"],
        ["damage", "; ".join(found.damage) or "none"],
    ]
    rungs = [["rung", "bytes", "bits a pixel"]]
    for number, name in enumerate(RUNGS):
        size = sum(entry.lengths[number] for entry in found.entries)
        rungs.append([name, str(size), f"{size * rate:.3f}"])
    plain = "\n".join(f"{key:9}  {value}" for key, value in facts)
    return f"{path.name}, compressed photo, version {VERSION}\n{plain}\n\n{table(rungs)}"


def _exactness(data: bytes | None) -> str:
    """Return what a file says of its exact pixels, in words; CodecError for another kind of layer."""
    from dimaging_edge.photo.exact_chunk import bound_of

    if data is None:
        return "as the network restores them"
    bound = bound_of(data)
    return f"{f'at most {bound} levels off' if bound else 'lossless'}, {len(data)} bytes"
