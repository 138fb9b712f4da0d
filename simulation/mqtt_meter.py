"""A live meter behind an MQTT broker, followed with Eclipse Paho through every break of the line."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from simulation.clock import MINUTE, SimClock
from simulation.errors import MicrogridError
from simulation.meter_message import MessageError, Sample, parse
from simulation.minute_book import MeterSpoolError, Minute, MinuteBook
from simulation.settings import MeterConfig

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=5)
"""So long after its end a minute may still be added to."""
FUTURE = timedelta(minutes=5)
"""A message this far ahead of time comes from a clock that is wrong."""
QUIET_S = 10.0
"""A broker that sends nothing for so long after a connection has no more old messages [wall s]"""
PORTS = {"mqtt": 1883, "mqtts": 8883}


class MeterConfigError(MicrogridError):
    """The meter cannot be followed as configured; the text names the key and the fix."""


class MqttMeter:
    """Subscribes with quality of service 1 and a session that outlives the line: what the broker keeps is not lost.

    A message is acknowledged when it is on disk. While the line is broken no minute counts as known, so what comes
    after the break still finds its place.
    """

    def __init__(self, building_id: str, config: MeterConfig, clock: SimClock, book: MinuteBook) -> None:
        self._config = config
        self._clock = clock
        self._book = book
        self._lock = threading.Lock()
        self._connected = False
        self._last_event = time.monotonic()
        self._caught_up = False
        self._complaint = ""
        self._client = self._new_client(building_id)

    def start(self) -> None:
        """Connect in the background, and again after every break."""
        address = urlsplit(self._config.broker)
        self._client.connect_async(str(address.hostname), address.port or PORTS[address.scheme])
        self._client.loop_start()

    def stop(self) -> None:
        """Leave the broker; it keeps the session and its messages."""
        self._client.disconnect()
        self._client.loop_stop()

    def take(self, minute: datetime) -> Minute | None:
        """What was measured in a minute."""
        return self._book.take(minute)

    def known_until(self, now: datetime) -> datetime:
        """End of the minutes that no message will change: up to a moment ago, or to the newest message while old ones
        are still missing."""
        with self._lock:
            quiet = time.monotonic() - self._last_event > QUIET_S
            live = self._connected and (self._caught_up or quiet)
        newest = self._book.newest
        if live:
            return now - GRACE
        return datetime.min.replace(tzinfo=UTC) if newest is None else min(newest, now)

    def _new_client(self, building_id: str) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"microgrid-{building_id}", clean_session=False, manual_ack=True
        )
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_connect_fail = lambda *_: self._complain("cannot be reached")
        client.reconnect_delay_set(1, 30)
        if self._config.username is not None:
            client.username_pw_set(self._config.username, _password(self._config.password_file))
        if self._config.broker.startswith("mqtts:"):
            _secure(client, self._config.ca_file)
        return client

    def _on_connect(
        self, client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._complain(f"refuses the connection ({reason}); see meter.username and meter.password_file")
            return
        client.subscribe(self._config.topic, qos=1)
        with self._lock:
            self._connected, self._caught_up, self._last_event = True, False, time.monotonic()
        log.info("following %s at %s", self._config.topic, self._config.broker)
        self._complaint = ""

    def _on_subscribe(
        self, client: Client, _: Any, mid: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._complain(f"does not let us follow {self._config.topic}; see the rights of meter.username there")

    def _on_disconnect(
        self, client: Client, _: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        with self._lock:
            self._connected = False
        if reason.is_failure:
            self._complain(f"is gone ({reason})")

    def _on_message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        arrived = datetime.now(UTC)
        try:
            sample = parse(message.payload, self._config, arrived)
        except MessageError as error:
            self._complain(f"sent a message on {message.topic} that is left out: {error}")
        else:
            if not message.retain and not self._keep(sample, arrived):
                return  # not acknowledged: the broker sends it again after the next connection
            with self._lock:
                self._caught_up |= abs(arrived - sample.moment) < MINUTE
        with self._lock:
            self._last_event = time.monotonic()
        client.ack(message.mid, message.qos)

    def _keep(self, sample: Sample, arrived: datetime) -> bool:
        """False when the disk does not take the sample."""
        if sample.moment - arrived > FUTURE:
            self._complain(f"sent a message of {sample.moment:%Y-%m-%d %H:%M} UTC, which is to come: check its clock")
            return True
        try:
            fresh = self._book.add(self._clock.at(sample.moment), sample.values, self._clock.at(arrived))
        except MeterSpoolError as error:
            self._complain(f"sent a message that cannot be kept: {error}")
            return False
        if not fresh:
            self._complain(f"sent a message of {sample.moment:%Y-%m-%d %H:%M} UTC, a minute that is recorded already")
        return True

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            log.warning("meter: broker %s %s", self._config.broker, text)
        self._complaint = text


def _secure(client: Client, ca_file: str | None) -> None:
    path = None if ca_file is None else Path(ca_file).expanduser()
    try:
        client.tls_set(ca_certs=None if path is None else str(path))
    except OSError as error:  # ssl.SSLError, too
        raise MeterConfigError(f"meter.ca_file = {ca_file!r} cannot be used ({error.strerror or error})") from error


def _password(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return Path(file).expanduser().read_text(encoding="utf-8").strip()
    except OSError as error:
        raise MeterConfigError(f"meter.password_file = {file!r} cannot be read ({error.strerror})") from error
