"""A real ipykernel, spoken to as a front end does, with everything it says kept."""

import ast
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import zmq
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.jsonutil import json_default

Message = dict


class CellError(Exception):
    """A cell raised; the text holds the exception's type and message."""


class RealKernel:
    """Runs cells, evaluates expressions, and plays the page's side of the comms."""

    def __init__(self, client: BlockingKernelClient, manager: KernelManager):
        self._client = client
        self._manager = manager
        # A page may send NaN, too.
        client.session.pack = _pack
        self._replies: dict[str, Message] = {}
        self.iopub: list[Message] = []
        self._poller = zmq.Poller()
        for channel in (client.shell_channel, client.iopub_channel, client.control_channel):
            self._poller.register(channel.socket, zmq.POLLIN)

    # Cells

    def start(self, code: str, *, subshell: str | None = None, cell: str | None = None) -> str:
        """Send a cell, by its name if it has one, and return at once with the id of the request."""
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        return self._request("shell", "execute_request", content, subshell=subshell, cell=cell)

    def finish(self, request: str, seconds: float = 60) -> list[Message]:
        """Wait for the end of a cell and return its outputs; raise what it raised."""
        reply = self.reply(request, seconds)
        self.until(lambda: self._is_idle(request), "the cell's end", seconds)
        if reply["content"]["status"] != "ok":
            message = "{ename}: {evalue}".format(**reply["content"])
            raise CellError(message)
        return [
            message for message in self.iopub if message["parent_header"].get("msg_id") == request
        ]

    def run(self, code: str, seconds: float = 60, *, cell: str | None = None) -> list[Message]:
        """Run a cell to its end and return its outputs; raise what it raised."""
        return self.finish(self.start(code, cell=cell), seconds)

    def is_finished(self, request: str) -> bool:
        self.pump()
        return request in self._replies

    def evaluate(self, expression: str, *, subshell: str | None = None):
        """The value of an expression over the cells' names, through JSON."""
        content = {
            "code": "",
            "silent": True,
            "store_history": False,
            "user_expressions": {"value": f"__import__('json').dumps(({expression}))"},
            "allow_stdin": False,
        }
        request = self._request("shell", "execute_request", content, subshell=subshell)
        answer = self.reply(request)["content"]["user_expressions"]["value"]
        if answer["status"] != "ok":
            message = f"{expression}: {answer['ename']}: {answer['evalue']}"
            raise CellError(message)
        return json.loads(ast.literal_eval(answer["data"]["text/plain"]))

    def new_subshell(self) -> str:
        request = self._request("control", "create_subshell_request", {})
        return self.reply(request)["content"]["subshell_id"]

    def delete_subshell(self, subshell: str) -> None:
        content = {"subshell_id": subshell}
        self.reply(self._request("control", "delete_subshell_request", content))

    def interrupt(self) -> None:
        """What the interrupt button does: SIGINT to the kernel's whole process group."""
        self._manager.interrupt_kernel()

    # Comms: the page's side

    def comm_of(self, expression: str) -> str:
        """The comm id of a widget that an expression names."""
        return self.evaluate(f"({expression}).comm.comm_id")

    def send(
        self, comm: str, content: dict, *, buffers: list | None = None, subshell: str | None = None
    ) -> str:
        """Send a custom message to the widget, as the page does."""
        data = {"method": "custom", "content": content}
        return self.send_raw(comm, data, buffers=buffers, subshell=subshell)

    def set_state(self, comm: str, state: dict, *, subshell: str | None = None) -> str:
        """Write synced traits, as the page does."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        return self.send_raw(comm, data, subshell=subshell)

    def send_raw(
        self, comm: str, data, *, buffers: list | None = None, subshell: str | None = None
    ) -> str:
        """Send any data on a comm, well-formed or not."""
        content = {"comm_id": comm, "data": data}
        return self._request("shell", "comm_msg", content, buffers=buffers, subshell=subshell)

    def customs(self, comm: str, kind: str | None = None) -> list[tuple[dict, list]]:
        """Custom messages the widget has sent so far: content and buffers."""
        self.pump()
        found = []
        for message in self.iopub:
            content = message["content"]
            if message["msg_type"] == "comm_msg" and content["comm_id"] == comm:
                data = content["data"]
                if data.get("method") == "custom" and kind in (None, data["content"].get("kind")):
                    found.append((data["content"], message["buffers"]))
        return found

    def ask(self, comm: str, content: dict, *, subshell: str | None = None) -> dict:
        """Send a request that carries an id and wait for the reply that carries it too."""
        self.send(comm, content, subshell=subshell)

        def answers() -> list[dict]:
            replies = self.customs(comm, "reply")
            return [reply for reply, _ in replies if reply.get("id") == content["id"]]

        self.until(answers, f"a reply to {content}")
        return answers()[-1]

    # Waiting

    def reply(self, request: str, seconds: float = 60) -> Message:
        self.until(lambda: request in self._replies, "a reply", seconds)
        return self._replies[request]

    def until(self, condition: Callable[[], object], what: str, seconds: float = 30) -> None:
        """Wait for a condition, taking in what the kernel says meanwhile."""
        deadline = monotonic() + seconds
        while not condition():
            assert monotonic() < deadline, f"not within {seconds} s: {what}"
            self.pump(0.02)

    def until_true(self, expression: str, seconds: float = 30) -> None:
        """Wait until an expression is true in the kernel."""
        self.until(lambda: self.evaluate(f"bool({expression})"), expression, seconds)

    def pump(self, seconds: float = 0) -> None:
        """Take in everything that has arrived, after waiting for a first message."""
        session = self._client.session
        while ready := dict(self._poller.poll(seconds * 1000)):
            seconds = 0
            for socket in ready:
                _, message = session.recv(socket, mode=zmq.NOBLOCK)
                if socket is self._client.iopub_channel.socket:
                    self.iopub.append(message)
                else:
                    self._replies[message["parent_header"]["msg_id"]] = message

    def forget(self) -> None:
        """Drop what the kernel has said so far."""
        self.pump()
        self.iopub.clear()
        self._replies.clear()

    def _is_idle(self, request: str) -> bool:
        return any(
            message["msg_type"] == "status"
            and message["content"]["execution_state"] == "idle"
            and message["parent_header"].get("msg_id") == request
            for message in self.iopub
        )

    def _request(
        self,
        channel: str,
        kind: str,
        content: dict,
        *,
        buffers: list | None = None,
        subshell: str | None = None,
        cell: str | None = None,
    ) -> str:
        session = self._client.session
        message = session.msg(kind, content, metadata={"cellId": cell} if cell else None)
        if subshell:
            message["header"]["subshell_id"] = subshell
        socket = getattr(self._client, f"{channel}_channel").socket
        session.send(socket, message, buffers=buffers)
        return message["header"]["msg_id"]


def _pack(message: object) -> bytes:
    return json.dumps(message, default=json_default).encode()


@contextmanager
def start_kernel(folder) -> Iterator[RealKernel]:
    """Start a kernel in a folder, and end it with everything it started."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder))
    client = manager.blocking_client()
    try:
        # No heartbeat: its thread can block in a send for ever, and the end would wait for it.
        client.start_channels(hb=False)
        client.wait_for_ready(timeout=60)
        yield RealKernel(client, manager)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
