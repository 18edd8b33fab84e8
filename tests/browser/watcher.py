"""What a page must not do: fail, complain, or talk to anyone but this machine."""

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebError, WebSocket

HOSTS = ("/static/lab/", "/static/notebook/")  # JupyterLab's own files, and Notebook 7's
LOCAL = {"127.0.0.1", ""}  # data: and blob: addresses have no host


class Watcher:
    def __init__(self):
        self.complaints: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("request", self._request)
        context.on("weberror", self._uncaught)
        context.on("page", self._page)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            place = message.location.get("url", "")
            self.complaints.append(f"console: {message.text} ({place})")

    def _uncaught(self, error: WebError) -> None:
        stack = getattr(error.error, "stack", None) or str(error.error)
        # The widget's module is a blob; what happens in the host's files alone is not its doing.
        if "blob:" in stack or not any(place in stack for place in HOSTS):
            self.complaints.append(f"uncaught: {stack}")

    def _request(self, request: Request) -> None:
        self._host(request.url)

    def _page(self, page: Page) -> None:
        page.on("websocket", self._websocket)

    def _websocket(self, socket: WebSocket) -> None:
        self._host(socket.url)

    def _host(self, url: str) -> None:
        if urlsplit(url).hostname not in {*LOCAL, None}:
            self.complaints.append(f"left the machine: {url}")
