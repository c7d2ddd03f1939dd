"""The audit log: records as they are, and the starts of programs joined from them."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.events import Gate
from tocsin.sources.auditd import AuditdSource
from tocsin.sources.auditd_syscalls import SYSCALLS
from tocsin.sources.interface import Loss, Stream

PROCESS = Gate("linux", "auditd", "process")
EPOCH = "msg=audit(1604994496.155:92733):"
SYSCALL = (
    f"type=SYSCALL {EPOCH} arch=c000003e syscall=59 success=yes exit=0 a0=558e251634a0 a1=558e25162a50 items=2"
    ' ppid=29002 pid=1631 auid=1000 uid=1000 tty=pts0 ses=104 comm="arp" exe="/usr/sbin/arp" key=(null)'
)
SAMPLE = f"""{SYSCALL}
type=EXECVE {EPOCH} argc=2 a0="arp" a1="-a"
type=CWD {EPOCH} cwd="/home/op"
type=PATH {EPOCH} item=0 name="/usr/sbin/arp" inode=13181 dev=08:01 nametype=NORMAL
type=PATH {EPOCH} item=1 name="/lib64/ld-linux-x86-64.so.2" inode=29514 dev=08:01 nametype=NORMAL
type=PROCTITLE {EPOCH} proctitle=617270002D61
"""


def read(text):
    """Return the events and the errors of a log."""
    data = text if isinstance(text, bytes) else text.encode()
    items = list(AuditdSource().read(Stream(io.BytesIO(data), "x")))
    events = [event for item in items if not isinstance(item, Loss) for event in item.raws]
    return events, [item.error for item in items if isinstance(item, Loss)]


def processes(text):
    """Return the fields of the joined events."""
    return [event.fields for event in read(text)[0] if event.gate == PROCESS]


def record(text):
    """Return the fields of the first record."""
    return read(text)[0][0].fields


def test_each_record_is_an_event_of_its_own():
    """A record keeps its fields, its line and its time, and the a0 of a system call stays a number."""
    events, errors = read(SAMPLE)
    first = events[0]
    assert errors == []
    assert [e.gate.event_id for e in events] == ["SYSCALL", "EXECVE", "CWD", "PATH", "PATH", "PROCTITLE", "process"]
    assert first.fields["type"] == "SYSCALL"
    assert first.fields["a0"] == "558e251634a0"
    assert (first.time, first.record, first.text) == ("2020-11-10T07:48:16.155000Z", 1, SYSCALL)
    assert events[1].fields == {"type": "EXECVE", "argc": "2", "a0": "arp", "a1": "-a"}


def test_the_joined_event_tells_of_the_process():
    """Image, command line and directory come from the records of one group."""
    assert processes(SAMPLE) == [
        {
            "Image": "/usr/sbin/arp",
            "CommandLine": "arp -a",
            "CurrentDirectory": "/home/op",
            "User": "1000",
            "ProcessId": "1631",
            "ParentProcessId": "29002",
            "LogonId": "104",
            "exe": "/usr/sbin/arp",
            "comm": "arp",
            "key": "(null)",
            "auid": "1000",
            "tty": "pts0",
        }
    ]


def test_the_joined_event_does_not_count_and_keeps_its_records():
    """The second view is not counted; it carries every record as original."""
    items = list(AuditdSource().read(Stream(io.BytesIO(SAMPLE.encode()), "x")))
    joined = [item for item in items if item.gate == PROCESS]
    assert [(item.counted, item.numbers, item.size_bytes) for item in joined] == [(False, [1], 0)]
    assert [part["type"] for part in joined[0].raws[0].original["records"]][:2] == ["SYSCALL", "EXECVE"]


def test_hex_is_decoded_where_auditd_encodes():
    """Unquoted hex of an encoded field is text; quoted digits and other fields stay."""
    assert record(f'type=EXECVE {EPOCH} argc=2 a0=2F746D702F6120622E7368 a1="414243"')["a0"] == "/tmp/a b.sh"
    assert record(f'type=EXECVE {EPOCH} argc=2 a0=2F746D702F6120622E7368 a1="414243"')["a1"] == "414243"
    assert record(f"type=PROCTITLE {EPOCH} proctitle=617270002D61")["proctitle"] == "arp -a"
    assert record(f"type=SYSCALL {EPOCH} syscall=59 inode=1234 key=6B31016B32") == {
        "type": "SYSCALL",
        "syscall": "59",
        "inode": "1234",
        "key": ["k1", "k2"],
    }


def test_hex_that_is_no_utf8_is_kept():
    """Bytes that are no UTF-8 lose nothing."""
    assert record(f"type=CWD {EPOCH} cwd=2F746D702FE4")["cwd"] == "/tmp/ä"


def test_nested_messages_are_flattened():
    """The fields inside msg='...' are fields of the record."""
    line = (
        f'type=USER_CMD {EPOCH} pid=7 uid=0 auid=1000 ses=1 msg=\'cwd="/root" cmd=6C73202D6C exe="/usr/bin/sudo" res=success\''
    )
    fields = record(line)
    assert (fields["cwd"], fields["cmd"], fields["exe"], fields["res"]) == (
        "/root",
        "ls -l",
        "/usr/bin/sudo",
        "success",
    )
    assert (fields["pid"], fields["msg"][:4]) == ("7", "cwd=")


def test_enrichment_adds_names():
    """What follows the group separator are fields of their own, and names the user."""
    text = SAMPLE.replace("key=(null)", 'key="k"\x1dARCH=x86_64 SYSCALL=execve AUID="op" UID="root"')
    assert record(text)["SYSCALL"] == "execve"
    assert processes(text)[0]["User"] == "root"


@pytest.mark.parametrize(
    ("arch", "number", "name"),
    [
        ("c000003e", "59", "execve"),
        ("c000003e", "319", "memfd_create"),
        ("c00000b7", "33", "mknodat"),
        ("c00000b7", "179", "sysinfo"),
        ("40000003", "136", "personality"),
        ("c000003e", "execve", "execve"),
        ("c000003e", "9999", None),
        ("80000016", "11", None),
    ],
)
def test_a_call_by_number_has_its_name(arch, number, name):
    """Rules read the name in SYSCALL, which only enriched records have; the record as it was read stays so."""
    line = SYSCALL.replace("arch=c000003e syscall=59", f"arch={arch} syscall={number}")
    event = read(line)[0][0]
    assert (event.fields.get("SYSCALL"), event.fields["syscall"]) == (name, number)
    assert event.original["syscall"] == number
    assert "SYSCALL" not in event.original


def test_a_name_that_is_there_stays():
    """An enriched record keeps its own name."""
    assert record(f"{SYSCALL}\x1dARCH=x86_64 SYSCALL=mine")["SYSCALL"] == "mine"


def test_the_tables_of_calls_are_the_kernels():
    """A few calls of each table, from its start, its middle and behind its gaps."""
    known = {
        "c000003e": {
            0: "read",
            101: "ptrace",
            103: "syslog",
            257: "openat",
            334: "rseq",
            424: "pidfd_send_signal",
            435: "clone3",
        },
        "c00000b7": {0: "io_setup", 57: "close", 117: "ptrace", 221: "execve", 260: "wait4", 281: "execveat", 435: "clone3"},
        "40000003": {1: "exit", 11: "execve", 103: "syslog", 224: "gettid", 350: "finit_module", 359: "socket", 435: "clone3"},
    }
    assert set(SYSCALLS) == set(known)
    for arch, calls in known.items():
        assert {number: SYSCALLS[arch].get(str(number)) for number in calls} == calls


def test_split_arguments_are_put_together():
    """An argument in pieces, over several records, is one argument."""
    text = f"""{SYSCALL}
