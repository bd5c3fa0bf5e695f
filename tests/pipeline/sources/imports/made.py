"""Settings and pictures of imports for tests."""

import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

COMMON = {
    "revision": "a",
    "access_basis": "my own pictures",
    "licence": "CC0-1.0",
    "licence_url": "https://a.example/licence",
    "page_url": "https://a.example",
    "max_records": 1000,
}
PROMPTS = ("(star:1.2), night", 'a "quoted", line\nand a second', "🌟 étoile, 漢字", "x" * 100_000)
SEEDS = {2**32 + 5: 2**32 + 5, 2**63 - 1: 2**63 - 1, 2**63: None, 10**30: None, "21364683354": 21364683354}


def png(number=0, side=8, **chunks):
    told = PngInfo()
    for key, text in chunks.items():
        told.add_itxt(key, text)
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (number % 256, number // 256 % 256, 0)).save(stream, "PNG", pnginfo=told)
    return stream.getvalue()


def put(root, pictures):
    """Write files; a path by its content."""
    for name, content in pictures.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def settings(params, root, **more):
    return params.model_validate({**COMMON, "path": str(root), **more})


def walked(walk):
    """All items of a walk, and why it ended."""
    found = []
    while True:
        try:
            found.append(next(walk))
        except StopIteration as end:
            return found, end.value
