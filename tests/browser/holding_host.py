"""A host like Colab: between kernel and page, it holds back what nobody asked for.

What the kernel sends under a request that has already been answered (a background thread's
messages) waits until the page sends a comm message; the binary buffers of custom messages are
dropped on the way. Those of a widget's state are not: ipywidgets itself would fail without them.
"""

import itertools
import json

from playwright.sync_api import BrowserContext, WebSocketRoute

CHANNELS = "**/api/kernels/*/channels*"
BACKGROUND = {"comm_msg", "update_display_data"}


def unpack(frame: bytes) -> tuple[str, list[bytes]]:
    """Channel and parts (header, parent, metadata, content, buffers) of a v1 frame."""
    count = int.from_bytes(frame[:8], "little")
    ends = [int.from_bytes(frame[8 * i : 8 * (i + 1)], "little") for i in range(1, count + 1)]
    parts = [frame[start:end] for start, end in itertools.pairwise(ends)]
    return parts[0].decode(), parts[1:]


def pack(channel: str, parts: list[bytes]) -> bytes:
    blocks = [channel.encode(), *parts]
    ends = [8 * (len(blocks) + 2)]
    for block in blocks:
        ends.append(ends[-1] + len(block))
    numbers = [len(ends), *ends]
    return b"".join([number.to_bytes(8, "little") for number in numbers] + blocks)


def is_custom(content: bytes) -> bool:
    return json.loads(content)["data"].get("method") == "custom"


class HoldingHost:
    """Sits in the channel of every kernel of a browser context."""

    def __init__(self, context: BrowserContext):
        self.held = 0
        self.dropped_buffers = 0
        context.route_web_socket(CHANNELS, self._connect)

    def _connect(self, page: WebSocketRoute) -> None:
        kernel = page.connect_to_server()
        answered: set[str] = set()
        waiting: list[bytes] = []

        def from_page(frame: bytes) -> None:
            kernel.send(frame)
            _, parts = unpack(frame)
            if json.loads(parts[0])["msg_type"] == "comm_msg":
                while waiting:
                    page.send(waiting.pop(0))

        def from_kernel(frame: bytes) -> None:
            channel, (header, parent, metadata, content, *buffers) = unpack(frame)
            kind = json.loads(header)["msg_type"]
            request = json.loads(parent).get("msg_id")
            if kind == "status" and json.loads(content)["execution_state"] == "idle":
                answered.add(request)
            if kind == "comm_msg" and buffers and is_custom(content):
                self.dropped_buffers += len(buffers)
                frame = pack(channel, [header, parent, metadata, content])
            if kind in BACKGROUND and request in answered:
                self.held += 1
                waiting.append(frame)
            else:
                page.send(frame)

        page.on_message(from_page)
        kernel.on_message(from_kernel)