type=EXECVE {EPOCH} argc=2 a0="sh" a1_len=6 a1[0]=2F746DC3
type=EXECVE {EPOCH} a1[1]=BC6F a2="end"
"""
    assert read(text)[0][1].fields["a1_len"] == "6"
    assert processes(text)[0]["CommandLine"] == "sh /tmüo end"


def test_groups_may_interleave():
    """Records of two starts that alternate do not mix."""
    other = SAMPLE.replace("92733", "92734").replace("/usr/sbin/arp", "/bin/grep").replace('"arp"', '"grep"')
    mixed = "\n".join(line for pair in zip(SAMPLE.splitlines(), other.splitlines(), strict=True) for line in pair)
    found = processes(mixed)
    assert [(fields["Image"], fields["CommandLine"]) for fields in found] == [
        ("/usr/sbin/arp", "arp -a"),
        ("/bin/grep", "grep -a"),
    ]


def test_what_is_no_start_of_a_program_is_not_joined():
    """A failed execve and other system calls give no process."""
    assert processes(SAMPLE.replace("success=yes exit=0", "success=no exit=-2")) == []
    assert processes(f'type=SYSCALL {EPOCH} arch=c000003e syscall=41 success=yes exe="/bin/a"') == []


def test_a_start_without_arguments_has_its_title():
    """Without EXECVE the command line is the process title; the number depends on the architecture."""
    rest = f"type=PROCTITLE {EPOCH} proctitle=617270002D61"
    assert processes(f"{SYSCALL}\n{rest}")[0]["CommandLine"] == "arp -a"
    on_arm = SYSCALL.replace("c000003e syscall=59", "c00000b7 syscall=221")
    assert processes(f"{on_arm}\n{rest}")[0]["Image"] == "/usr/sbin/arp"
    assert processes(f"{SYSCALL.replace('c000003e', 'c00000b7')}\n{rest}") == []


def test_an_execve_alone_is_a_start():
    """Without a SYSCALL record the image is the first path."""
    text = "\n".join(SAMPLE.splitlines()[1:])
    assert processes(text) == [{"Image": "/usr/sbin/arp", "CommandLine": "arp -a", "CurrentDirectory": "/home/op"}]


def test_open_groups_are_bounded():
    """Groups that never end are closed in order, and none is lost."""
    text = "\n".join(SYSCALL.replace("92733", str(number)) for number in range(1000))
    found = [event for event in read(text)[0] if event.gate == PROCESS]
    assert [event.record for event in found] == list(range(1, 1001))


def test_interpreted_records_are_understood():
    """The output of ausearch -i has names, blanks in values, and a local time that is not guessed."""
    text = """----
