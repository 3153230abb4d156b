"""Commands to the running broker: read the files again, and end the session of a revoked device."""

import os
import signal
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from services.broker_access.accounts import AccountError

WAIT_S = 5.0
RELOAD_S = 20.0
"""Longest time until a busy broker has read its files again."""
PROGRAM = "mosquitto"


def reload(pid: int) -> None:
    """Let the broker read passwords, rules and the list of revoked certificates again. Raises AccountError.

    It disconnects at once who has no password any more.
    """
    try:
        name = psutil.Process(pid).name()
        if name != PROGRAM:
            raise AccountError(f"process {pid} is {name}, not {PROGRAM}: the files are written, the broker not told")
        os.kill(pid, signal.SIGHUP)
    except (psutil.Error, OSError) as error:
        raise AccountError(
            f"the files are written, but the broker (process {pid}) could not be told: {error}."
            " It reads them when it starts"
        ) from None


def end_session(url: str, name: str, password: str) -> bool:
    """End the session of a client by taking it over, with a password that is valid for this moment only.

    The broker uses the user name as the client id, also of who came with a certificate. False: the broker refused or
    did not answer in time.
    """
    address = urlsplit(url)
    answers: list[bool] = []
    answered = threading.Event()

    def connected(client: mqtt.Client, _data: object, _flags: object, code: object, _properties: object) -> None:
        answers.append(not getattr(code, "is_failure", True))
        client.disconnect()
        answered.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
    client.username_pw_set(name, password)
    client.on_connect = connected
    try:
        client.connect(address.hostname or "127.0.0.1", address.port or 1883)
    except OSError:
        return False
    client.loop_start()
    try:
        answered.wait(WAIT_S)
    finally:
        client.loop_stop()
    return answers == [True]


def retry(attempt: Callable[[], bool], wait_s: float = RELOAD_S) -> bool:
    """Try until it succeeds, since the broker reads its files a moment after it was told."""
    deadline = time.monotonic() + wait_s
    while not attempt():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
