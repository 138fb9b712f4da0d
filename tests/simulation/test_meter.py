"""Live meters: against a real broker that goes away and comes back, and messages as other programs write them."""

import gc
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from building_clients.battery_control import SlotControl
from building_clients.readings_store import ReadingsStore
from building_clients.simulator_thread import Heartbeat
from simulation import mqtt_meter
from simulation.clock import SimClock
from simulation.measured import MeasuredBuilding
from simulation.meter_message import MessageError, parse
from simulation.minute_book import MinuteBook
from simulation.mqtt_meter import MeterConfigError
from simulation.reading import Reading
from simulation.settings import BuildingConfig, MeterConfig, MeterField
from tests.simulation.mosquitto import Broker

NOON = datetime(2026, 6, 17, 12, 0, tzinfo=UTC)
PLAIN = MeterConfig(broker="mqtt://127.0.0.1", topic="t")


@pytest.mark.parametrize(
    ("message", "config", "values"),
    [
        ({"load_power": 1250, "solar_power": "3000.5"}, PLAIN, {"load": 1.25, "solar": 3.0005}),
        ({"grid_power": -700, "battery_level": 55, "solar_power": "unavailable"}, PLAIN, {"grid": -0.7, "soc": 0.55}),
        (
            {"inverter": {"W": 4100}, "meter": {"W": -2300}, "battery": {"W": 900, "SoC": 55}},
            PLAIN.model_copy(update={"template": "sunspec"}),
            {"solar": 4.1, "grid": -2.3, "battery": 0.9, "soc": 0.55},
        ),
        (
            {"p": {"net": 2.5}, "battery_power": -100},
            PLAIN.model_copy(update={"fields": {"grid": MeterField(path="p.net", factor=-1)}}),
            {"grid": -2.5, "battery": -0.1},
        ),
    ],
)
def test_messages_of_other_programs_are_understood(
    message: dict[str, object], config: MeterConfig, values: dict[str, float]
) -> None:
    sample = parse(json.dumps(message).encode(), config, NOON)
    assert sample.moment == NOON
    assert sample.values == pytest.approx(values)