type=PROCTITLE msg=audit(11/10/20 07:48:16.155:92733) : proctitle=dd if=/dev/zero bs=1
type=EXECVE msg=audit(11/10/20 07:48:16.155:92733) : argc=3 a0=sh a1=-c a2=echo a=b AB
type=SYSCALL msg=audit(11/10/20 07:48:16.155:92733) : arch=x86_64 syscall=execve success=yes uid=root exe=/bin/sh
"""
    events, errors = read(text)
    assert errors == []
    assert events[0].fields["proctitle"] == "dd if=/dev/zero bs=1"
    assert events[1].fields["a2"] == "echo a=b AB"
    assert (events[2].time, events[2].fields["SYSCALL" if "SYSCALL" in events[2].fields else "syscall"]) == (
        "",
        "execve",
    )
    assert processes(text)[0]["User"] == "root"


def test_the_node_is_the_host():
    """Records of a collector carry the host that sent them."""
    event = read("node=plc-gw " + SYSCALL)[0][0]
    assert (event.host, event.fields["node"]) == ("plc-gw", "plc-gw")


def test_other_lines_are_reported():
    """A line that is no record is a loss with its number."""
    events, errors = read(f"{SYSCALL}\nrubbish\n\nmore\nrubbish\n")
    assert len(events) == 2
    assert [(e.code, e.message) for e in errors] == [
        ("F006", "line 2: no audit record: 'rubbish'"),
        ("F006", "lines 4-5: no audit record: 'more'"),
    ]


def test_the_format_is_told_by_content():
    """The audit log is recognised in any encoding; a syslog line that holds a record is none."""
    source = AuditdSource()
    assert source.recognise(SAMPLE.encode())
    assert source.recognise(SAMPLE.encode("utf-16"))
    assert source.recognise(b"----\ntime->Tue Nov 10\n" + SAMPLE.encode())
    assert not source.recognise(b"Nov 10 07:48:16 host audispd: " + SYSCALL.encode())
    assert not source.recognise(b"")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_bytes_are_survived(data):
    """Arbitrary bytes, truncations and mutations never raise, and give the same twice."""
    sample = SAMPLE.replace("key=(null)", 'key=6B31\x1dUID="a"').encode() * 2
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(sample))] * 2)))
    content = sample[:start] + data.draw(st.binary(max_size=60)) + sample[end:]
    events, errors = read(content)
    AuditdSource().recognise(content)
    assert (repr(events), [str(e) for e in errors]) == (repr(read(content)[0]), [str(e) for e in read(content)[1]])
    assert all(text is not None for event in events for text in event.values())
