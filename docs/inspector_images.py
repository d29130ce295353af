"""Draws the pictures of the inspector: `python docs/inspector_images.py`. A small shop, in a real browser."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.browser.kit import DESK, PHONE, launched, visiting  # noqa: E402 -- as above
from tests.browser.scene import scene  # noqa: E402 -- as above
from tests.serving import serving  # noqa: E402 -- as above

from evenflow.web import inspector  # noqa: E402 -- found by the line above

FOLDER = ROOT / "docs" / "images"
COLOURS = 256
SECONDS = 25.0


async def main() -> None:
    """Draw all of them."""
    FOLDER.mkdir(exist_ok=True)
    async with scene() as sources, launched() as browser, serving(inspector(*sources, title="shop")) as address:
        for name, size, dark in (
            ("desk-light", DESK, False),
            ("desk-dark", DESK, True),
            ("phone-light", PHONE, False),
            ("phone-dark", PHONE, True),
        ):
            async with visiting(browser, f"{address}/", size=size, dark=dark) as page:
                await asyncio.sleep(SECONDS)
                picture = Image.open(io.BytesIO(await page.screenshot()))
                small = picture.convert("RGB").quantize(
                    COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
                )
                small.save(FOLDER / f"inspector-{name}.png", optimize=True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main())
