"""A headless Chromium driven through a pipe (Chrome DevTools Protocol), where one is installed."""

import base64
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WAIT_S = 60.0
POLL_S = 0.1
READ_BYTES = 1 << 20
A4_INCHES = (8.27, 11.69)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--accept-lang=es-AR",
    "--remote-debugging-pipe",
)


class Browser:
    """One tab. Answers come in order of the commands; events in between are kept in `events`."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._unread = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its answer. Raises RuntimeError where the browser refuses."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") != self._number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        deadline = monotonic() + WAIT_S
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - monotonic()))
            if not ready:
                raise TimeoutError("the browser does not answer")
            self._unread += os.read(self._from, READ_BYTES)
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def look(self, width: int, height: int, *, dark: bool = False, scripts: bool = True) -> None:
        """Set the size of the screen, light or dark, and JavaScript on or off."""
        phone = width < 600
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        self.command("Emulation.setScriptExecutionDisabled", value=not scripts)

    def open(self, url: str) -> None:
        """Load a page and wait until it is complete."""
        self.command("Page.navigate", url=url)
        self.wait_for(f"location.href == {json.dumps(url)} && document.readyState == 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, wait_s: float = WAIT_S) -> None:
        """Wait until a JavaScript expression is true. Raises TimeoutError."""
        deadline = monotonic() + wait_s
        while not self.evaluate(expression):
            if monotonic() > deadline:
                raise TimeoutError(expression)
            sleep(POLL_S)

    def press_enter(self) -> None:
        """Press a key."""
        self._press("Enter", 13, text="\r")

    def press_tab(self) -> None:
        """Press the key that moves the focus on."""
        self._press("Tab", 9)

    def _press(self, name: str, code: int, **more: str) -> None:
        key = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        self.command("Input.dispatchKeyEvent", type="keyDown" if more else "rawKeyDown", **more, **key)
        self.command("Input.dispatchKeyEvent", type="keyUp", **key)

    def type(self, text: str) -> None:
        """Type text into the focused element."""
        self.command("Input.insertText", text=text)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """The visible part, or the whole page, as a PNG."""
        answer = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def print(self, path: Path) -> None:
        """The page on A4, as a PDF."""
        width, height = A4_INCHES
        answer = self.command("Page.printToPDF", paperWidth=width, paperHeight=height, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def complaints(self) -> list[str]:
        """Messages of the console: errors, blocked styles and scripts, exceptions."""
        found = []
        for event in self.events:
            match event:
                case {"method": "Log.entryAdded", "params": {"entry": {"level": "error" | "warning", "text": text}}}:
                    found.append(text)
                case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                    found.append(str(details))
        return found


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in `folder`."""
    assert CHROMIUM is not None
    to_browser, from_us = os.pipe(), os.pipe()
    read_end, write_end = to_browser[0], from_us[1]
    # The protocol's own numbers: the browser reads from descriptor 3 and writes to descriptor 4.
    script = f'exec 3<&{read_end} 4>&{write_end}; exec "$0" "$@"'
    process = subprocess.Popen(
        ["/bin/bash", "-c", script, CHROMIUM, *FLAGS, f"--user-data-dir={folder}"],
        pass_fds=(read_end, write_end),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_end)
    os.close(write_end)
    try:
        yield Browser(to_browser[1], from_us[0])
    finally:
        process.terminate()
        process.wait(10)
        os.close(to_browser[1])
        os.close(from_us[0])
