"""Names that a site file can use: protocols as logs call them, and the functions of protocols whose names are a closed list."""

from __future__ import annotations

import re
from typing import Final

from tocsin.sites.protocols import INDUSTRIAL, SERVICES

_SERVICES_OF_ZEEK: Final = """
    amqp ayiya bittorrent c1222 cotp dce_rpc dhcp dns dtls ethercat finger fox ftp ftp-data ftp_data ge_srtp geneve genesys_tls
    gssapi gtpv1 hart_ip http http2 ident imap ipsec irc ldap ldap_tcp ldap_udp mount mqtt mysql nfs nntp ntlm ntp omron_fins
    openvpn pop3 portmapper postgresql profinet_dcp profinet_io_cm profinet_rt quic radius rdp rdpeudp redis rlogin roc_plus rpc
    rsh rtp rtsp sip smb smtp snmp socks ssdp ssh stun synchrophasor syslog tds telnet teredo tftp vxlan websocket whois
    wireguard xmpp
    """
PROTOCOLS: Final = frozenset((*INDUSTRIAL, *SERVICES, *SERVICES.values(), *_SERVICES_OF_ZEEK.split()))
"""Protocols by the names of logs; a site may have others."""

_CLOSED: Final = {
    "modbus": """
        READ_COILS READ_DISCRETE_INPUTS READ_HOLDING_REGISTERS READ_INPUT_REGISTERS WRITE_SINGLE_COIL WRITE_SINGLE_REGISTER
        READ_EXCEPTION_STATUS DIAGNOSTICS PROGRAM_484 POLL_484 GET_COMM_EVENT_COUNTER GET_COMM_EVENT_LOG PROGRAM_584_984
        POLL_584_984 WRITE_MULTIPLE_COILS WRITE_MULTIPLE_REGISTERS REPORT_SLAVE_ID PROGRAM_884_U84 RESET_COMM_LINK_884_U84
        READ_FILE_RECORD WRITE_FILE_RECORD MASK_WRITE_REGISTER READ_WRITE_MULTIPLE_REGISTERS READ_FIFO_QUEUE PROGRAM_CONCEPT
        MULTIPLE_FUNCTION_CODES ENCAP_INTERFACE_TRANSPORT PROGRAM_UNITY OBJECT_MESSAGING FIRMWARE_REPLACEMENT
        PROGRAM_584_984_2 REPORT_LOCAL_ADDRESS
        """,
    "dnp3": """
        CONFIRM READ WRITE SELECT OPERATE DIRECT_OPERATE DIRECT_OPERATE_NR IMMED_FREEZE IMMED_FREEZE_NR FREEZE_CLEAR
        FREEZE_CLEAR_NR FREEZE_AT_TIME FREEZE_AT_TIME_NR COLD_RESTART WARM_RESTART INITIALIZE_DATA INITIALIZE_APPL START_APPL
        STOP_APPL SAVE_CONFIG ENABLE_UNSOLICITED DISABLE_UNSOLICITED ASSIGN_CLASS DELAY_MEASURE RECORD_CURRENT_TIME OPEN_FILE
        CLOSE_FILE DELETE_FILE GET_FILE_INFO AUTHENTICATE_FILE ABORT_FILE ACTIVATE_CONFIG AUTHENTICATE_REQ AUTHENTICATE_REQ_NR
        RESPONSE UNSOLICITED_RESPONSE AUTHENTICATE_RESP
        """,
}
FUNCTIONS: Final = {protocol: frozenset(names.split()) for protocol, names in _CLOSED.items()}
"""Protocol -> all names that its logs can have; a protocol that is not here has names that cannot be listed."""
_UNNAMED: Final = re.compile(r"unknown-\d{1,3}", re.IGNORECASE)
"""What logs write for a code without a name."""


def is_function(protocol: str, name: str) -> bool:
    """Tell whether a log of a protocol can name a function so, in any case; true where the names are no closed list."""
    known = FUNCTIONS.get(protocol)
    return known is None or name.upper() in known or _UNNAMED.fullmatch(name) is not None


__all__ = ["FUNCTIONS", "PROTOCOLS", "is_function"]
