"""Windows channels, services and categories: the data behind `logsource.py`.

Source: Sigma's taxonomy appendix, the channel lists of the Windows event manifests, Sysmon's event ids; semantics 18.
"""

from __future__ import annotations

from typing import Final

SYSMON: Final = "Microsoft-Windows-Sysmon/Operational"
SYSMON_LINUX: Final = "Linux-Sysmon/Operational"
SECURITY: Final = "Security"
DEFENDER: Final = "Microsoft-Windows-Windows Defender/Operational"
POWERSHELL: Final = ("Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational")

SERVICES: Final[dict[str, tuple[str, ...]]] = {
    "application": ("Application",),
    "security": (SECURITY,),
    "system": ("System",),
    "sysmon": (SYSMON,),
    "powershell": POWERSHELL,
    "powershell-classic": ("Windows PowerShell",),
    "ntlm": ("Microsoft-Windows-NTLM/Operational",),
    "taskscheduler": ("Microsoft-Windows-TaskScheduler/Operational",),
    "wmi": ("Microsoft-Windows-WMI-Activity/Operational",),
    "dhcp": ("Microsoft-Windows-DHCP-Server/Operational",),
    "dns-server": ("DNS Server",),
    "dns-server-audit": ("Microsoft-Windows-DNS-Server/Audit",),
    "dns-server-analytic": ("Microsoft-Windows-DNS-Server/Analytical",),
    "dns-client": ("Microsoft-Windows-DNS Client Events/Operational", "Microsoft-Windows-DNS-Client/Operational"),
    "driver-framework": ("Microsoft-Windows-DriverFrameworks-UserMode/Operational",),
    "printservice-admin": ("Microsoft-Windows-PrintService/Admin",),
    "printservice-operational": ("Microsoft-Windows-PrintService/Operational",),
    "smbclient-security": ("Microsoft-Windows-SmbClient/Security",),
    "smbclient-connectivity": ("Microsoft-Windows-SmbClient/Connectivity",),
    "smbserver-connectivity": ("Microsoft-Windows-SMBServer/Connectivity",),
    "terminalservices-localsessionmanager": ("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",),
    "codeintegrity-operational": ("Microsoft-Windows-CodeIntegrity/Operational",),
    "applocker": (
        "Microsoft-Windows-AppLocker/MSI and Script",
        "Microsoft-Windows-AppLocker/EXE and DLL",
        "Microsoft-Windows-AppLocker/Packaged app-Deployment",
        "Microsoft-Windows-AppLocker/Packaged app-Execution",
    ),
    "msexchange-management": ("MSExchange Management",),
    "windefend": (DEFENDER,),
    "firewall-as": ("Microsoft-Windows-Windows Firewall With Advanced Security/Firewall",),
    "bits-client": ("Microsoft-Windows-Bits-Client/Operational",),
    "security-mitigations": (
        "Microsoft-Windows-Security-Mitigations/Kernel Mode",
        "Microsoft-Windows-Security-Mitigations/User Mode",
        "Microsoft-Windows-Security-Mitigations/KernelMode",
        "Microsoft-Windows-Security-Mitigations/UserMode",
    ),
    "diagnosis-scripted": ("Microsoft-Windows-Diagnosis-Scripted/Operational",),
    "shell-core": ("Microsoft-Windows-Shell-Core/Operational",),
    "openssh": ("OpenSSH/Operational",),
    "ldap": ("Microsoft-Windows-LDAP-Client/Debug",),
    "bitlocker": ("Microsoft-Windows-BitLocker/BitLocker Management",),
    "vhdmp": ("Microsoft-Windows-VHDMP/Operational", "Microsoft-Windows-VHDMP-Operational"),
    "appxdeployment-server": ("Microsoft-Windows-AppXDeploymentServer/Operational",),
    "lsa-server": ("Microsoft-Windows-LSA/Operational",),
    "appxpackaging-om": ("Microsoft-Windows-AppxPackaging/Operational",),
    "appmodel-runtime": ("Microsoft-Windows-AppModel-Runtime/Admin",),
    "capi2": ("Microsoft-Windows-CAPI2/Operational",),
    "certificateservicesclient-lifecycle-system": ("Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",),
    "kernel-shimengine": (
        "Microsoft-Windows-Kernel-ShimEngine/Operational",
        "Microsoft-Windows-Kernel-ShimEngine/Diagnostic",
    ),
    "application-experience": (
        "Microsoft-Windows-Application-Experience/Program-Telemetry",
        "Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant",
    ),
    "ntfs": ("Microsoft-Windows-Ntfs/Operational",),
    "hyper-v-worker": ("Microsoft-Windows-Hyper-V-Worker", "Microsoft-Windows-Hyper-V-Worker-Admin"),
    "kernel-event-tracing": ("Microsoft-Windows-Kernel-EventTracing", "Microsoft-Windows-Kernel-EventTracing/Admin"),
    "sense": ("Microsoft-Windows-SENSE/Operational",),
    "servicebus-client": ("Microsoft-ServiceBus-Client/Admin", "Microsoft-ServiceBus-Client/Operational"),
    "microsoft-servicebus-client": ("Microsoft-ServiceBus-Client/Admin", "Microsoft-ServiceBus-Client/Operational"),
    "iis-configuration": ("Microsoft-IIS-Configuration/Operational", "Microsoft-IIS-Configuration/Administrative"),
}
"""Service of a rule -> channels of events."""

