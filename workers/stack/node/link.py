"""Connections between a node and the control plane outside, over no interface of the machine.

Run as `python -m workers.stack.node.link STATE PORT`. A socket belongs to the network in which it was made, so
one process can hold both ends: it listens in the node on the API server's port and connects outside; it listens
outside for the API server (HTTP CONNECT over a Unix socket that only the same user may use) and connects inside.
It ends with the node.
"""

import asyncio
import ctypes
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from workers.stack.node.place import Place
from workers.stack.ports import HOST

CLONE_NEWNET = 0x40000000
CREDENTIALS = struct.Struct("3i")
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
REFUSED = b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
CHUNK = 1 << 16
CONNECT_SECONDS = 5.0
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Network:
    """The network of a process, as a place where sockets can be made."""

    def __init__(self, pid: int) -> None:
        """Hold it open, so that it cannot become another's."""
        self._inside, self._here = _namespace(pid), _namespace(os.getpid())

    def socket(self) -> socket.socket:
        """Return a new TCP socket in it. There is no await in between: nothing else is made there by mistake."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(self._inside, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "the node's network cannot be entered")
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            if libc.setns(self._here, CLONE_NEWNET) != 0:
                os._exit(1)


def _namespace(pid: int) -> int:
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)


async def main(state: str, port: int) -> None:
    """Carry connections until the node ends."""
    place = Place(Path(state))
    pid = int(await asyncio.to_thread(place.pid.read_text))
    ended, network = asyncio.Event(), Network(pid)
    asyncio.get_running_loop().add_reader(os.pidfd_open(pid), ended.set)
    listening = network.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("0.0.0.0", port))  # noqa: S104  # in a network without a way out

    async def out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await _carry((reader, writer), await asyncio.open_connection(HOST, port))
        writer.close()

    async def into(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ValueError, asyncio.LimitOverrunError):
            await _connect(network, reader, writer)
        writer.close()

    async with (
        await asyncio.start_server(out, sock=listening),
        await asyncio.start_unix_server(into, path=f"\0{place.name}"),
    ):
        await ended.wait()


async def _connect(network: Network, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    if CREDENTIALS.unpack(peer)[1] != os.geteuid():
        return
    request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, where, _ = request.split(" ", 2)
    host, _, port = where.rpartition(":")
    if method != "CONNECT":
        return
    inner = network.socket()
    inner.setblocking(False)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(inner, (host, int(port)))
    except (OSError, TimeoutError):
        inner.close()
        writer.write(REFUSED)
        await writer.drain()
        return
    writer.write(ESTABLISHED)
    await _carry((reader, writer), await asyncio.open_connection(sock=inner))


async def _carry(one: Ends, other: Ends) -> None:
    """Carry both ways until either end closes."""
    ways = [asyncio.create_task(_copy(one[0], other[1])), asyncio.create_task(_copy(other[0], one[1]))]
    try:
        await asyncio.gather(*ways)
    finally:
        for way in ways:
            way.cancel()
        other[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
