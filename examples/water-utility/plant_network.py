"""Write what a network sensor of the invented water utility saw: Zeek's connections and Modbus requests.

The sensor stands at the control network (10.20.6.0/24) and the wells (10.20.8.0/24). README.md tells the story.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

DAY = datetime(2026, 10, 6, tzinfo=UTC)
SCADA, PANEL = "10.20.6.20", "10.20.6.21"
HISTORIAN, ENGINEERING, JUMP = "10.20.6.5", "10.20.6.32", "10.20.5.10"
WELL_2, WELL_3, DOSING = "10.20.8.13", "10.20.8.14", "10.20.8.15"
CONTROLLERS = (WELL_2, WELL_3, DOSING)
FORGOTTEN = "10.20.8.18"
"""A device at the wells that nobody has listed."""
DROP = "198.51.100.23"
POLL_MINUTES = 5
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
CONN = (
    "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port proto:enum service:string duration:interval"
    " orig_bytes:count resp_bytes:count conn_state:string local_orig:bool local_resp:bool missed_bytes:count history:string"
    " orig_pkts:count orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count tunnel_parents:set[string]"
)
MODBUS = (
    "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port tid:count unit:count func:string"
    " address:count quantity:count request_values:vector[count] response_values:vector[count] modbus_detailed_link_id:string"
    " matched:bool request_subfunction_code:string response_subfunction_code:string request_data:string response_data:string"
    " exception_code:string mei_type:string"
)
Row = tuple[datetime, tuple[str, ...]]


def at(clock: str) -> datetime:
    """Return the time of the day of the intrusion, from `HH:MM:SS`."""
    hour, minute, second = (int(part) for part in clock.split(":"))
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second, milliseconds=(hour * 41 + second * 17) % 1000)


@dataclass
class Sensor:
    """What the sensor writes: rows of its two logs."""

    rng: random.Random
    conn: list[Row] = field(default_factory=list)
    modbus: list[Row] = field(default_factory=list)

    def name(self, first: str) -> str:
        """Return an identifier of Zeek's form."""
        return first + "".join(self.rng.choice(LETTERS) for _ in range(17))

    def connection(self, when: datetime, ends: tuple[str, str, int], service: str, seconds: float, size: int = 900) -> str:
        """Add a connection that was answered, and return its identifier and the port that it came from."""
        uid, port = self.name("C"), str(self.rng.randrange(49152, 65535))
        there, back = size, size * 2
        values = (uid, ends[0], port, ends[1], str(ends[2]), "tcp", service, f"{seconds:.6f}", str(there), str(back), "SF")
        packets = (str(there // 60), str(there + there // 60 * 40), str(back // 90), str(back + back // 90 * 40), "-")
        self.conn.append((when, (*values, "T", "T", "0", "ShADadFf", *packets)))
        return f"{uid}\t{port}"

    def refused(self, when: datetime, ends: tuple[str, str, int]) -> None:
        """Add a connection that nobody answered."""
        values = (self.name("C"), ends[0], str(self.rng.randrange(49152, 65535)), ends[1], str(ends[2]), "tcp", "-", "-")
        self.conn.append((when, (*values, "-", "-", "S0", "T", "T", "0", "S", "1", "60", "0", "0", "-")))

    def request(self, when: datetime, origin: str, ends: tuple[str, str], func: str, values: tuple[str, ...]) -> None:
        """Add a request of Modbus with its answer; `values` are address, quantity, those sent and those returned."""
        uid, port = origin.split("\t")
        head = (uid, ends[0], port, ends[1], "502", str(self.rng.randrange(1, 65535)), "1", func, *values)
        self.modbus.append((when, (*head, self.name("a"), "T", "-", "-", "-", "-", "-", "-")))


def operation(sensor: Sensor) -> None:
    """Add the ordinary day: the server polls, operators switch pumps at the panel, an engineer looks at 09:30."""
    rng = sensor.rng
    origins = {
        target: sensor.connection(at("04:00:00"), (SCADA, target, 502), "modbus", 71990.5, 40000) for target in CONTROLLERS
    }
    for step in range(20 * 60 // POLL_MINUTES):
        for number, target in enumerate(CONTROLLERS):
            when = at("04:00:02") + timedelta(minutes=POLL_MINUTES * step, milliseconds=400 * number + rng.randrange(90))
            levels = ",".join(str(rng.randrange(2900, 3100)) for _ in range(4))
            sensor.request(when, origins[target], (SCADA, target), "READ_HOLDING_REGISTERS", ("100", "4", "-", levels))
    for clock, target, coil, value in (
        ("05:10:12", WELL_2, "3", "1"),
        ("09:02:40", WELL_2, "3", "0"),
        ("09:03:05", WELL_3, "3", "1"),
        ("15:40:21", WELL_3, "3", "0"),
    ):
        origin = sensor.connection(at(clock), (PANEL, target, 502), "modbus", 2.4)
        sensor.request(at(clock), origin, (PANEL, target), "WRITE_SINGLE_COIL", (coil, "-", value, value))
    looks = sensor.connection(at("09:30:00"), (ENGINEERING, DOSING, 502), "modbus", 300.2)
    for second in range(0, 300, 30):
        when = at("09:30:01") + timedelta(seconds=second)
        sensor.request(when, looks, (ENGINEERING, DOSING), "READ_HOLDING_REGISTERS", ("200", "2", "-", "450,455"))
    for hour in range(4, 24):
        sensor.connection(DAY + timedelta(hours=hour, minutes=7), (HISTORIAN, SCADA, 443), "ssl", 12.5, 30000)
        if 5 <= hour < 18:
            sensor.connection(DAY + timedelta(hours=hour, minutes=22), (JUMP, HISTORIAN, 22), "ssh", 41.0)


def intrusion(sensor: Sensor) -> None:
    """Add what the intruder does, as the sensor sees it; in the evening the knock of the morning becomes commands."""
    sensor.connection(at("07:05:04"), (JUMP, ENGINEERING, 3389), "rdp,ssl", 1480.0, 90000)
    sensor.connection(at("07:21:06"), (ENGINEERING, WELL_3, 502), "-", 0.02, 60)
    sensor.connection(at("07:31:41"), (JUMP, HISTORIAN, 22), "ssh", 2300.0, 60000)
    sensor.connection(at("07:43:10"), (HISTORIAN, DROP, 443), "ssl", 96.0, 4000000)
    for host in range(10, 21):
        when, target = at("21:38:00") + timedelta(milliseconds=230 * host), f"10.20.8.{host}"
        if target in (*CONTROLLERS, FORGOTTEN):
            sensor.connection(when, (ENGINEERING, target, 502), "-", 0.01, 60)
        else:
            sensor.refused(when, (ENGINEERING, target, 502))
    sensor.connection(at("21:40:30"), (JUMP, ENGINEERING, 3389), "rdp,ssl", 900.0, 90000)
    pumps = sensor.connection(at("21:44:00"), (ENGINEERING, WELL_3, 502), "modbus", 210.0, 2000)
    sensor.request(at("21:44:01"), pumps, (ENGINEERING, WELL_3), "REPORT_SLAVE_ID", ("-", "-", "-", "-"))
    sensor.request(
        at("21:44:05"), pumps, (ENGINEERING, WELL_3), "READ_HOLDING_REGISTERS", ("100", "4", "-", "2990,3012,2988,3020")
    )
    for number, coil in enumerate(("3", "4", "5")):
        when = at("21:46:10") + timedelta(seconds=4 * number)
        sensor.request(when, pumps, (ENGINEERING, WELL_3), "WRITE_SINGLE_COIL", (coil, "-", "1", "1"))
    dosing = sensor.connection(at("21:47:00"), (ENGINEERING, DOSING, 502), "modbus", 60.0, 2000)
    sensor.request(at("21:47:12"), dosing, (ENGINEERING, DOSING), "WRITE_MULTIPLE_REGISTERS", ("200", "2", "1900,1900", "-"))
    sensor.request(at("21:47:20"), dosing, (ENGINEERING, DOSING), "READ_HOLDING_REGISTERS", ("200", "2", "-", "1900,1900"))


def log_text(path: str, columns: str, rows: list[Row]) -> str:
    """Return a log as Zeek writes it, rows in time order."""
    names, kinds = zip(*(column.split(":") for column in columns.split()), strict=True)
    lines = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{path}"]
    lines += [f"#open\t{DAY:%Y-%m-%d}-04-00-00", "\t".join(("#fields", *names)), "\t".join(("#types", *kinds))]
    lines += list(_rows(rows))
    return "\n".join((*lines, f"#close\t{DAY + timedelta(days=1):%Y-%m-%d}-00-00-00")) + "\n"


def _rows(rows: list[Row]) -> Iterator[str]:
    for when, values in sorted(rows):
        yield "\t".join((f"{when.timestamp():.6f}", *values))


def write_network(folder: Path, rng: random.Random) -> None:
    """Write both logs."""
    sensor = Sensor(rng)
    operation(sensor)
    intrusion(sensor)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "conn.log").write_text(log_text("conn", CONN, sensor.conn), encoding="utf-8", newline="\n")
    modbus = log_text("modbus_detailed", MODBUS, sensor.modbus)
    (folder / "modbus_detailed.log").write_text(modbus, encoding="utf-8", newline="\n")