@pytest.mark.parametrize("moment", ["2026-06-17T13:59:30+02:00", "2026-06-17T11:59:30Z", 1781697570, 1781697570.0])
def test_the_time_of_measurement_counts(moment: object) -> None:
    payload = json.dumps({"time": moment, "load_power": 1}).encode()
    assert parse(payload, PLAIN, NOON).moment == NOON - timedelta(seconds=30)
    assert parse(payload, PLAIN.model_copy(update={"time": None}), NOON).moment == NOON


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"21.5 W", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b'{"power": 3}', "has none of load_power, solar_power.*building.meter.fields"),
        (b'{"load_power": "much"}', "load_power = 'much' is no number"),
        (b'{"load_power": []}', r"load_power = \[\] is no number"),
        (b'{"load_power": NaN}', "load_power = nan is no number"),
        (b'{"load_power": 1250000}', "1,250 kW, over meter.max_kw = 100; is its unit right"),
        (b'{"load_power": 1, "time": "noon"}', "time = 'noon' is no time"),
        (b'{"load_power": 1, "time": "2026-06-17T12:00"}', "has no offset"),
        (b'{"load_power": 1, "time": 1e300}', "is no time"),
    ],
)
def test_messages_that_cannot_be_used_say_why(payload: bytes, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        parse(payload, PLAIN, NOON)


def test_samples_survive_a_kill(tmp_path: Path) -> None:
    """A book that is never closed; the next one knows the same, without minutes that were recorded meanwhile."""
    book = MinuteBook(tmp_path / "spool", NOON)
    for second in range(0, 180, 10):
        assert book.add(NOON + timedelta(seconds=second), {"load": second / 10}, NOON + timedelta(seconds=second))
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o600, "samples are the building's own"
    with (tmp_path / "spool").open("a") as file:
        file.write('{"minute": "2026-06')
    again = MinuteBook(tmp_path / "spool", NOON + timedelta(minutes=1))
    assert again.take(NOON) is None
    second_minute = again.take(NOON + timedelta(minutes=1))
    assert second_minute is not None
    assert second_minute.means() == {"load": pytest.approx((6 + 11) / 2)}
    assert again.newest == NOON + timedelta(minutes=2)
    assert not again.add(NOON, {"load": 9.0}, NOON)
    assert again.dropped == 1


def test_the_spool_does_not_grow(tmp_path: Path) -> None:
    book = MinuteBook(tmp_path / "spool", NOON)
    for minute in range(300):
        moment = NOON + timedelta(minutes=minute)
        for second in (0, 20, 40):
            book.add(moment + timedelta(seconds=second), {"load": 1.0}, moment)
        book.take(moment)
    assert len((tmp_path / "spool").read_text().splitlines()) < 120


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    started = Broker(tmp_path / "broker")
    yield started
    started.stop()


class House:
    """A building with a meter, its store and its heart-beat; time is real."""

    def __init__(self, folder: Path, broker: Broker, battery_kwh: float = 0.0, **meter: object) -> None:
        config = MeterConfig.model_validate({"broker": broker.url, "topic": "house/energy"} | meter)
        self.config = BuildingConfig(id="B6", peak_solar_kw=5.0, battery_capacity_kwh=battery_kwh, meter=config)
        self.folder = folder
        self.start_of_time = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
        self.clock = SimClock(start=self.start_of_time, wall_start=self.start_of_time, speed=1, slot_minutes=15)

    def open(self) -> "House":
        self.store = ReadingsStore(self.folder / "readings", "B6")
        begin = self.store.last() or Reading(
            building_id="B6", seq=0, timestamp=self.start_of_time - timedelta(minutes=1), load_kw=0, pv_kw=0,
            battery_kw=0, soc=None, grid_kw=0, net_flow_kw=0,
        )  # fmt: skip
        try:
            self.building = MeasuredBuilding(self.config, self.clock, self.folder, begin)
        except MeterConfigError:
            self.store.close()
            raise
        self.heartbeat = Heartbeat(self.store, self.building, self.clock, lambda: None)
        self.heartbeat._next = begin.timestamp + timedelta(minutes=1)
        return self

    def close(self) -> None:
        self.building.close()
        self.store.close()

    def record(self, rows: int) -> list[Reading]:
        """Wait until there are so many rows."""
        wait_for(lambda: (self.heartbeat.record_finished_minutes(), self.store.count)[1] >= rows)
        return self.store.since(-1, 10_000)


def wait_for(done: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def publish(broker: Broker) -> Iterator[Callable[..., None]]:
    """Another program at the broker, which reconnects when the broker comes back."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="home-assistant")
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()

    def send(moment: datetime, topic: str = "house/energy", **values: object) -> None:
        wait_for(client.is_connected)
        payload = json.dumps({"time": moment.isoformat(), **values})
        client.publish(topic, payload, qos=1).wait_for_publish(20)

    yield send
    client.disconnect()
    client.loop_stop()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_meter, "QUIET_S", 1.0)


def subscribed(house: House) -> None:
    wait_for(lambda: house.building._meter._connected)
    time.sleep(0.3)


def test_minutes_are_the_means_of_their_messages(tmp_path: Path, broker: Broker, publish: Callable[..., None]) -> None:
    with closing(House(tmp_path / "b6", broker, battery_kwh=10).open()) as house:
        subscribed(house)
        start = house.start_of_time
        for second in range(0, 240, 10):
            if not 120 <= second < 180:  # a minute without messages
                publish(
                    start + timedelta(seconds=second),
                    grid_power=-1000 - second, solar_power=4000, battery_power=500, battery_level=50 + second / 10,
                )  # fmt: skip
        rows = house.record(3)
        assert [row.timestamp for row in rows] == [start + timedelta(minutes=minute) for minute in (0, 1, 3)]
        assert [row.seq for row in rows] == [0, 1, 2]
        first = rows[0]
        assert (first.pv_kw, first.battery_kw) == (4.0, 0.5)
        assert first.grid_kw == pytest.approx(-1.025)
        assert first.load_kw == pytest.approx(-1.025 + 4.0 - 0.5)
        assert first.soc == pytest.approx(0.525)
        assert first.quality == "measured+late"
        assert len(list(house.building.history(NOON, 28))) == 0
        limits = house.building.battery
        assert limits is not None
        assert (limits.capacity_kwh, limits.charge_kw) == (10, 5)
        assert not house.building.follow(SlotControl(house.clock))


def test_solar_alone_makes_no_reading(
    tmp_path: Path, broker: Broker, publish: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """And messages that cannot be used do no harm."""
    with closing(House(tmp_path / "b6", broker).open()) as house, caplog.at_level(logging.WARNING):
        subscribed(house)
        start = house.start_of_time
        publish(start, solar_power=1000)
        publish(start + timedelta(minutes=1), load_power=500)
        publish(start + timedelta(minutes=2), load_power="much", solar_power=1)
        publish(start + timedelta(days=2), load_power=500, solar_power=1000)
        publish(start + timedelta(minutes=3), load_power=500, solar_power=1000)
        rows = house.record(1)
        assert [(row.load_kw, row.pv_kw, row.grid_kw) for row in rows] == [(0.5, 1.0, -0.5)]
    assert "no load or grid in the messages" in caplog.text
    assert "no solar in the messages" in caplog.text
    assert "load_power = 'much' is no number" in caplog.text
    assert "which is to come: check its clock" in caplog.text


def test_a_broker_that_goes_and_returns_loses_nothing(
    tmp_path: Path, broker: Broker, publish: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Messages before the break, while the building is away from the broker, and after: every minute is there once."""
    with closing(House(tmp_path / "b6", broker).open()) as house, caplog.at_level(logging.WARNING):
        subscribed(house)
        start = house.start_of_time
        for minute in range(3):
            publish(start + timedelta(minutes=minute), load_power=1000 + minute, solar_power=0)
        house.record(2)
        broker.stop()
        wait_for(lambda: "is gone" in caplog.text)
        house.building._meter._client.reconnect_delay_set(3, 3)  # so that the other program is back first
        assert house.building.known_until(datetime.now(UTC)) <= start + timedelta(minutes=3)
        broker.start()
        for minute in range(3, 12):
            publish(start + timedelta(minutes=minute), load_power=1000 + minute, solar_power=0)
        rows = house.record(12)
        assert [row.timestamp for row in rows] == [start + timedelta(minutes=minute) for minute in range(12)]
        assert [row.load_kw for row in rows] == [pytest.approx(1 + minute / 1000) for minute in range(12)]


def test_a_building_that_was_down_gets_what_the_broker_kept(
    tmp_path: Path, broker: Broker, publish: Callable[..., None]
) -> None:
    house = House(tmp_path / "b6", broker)
    with closing(house.open()):
        subscribed(house)
        publish(house.start_of_time, load_power=700, solar_power=0)
        publish(house.start_of_time + timedelta(seconds=70), load_power=900, solar_power=0)
        wait_for(lambda: house.building._meter._book.newest == house.start_of_time + timedelta(minutes=1))
    for minute in range(2, 8):
        publish(house.start_of_time + timedelta(minutes=minute), load_power=700, solar_power=0)
    broker.stop()
    broker.start()
    with closing(house.open()):
        rows = house.record(8)
        assert [row.timestamp for row in rows] == [house.start_of_time + timedelta(minutes=i) for i in range(8)]
        assert [row.load_kw for row in rows[:3]] == [0.7, 0.9, 0.7]


def test_an_account_at_the_broker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(tmp_path / "broker", password="secret")
    (tmp_path / "password").write_text("secret\n")
    try:
        with closing(
            House(tmp_path / "b6", broker, username="b6", password_file=f"{tmp_path}/password").open()
        ) as house:
            subscribed(house)
        with closing(House(tmp_path / "b7", broker).open()), caplog.at_level(logging.WARNING):
            wait_for(lambda: "refuses the connection" in caplog.text)
        assert "meter.username and meter.password_file" in caplog.text
        assert "secret" not in caplog.text
        with pytest.raises(MeterConfigError, match=r"password_file = '/nowhere' cannot be read"):
            House(tmp_path / "b8", broker, username="b6", password_file="/nowhere").open()
    finally:
        broker.stop()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site broker")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "broker.pem").write_bytes(built.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "broker.key").write_bytes(secret)
    return folder / "broker.pem", folder / "broker.key"


@pytest.mark.filterwarnings(  # paho leaves the socket of a refused handshake to the garbage collector
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
def test_a_broker_behind_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Only who knows the site's authority trusts its broker."""
    pem, key = certificate(tmp_path)
    broker = Broker(tmp_path / "broker", certificate=(pem, key))
    try:
        with closing(House(tmp_path / "b6", broker, ca_file=str(pem)).open()) as house:
            subscribed(house)
        with closing(House(tmp_path / "b7", broker).open()), caplog.at_level(logging.WARNING):
            wait_for(lambda: f"broker {broker.url} cannot be reached" in caplog.text)
        (tmp_path / "empty.pem").write_text("")
        for wrong in ("/nowhere.pem", str(tmp_path / "empty.pem")):
            with pytest.raises(MeterConfigError, match=f"ca_file = '{wrong}' cannot be used"):
                House(tmp_path / "b8", broker, ca_file=wrong).open()
    finally:
        broker.stop()
        gc.collect()  # here, where the warning is expected


def test_a_broker_that_is_not_there_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(tmp_path / "broker")
    broker.stop()
    with closing(House(tmp_path / "b6", broker).open()) as house, caplog.at_level(logging.WARNING):
        wait_for(lambda: f"broker {broker.url} cannot be reached" in caplog.text)
        assert house.heartbeat.record_finished_minutes() == 0
