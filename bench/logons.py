"""Logons for the rows of the bench: a day of a domain, in which some addresses guess passwords."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

LOGONS = 250_000
_BURST = 20_000
_GUESSES, _OF_THEM_FAIL = 300, 290


def logons(folder: Path) -> Path:
    """Return a file of JSON lines with Security 4624 and 4625, the same on each run."""
    target = folder / f"logons-{LOGONS}.jsonl"
    if not target.exists():
        random = Random(7)
        part = target.with_suffix(".part")
        with part.open("w") as file:
            for number in range(LOGONS):
                file.write(json.dumps(_logon(random, number), separators=(",", ":")) + "\n")
        part.rename(target)
    return target


def _logon(random: Random, number: int) -> dict[str, str | int]:
    begin = datetime(2026, 10, 6, tzinfo=UTC)
    time = begin + timedelta(milliseconds=340 * number + random.randrange(300))
    at = number % _BURST
    guess = at < _GUESSES and at % 3 == 0
    fails = random.random() < 0.1 or (guess and at < _OF_THEM_FAIL)
    user = random.randrange(2000)
    event: dict[str, str | int] = {
        "EventID": 4625 if fails else 4624,
        "Channel": "Security",
        "Provider_Name": "Microsoft-Windows-Security-Auditing",
        "Computer": f"HOST-{random.randrange(50):02d}.corp.example",
        "TimeCreated": time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "EventRecordID": number + 1,
        "SubjectUserSid": "S-1-0-0",
        "SubjectUserName": "-",
        "SubjectLogonId": "0x0",
        "TargetUserSid": f"S-1-5-21-1-2-3-{user}",
        "TargetUserName": f"user{user:04d}",
        "TargetDomainName": "CORP",
        "TargetLogonId": hex(random.randrange(1 << 32)),
        "LogonType": str(random.choice((2, 3, 3, 3, 5, 10))),
        "LogonProcessName": "NtLmSsp",
        "AuthenticationPackageName": "NTLM",
        "WorkstationName": f"WS-{random.randrange(300):03d}",
        "ProcessId": hex(random.randrange(4, 60_000, 4)),
        "ProcessName": "-",
        "IpAddress": f"10.0.{random.randrange(4)}.{random.randrange(250)}",
        "IpPort": str(random.randrange(49_152, 65_535)),
    }
    if guess:
        event |= {"IpAddress": f"203.0.113.{number // _BURST}", "TargetUserName": f"user{number % 37:04d}"}
        event |= {"LogonType": "3", "Computer": "DC-1.corp.example"}
    if fails:
        event |= {"Status": "0xc000006d", "SubStatus": "0xc000006a", "FailureReason": "%%2313"}
    return event


__all__ = ["LOGONS", "logons"]
