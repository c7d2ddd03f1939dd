"""What tells a Zeek log that does not name itself: the keys that its rows have.

Zeek's own JSON has no name of the log, and leaves out what is unset; so each log is told by keys that it always writes, or
by one of several sets.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_LOGS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("conn", ("uid conn_state", "uid missed_bytes orig_pkts")),
    ("dns", ("uid AA TC RD RA",)),
    ("http", ("uid trans_depth request_body_len",)),
    ("smtp", ("uid trans_depth tls", "uid trans_depth helo", "uid trans_depth mailfrom")),
    ("ssl", ("uid established resumed", "uid established version")),
    ("x509", ("certificate.serial", "certificate_serial", "certificate fingerprint")),
    ("files", ("fuid seen_bytes depth",)),
    ("pe", ("id machine is_exe", "id is_exe is_64bit")),
    ("smb_mapping", ("uid share_type",)),
    ("smb_files", ("uid action name path", "uid action times.modified", "uid action times_modified", "uid action name size")),
    ("dce_rpc", ("uid endpoint operation", "uid named_pipe operation", "uid named_pipe endpoint")),
    ("ntlm", ("uid server_nb_computer_name", "uid hostname domainname", "uid domainname username")),
    ("rdp", ("uid cert_count", "uid security_protocol cookie")),
    (
        "kerberos",
        ("uid request_type service", "uid request_type client", "uid success service", "uid success client"),
    ),
    ("ssh", ("uid auth_attempts", "uid kex_alg host_key_alg")),
    ("notice", ("note actions", "note suppress_for")),
    ("weird", ("name notice peer",)),
    ("software", ("software_type name",)),
    ("ftp", ("uid command user", "uid command reply_code", "uid data_channel.passive", "uid command arg file_size")),
    ("dhcp", ("uids msg_types",)),
    ("snmp", ("uid get_requests get_bulk_requests",)),
    ("sip", ("uid trans_depth request_from", "uid trans_depth call_id", "uid trans_depth request_path response_path")),
    ("irc", ("uid nick command", "uid nick user")),
    ("mysql", ("uid cmd arg",)),
    ("radius", ("uid username result", "uid framed_addr")),
    ("ntp", ("uid stratum poll",)),
    ("ldap_search", ("uid message_id base_object", "uid message_id deref_aliases")),
    ("ldap", ("uid message_id opcode",)),
    ("quic", ("uid client_initial_dcid", "uid server_scid client_protocol")),
    ("socks", ("uid bound.host", "uid request.host", "uid bound_p request_p")),
    ("tunnel", ("uid tunnel_type action",)),
    ("mqtt_connect", ("uid proto_name proto_version connect_status", "uid proto_name client_id")),
    ("mqtt_publish", ("uid from_client retain qos",)),
    ("mqtt_subscribe", ("uid action topics ack",)),
    ("dpd", ("uid analyzer failure_reason",)),
    ("analyzer", ("cause analyzer_kind", "analyzer_kind analyzer_name")),
    ("ocsp", ("id hashAlgorithm serialNumber",)),
    ("known_services", ("host port_num port_proto",)),
    ("known_certs", ("host port_num issuer_subject", "host port_num serial")),
    ("capture_loss", ("gaps acks percent_lost",)),
    ("stats", ("peer mem pkts_proc",)),
    ("packet_filter", ("node filter init success",)),
    ("reporter", ("level message location",)),
    ("modbus_mask_write_register", ("uid and_mask or_mask",)),
    ("modbus_read_write_multiple_registers", ("uid write_start_address", "uid read_start_address", "uid read_registers")),
    ("modbus_read_device_identification", ("uid conformity_level_code", "uid object_id_code object_value")),
    ("modbus_register_change", ("uid register old_val new_val",)),
    ("modbus", ("uid func pdu_type",)),
    ("modbus_detailed", ("uid unit func",)),
    ("modbus", ("uid func",)),
    ("dnp3_control", ("uid block_type function_code",)),
    ("dnp3_objects", ("uid function_code object_type",)),
    ("dnp3", ("uid fc_request", "uid fc_reply")),
    ("s7comm_upload_download", ("uid rosctr pdu_reference",)),
    ("s7comm_read_szl", ("uid szl_id", "uid szl_id_name")),
    ("s7comm_known_devices", ("uid automation_system_name", "uid plant_name", "uid module_serial")),
    ("s7comm", ("uid rosctr_code",)),
    ("s7comm_plus", ("uid opcode opcode_name version",)),
    ("cotp", ("uid pdu_code pdu_name",)),
    ("enip", ("uid enip_command",)),
    ("cip_identity", ("uid vendor_id product_name", "uid device_type_name encapsulation_version")),
    ("cip_io", ("uid connection_id io_data",)),
    ("cip", ("uid cip_service_code", "uid cip_sequence_count")),
    ("bacnet_discovery", ("uid pdu_service object_type instance_number range", "uid pdu_service object_name range")),
    ("bacnet_device_control", ("uid pdu_service time_duration", "uid pdu_service device_state")),
    ("bacnet_property", ("uid pdu_service property",)),
    ("bacnet", ("uid bvlc_function",)),
)
"""Log -> sets of keys, any of which tells it. The first log that fits counts."""

_MOST_KEYS: Final = 200
"""A row with more keys is of no known log."""
_SETS: Final = tuple((name, tuple(frozenset(keys.split()) for keys in sets)) for name, sets in _LOGS)

DOTTED: Final[dict[str, str]] = {
    name.replace(".", "_"): name
    for name in (
        "id.orig_h",
        "id.orig_p",
        "id.resp_h",
        "id.resp_p",
        *(
            f"certificate.{part}"
            for part in (
                "version",
                "serial",
                "subject",
                "issuer",
                "not_valid_before",
                "not_valid_after",
                "key_alg",
                "sig_alg",
                "key_type",
                "key_length",
                "exponent",
                "curve",
            )
        ),
        *(f"san.{part}" for part in ("dns", "uri", "email", "ip")),
        "basic_constraints.ca",
        "basic_constraints.path_len",
        *(f"times.{part}" for part in ("modified", "accessed", "created", "changed")),
    )
}
"""Names of fields as writers without dots spell them -> Zeek's own."""


def log_of_keys(keys: frozenset[str]) -> str:
    """Return the name of the log whose rows have such keys; empty when none is known."""
    return _log_of_keys(keys) if len(keys) <= _MOST_KEYS else ""


@lru_cache(maxsize=4096)
def _log_of_keys(keys: frozenset[str]) -> str:
    return next((name for name, sets in _SETS if any(wanted <= keys for wanted in sets)), "")


__all__ = ["DOTTED", "log_of_keys"]
