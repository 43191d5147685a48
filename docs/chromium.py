"""A headless Chromium, driven over its own protocol: open a page, wait for it, take a picture of a part."""

import asyncio
import base64
import re
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

LOOKS = 120
"""How often it is looked whether a page shows what is waited for, twice a second."""


class Browser:
    """One page of a browser."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        """Drive the page behind this socket."""
        self._socket = socket
        self._numbers = count(1)

    async def open(self, url: str, until: str) -> None:
        """Open an address and wait until a JavaScript expression is true there."""
        await self._call("Page.navigate", url=url)
        for _ in range(LOOKS):
            await asyncio.sleep(0.5)
            if await self.run(f"Boolean({until})"):
                break
        else:
            raise SystemExit(f"{url} does not show what is waited for: {until}")
        await asyncio.sleep(1.5)  # fonts, and the last of the layout

    async def run(self, script: str) -> Any:
        """Run JavaScript in the page and return its value."""
        answer = await self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer.get("result", {}).get("value")

    async def size(self, width: int, height: int) -> None:
        """Make the window this large, in pixels."""
        await self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def picture(self, x: int, y: int, width: int, height: int) -> bytes:
        """Return a part of the page as PNG."""
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        answer = await self._call("Page.captureScreenshot", format="png", clip=clip)
        return base64.b64decode(answer["data"])

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == number:
                result: dict[str, Any] = answer.get("result", {})
                return result


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Yield a browser that ends with us; `apt-get install chromium` brings one."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("there is no chromium here: `apt-get install chromium`")
    with tempfile.TemporaryDirectory(prefix="firebreak-chromium-") as profile:
        arguments = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0")
        process = await asyncio.create_subprocess_exec(
            program, *arguments, f"--user-data-dir={profile}", "about:blank", stdout=DEVNULL, stderr=PIPE
        )
        try:
            async with ClientSession() as session, session.get(f"{await _address(process)}/json") as pages:
                page = next(page for page in await pages.json() if page["type"] == "page")
                async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    yield Browser(socket)
        finally:
            process.terminate()
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    while process.stderr and (line := await process.stderr.readline()):
        if found := re.search(rb"ws://([\d.]+:\d+)/", line):
            return f"http://{found[1].decode()}"
    raise SystemExit("chromium ended before it listened")
