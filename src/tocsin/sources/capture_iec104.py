"""IEC 60870-5-104 in captures: the log `iec104`, one event for each APDU, with names of our own.

Types have the names of the standard (`C_SC_NA_1`), causes its abbreviations in lower case (`act`, `actcon`, `spont`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tocsin.sources.capture_frames import (
    Frame,
    Made,
    all_numbers,
    first_number,
    flag,
    nodes,
    number_of,
    one_or_all,
    present,
    walk,
    words,
)

_INFORMATION: Final = 0
_SUPERVISION: Final = 1
_UNNUMBERED: Final = {
    0x01: "STARTDT act",
    0x02: "STARTDT con",
    0x04: "STOPDT act",
    0x08: "STOPDT con",
    0x10: "TESTFR act",
    0x20: "TESTFR con",
}
_TYPE_RUNS: Final = {
    1: "M_SP_NA_1 M_SP_TA_1 M_DP_NA_1 M_DP_TA_1 M_ST_NA_1 M_ST_TA_1 M_BO_NA_1 M_BO_TA_1 M_ME_NA_1 M_ME_TA_1 M_ME_NB_1 "
    "M_ME_TB_1 M_ME_NC_1 M_ME_TC_1 M_IT_NA_1 M_IT_TA_1 M_EP_TA_1 M_EP_TB_1 M_EP_TC_1 M_PS_NA_1 M_ME_ND_1",
    30: "M_SP_TB_1 M_DP_TB_1 M_ST_TB_1 M_BO_TB_1 M_ME_TD_1 M_ME_TE_1 M_ME_TF_1 M_IT_TB_1",
    38: "M_EP_TD_1 M_EP_TE_1 M_EP_TF_1 S_IT_TC_1",
    45: "C_SC_NA_1 C_DC_NA_1 C_RC_NA_1 C_SE_NA_1 C_SE_NB_1 C_SE_NC_1 C_BO_NA_1",
    58: "C_SC_TA_1 C_DC_TA_1 C_RC_TA_1 C_SE_TA_1 C_SE_TB_1 C_SE_TC_1 C_BO_TA_1",
    70: "M_EI_NA_1",
    81: "S_CH_NA_1 S_RP_NA_1 S_AR_NA_1 S_KR_NA_1 S_KS_NA_1 S_KC_NA_1 S_ER_NA_1",
    90: "S_US_NA_1 S_UQ_NA_1 S_UR_NA_1 S_UK_NA_1 S_UA_NA_1 S_UC_NA_1",
    100: "C_IC_NA_1 C_CI_NA_1 C_RD_NA_1 C_CS_NA_1 C_TS_NA_1 C_RP_NA_1 C_CD_NA_1 C_TS_TA_1",
    110: "P_ME_NA_1 P_ME_NB_1 P_ME_NC_1 P_AC_NA_1",
    120: "F_FR_NA_1 F_SR_NA_1 F_SC_NA_1 F_LS_NA_1 F_AF_NA_1 F_SG_NA_1 F_DR_TA_1 F_SC_NB_1",
}
TYPES: Final = {first + at: name for first, names in _TYPE_RUNS.items() for at, name in enumerate(names.split())}
"""Type identification -> its name in the standard."""
_CAUSE_RUNS: Final = {
    1: "per/cyc back spont init req act actcon deact deactcon actterm retrem retloc file auth seskey usrkey",
    20: "inrogen " + " ".join(f"inro{group}" for group in range(1, 17)),
    37: "reqcogen " + " ".join(f"reqco{group}" for group in range(1, 5)),
    44: "unknown_type unknown_cause unknown_asdu_address unknown_object_address",
}
CAUSES: Final = {first + at: name for first, names in _CAUSE_RUNS.items() for at, name in enumerate(names.split())}
"""Cause of transmission -> its abbreviation in the standard."""
_VALUES: Final = frozenset(
    f"iec60870_asdu.{name}"
    for name in words("siq.spi diq.dpi vti.v bitstring normval scalval float bcr.count sco.on dco.on rco.up")
)
_SELECTS: Final = tuple(f"iec60870_asdu.{name}.se" for name in ("sco", "dco", "rco", "qos"))
_QUALIFIERS: Final = ("sco.qu", "dco.qu", "rco.qu", "qos.ql", "qoi", "qcc", "qrp", "qpm", "coi")


class Iec104:
    """Makes events of IEC 60870-5-104."""

    layer = "iec60870_104"

    def events(self, frame: Frame) -> Iterator[Made]:
        """Yield the events of a packet, which may hold several APDUs; the ASDUs are those of its I-format ones, in order."""
        units = iter(nodes(frame.layers.get("iec60870_asdu")))
        for header in nodes(frame.layers.get("iec60870_104")):
            kind = first_number(header, "iec60870_104.type")
            if kind is None:
                continue
            if kind == _INFORMATION:
                fields = {"apdu_type": "I"} | _unit(next(units, {}))
            elif kind == _SUPERVISION:
                fields = {"apdu_type": "S"}
            else:
                code = first_number(header, "iec60870_104.utype")
                name = None if code is None else _UNNUMBERED.get(code, f"unknown-0x{code:02x}")
                fields = {"apdu_type": "U"} | present(u_function=name)
            numbers = present(
                send_sequence=first_number(header, "iec60870_104.tx"),
                receive_sequence=first_number(header, "iec60870_104.rx"),
            )
            yield Made("iec104", frame.origin, fields | numbers)

    def flush(self) -> Iterator[Made]:
        """Yield nothing: no event waits for another packet."""
        yield from ()


def _unit(unit: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an ASDU; addresses and values are one, or a list for several objects."""
    kind = first_number(unit, "iec60870_asdu.typeid")
    cause = first_number(unit, "iec60870_asdu.causetx")
    select = next((choice for name in _SELECTS if (choice := flag(unit, name)) is not None), None)
    return present(
        type_id=kind,
        type_name=None if kind is None else TYPES.get(kind, f"unknown-{kind}"),
        cause_code=cause,
        cause=None if cause is None else CAUSES.get(cause, f"unknown-{cause}"),
        negative=flag(unit, "iec60870_asdu.nega"),
        test=flag(unit, "iec60870_asdu.test"),
        originator_address=first_number(unit, "iec60870_asdu.oa"),
        common_address=first_number(unit, "iec60870_asdu.addr"),
        object_count=first_number(unit, "iec60870_asdu.numix"),
        ioa=one_or_all(all_numbers(unit, "iec60870_asdu.ioa")),
        value=one_or_all([_value(item) for key, item in walk(unit) if key in _VALUES and isinstance(item, str)]),
        select=select,
        qualifier=next((found for name in _QUALIFIERS if (found := _number(unit, name)) is not None), None),
    )


def _number(unit: dict[str, Any], name: str) -> int | None:
    return first_number(unit, f"iec60870_asdu.{name}")


def _value(text: str) -> int | float | str:
    number = number_of(text)
    if number is not None:
        return number
    try:
        return float(text)
    except ValueError:
        return text


__all__ = ["CAUSES", "TYPES", "Iec104"]
