"""The frames between a page and its kernel, counted by what they carry."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

_WORD = 8


class Traffic:
    """Counts the frames of a page's kernel channels, as Playwright sees them (uncompressed).

    Attributes
    ----------
    frames, bytes, blocks
        For each kind of message from the kernel: how many frames, their bytes, and the bytes of
        the binary buffers among these. Custom messages and updates of widgets are kinds of their
        own; the rest goes by its message type.
    sent_frames, sent_bytes
        What the page has sent.
    """

    def __init__(self, page: Any) -> None:
        self.clear()
        page.on("websocket", self._follow)

    def clear(self) -> None:
        """Begin to count anew."""
        self.frames: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.blocks: Counter[str] = Counter()
        self.sent_frames = 0
        self.sent_bytes = 0

    def counted(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        return {
            "received": {
                kind: {
                    "frames": self.frames[kind],
                    "bytes": self.bytes[kind],
                    "of these in buffers": self.blocks[kind],
                }
                for kind in self.frames
            },
            "frames": self.frames.total(),
            "bytes": self.bytes.total(),
            "sent_frames": self.sent_frames,
            "sent_bytes": self.sent_bytes,
        }

    def _follow(self, socket: Any) -> None:
        if "/channels" in socket.url:
            socket.on("framereceived", self._received)
            socket.on("framesent", self._sent)

    def _received(self, payload: str | bytes) -> None:
        data = payload.encode() if isinstance(payload, str) else payload
        kind, block = classify(data)
        self.frames[kind] += 1
        self.bytes[kind] += len(data)
        self.blocks[kind] += block

    def _sent(self, payload: str | bytes) -> None:
        self.sent_frames += 1
        self.sent_bytes += len(payload)


def classify(frame: bytes) -> tuple[str, int]:
    """Return the kind of message in a frame, and how many bytes of it are binary buffers.

    The frame is one of ``v1.kernel.websocket.jupyter.org``: a table of offsets, then channel,
    header, parent header, metadata, content and buffers.
    """
    count = int.from_bytes(frame[:_WORD], "little")
    offsets = [
        int.from_bytes(frame[_WORD * place : _WORD * (place + 1)], "little")
        for place in range(1, count + 1)
    ]
    _, header, _, _, content, *buffers = (
        frame[start:end] for start, end in itertools.pairwise(offsets)
    )
    kind = str(json.loads(header)["msg_type"])
    if kind == "comm_msg":
        data = json.loads(content)["data"]
        kind = data.get("method", kind)
        if kind == "custom":
            said = data["content"]
            kind = str(said.get("kind", kind)) if isinstance(said, dict) else kind
    return kind, sum(map(len, buffers))
