"""Looking into the kernel behind a notebook, over the server's own channel, as JSON."""

import ast
import json
import uuid

import websocket


class KernelView:
    """Evaluates expressions in a running kernel, in a subshell: also while a cell is busy."""

    def __init__(self, address: str):
        self._socket = websocket.create_connection(address, timeout=60)
        self._session = uuid.uuid4().hex
        self._subshell = None
        self._subshell = self._ask("control", "create_subshell_request", {}).get("subshell_id")

    def evaluate(self, expression: str):
        """The value of an expression over the notebook's names, through JSON."""
        content = {
            "code": "",
            "silent": True,
            "store_history": False,
            "user_expressions": {"value": f"__import__('json').dumps({expression})"},
            "allow_stdin": False,
        }
        answer = self._ask("shell", "execute_request", content)["user_expressions"]["value"]
        if answer["status"] != "ok":
            message = f"{expression}: {answer['ename']}: {answer['evalue']}"
            raise RuntimeError(message)
        return json.loads(ast.literal_eval(answer["data"]["text/plain"]))

    def close(self) -> None:
        self._socket.close()

    def _ask(self, channel: str, kind: str, content: dict) -> dict:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self._session,
            "username": "test",
            "version": "5.4",
            "date": "2026-01-01T00:00:00Z",
        }
        if channel == "shell" and self._subshell:
            header["subshell_id"] = self._subshell
        request = {
            "channel": channel,
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "buffers": [],
        }
        self._socket.send(json.dumps(request))
        while True:
            data = self._socket.recv()
            if isinstance(data, bytes):  # a block of points for the page
                continue
            message = json.loads(data)
            if (
                message["channel"] == channel
                and message["parent_header"].get("msg_id") == header["msg_id"]
            ):
                return message["content"]
