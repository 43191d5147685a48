"""How containerd gets its images without a registry."""

import asyncio
from pathlib import Path

import yaml

from signals.errors import StackError
from workers.stack.layout import shipped
from workers.stack.node import images, tools
from workers.stack.node.configuration import SOCKET
from workers.stack.node.place import IMAGE, PAUSE_IMAGE
from workers.stack.node.running import Node

CTR = ("ctr", "--address", SOCKET, "--namespace", "k8s.io")


async def fill(node: Node) -> None:
    """Give containerd its images: nothing is pulled, so those of the drill's application have stand-ins.

    Raises:
        StackError: containerd refuses one.
    """
    listed = await node.run("busybox", "--list")
    busybox, podtool = Path(tools.program("busybox") or ""), node.binaries["podtool"]
    for name, command in ((IMAGE, "serve"), (PAUSE_IMAGE, "pause")):
        file, start = node.place.scratch / f"{command}.tar", ("/bin/podtool", command)
        content = await asyncio.to_thread(images.archive, name, busybox, listed[1].split(), podtool, start)
        await asyncio.to_thread(file.write_bytes, content)
        await _ctr(node, "import", str(file))
    await _ctr(node, "tag", "--force", IMAGE, *_stand_ins())


async def _ctr(node: Node, *command: str) -> None:
    code, said = await node.run(*CTR, "images", *command)
    if code != 0:
        raise StackError(f"containerd refuses an image: {said}")


def _stand_ins() -> list[str]:
    pods = [
        manifest["spec"]["template"]["spec"]
        for manifest in yaml.safe_load_all(shipped("drill", "app.yaml").read_text())
        if manifest["kind"] == "Deployment"
    ]
    return sorted({container["image"] for pod in pods for container in pod["containers"]})