SYSMON_CATEGORIES: Final[dict[str, tuple[str, ...]]] = {
    "1": ("process_creation",),
    "2": ("file_change",),
    "3": ("network_connection",),
    "4": ("sysmon_status",),
    "5": ("process_termination",),
    "6": ("driver_load",),
    "7": ("image_load",),
    "8": ("create_remote_thread",),
    "9": ("raw_access_thread",),
    "10": ("process_access",),
    "11": ("file_event",),
    "12": ("registry_event", "registry_add", "registry_delete"),
    "13": ("registry_event", "registry_set"),
    "14": ("registry_event", "registry_rename"),
    "15": ("create_stream_hash",),
    "16": ("sysmon_status",),
    "17": ("pipe_created",),
    "18": ("pipe_created",),
    "19": ("wmi_event",),
    "20": ("wmi_event",),
    "21": ("wmi_event",),
    "22": ("dns_query",),
    "23": ("file_delete",),
    "24": ("clipboard_change", "clipboard_capture"),
    "25": ("process_tampering",),
    "26": ("file_delete", "file_delete_detected"),
    "27": ("file_block_executable",),
    "28": ("file_block_shredding",),
    "29": ("file_executable_detected",),
    "255": ("sysmon_error",),
}
"""Sysmon event id -> categories."""

REQUIRED: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "registry_add": ("EventType", ("CreateKey",)),
    "registry_delete": ("EventType", ("DeleteKey", "DeleteValue")),
}
"""Category -> the field and its values that tell it from others of the same event id."""

CHANNEL_CATEGORIES: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    **{(channel, "4103"): ("ps_module",) for channel in POWERSHELL},
    **{(channel, "4104"): ("ps_script",) for channel in POWERSHELL},
    ("Windows PowerShell", "400"): ("ps_classic_start",),
    ("Windows PowerShell", "600"): ("ps_classic_provider_start",),
    ("Windows PowerShell", "800"): ("ps_classic_script",),
}
"""Channel and event id -> categories, beside Sysmon's and the twins."""

ANTIVIRUS_IDS: Final = frozenset(
    (
        "1006",
        "1007",
        "1008",
        "1009",
        "1010",
        "1011",
        "1012",
        "1017",
        "1018",
        "1019",
        "1115",
        "1116",
        "1117",
        "1118",
        "1119",
    )
)
"""Event ids of Defender that carry a detected threat."""

WITHOUT_SOURCE: Final[dict[tuple[str, str], str]] = {
    ("windows", "file_access"): "Sysmon records no file access; it would need Kernel-File ETW",
    ("windows", "file_rename"): "Sysmon records no renaming of files; it would need Kernel-File ETW",
}
"""Product and category for which no source of events exists, with the reason (semantics 18)."""

SPACELESS: Final = frozenset({SYSMON, SYSMON_LINUX, SECURITY, *POWERSHELL})
"""Channels whose manifests name no field with a space: there is nothing to look up without one (semantics 21)."""


__all__ = [
    "ANTIVIRUS_IDS",
    "CHANNEL_CATEGORIES",
    "DEFENDER",
    "POWERSHELL",
    "REQUIRED",
    "SECURITY",
    "SERVICES",
    "SPACELESS",
    "SYSMON",
    "SYSMON_CATEGORIES",
    "SYSMON_LINUX",
    "WITHOUT_SOURCE",
]
