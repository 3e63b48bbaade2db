"""Capture files of plain packets, written by hand."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import NamedTuple

TCP, UDP, ICMP = 6, 17, 1


class Packet(NamedTuple):
    """One packet; `size` is that of the whole IP packet."""

    microseconds: int
    source: tuple[str, int]
    destination: tuple[str, int]
    protocol: int
    size: int


def write_capture(path: Path, packets: list[Packet]) -> None:
    """A pcap file with microseconds and Ethernet frames."""
    parts = [struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for packet in packets:
        frame = _frame(packet)
        seconds, micros = divmod(packet.microseconds, 1_000_000)
        parts.append(struct.pack("=IIII", seconds, micros, len(frame), len(frame)) + frame)
    path.write_bytes(b"".join(parts))


def _frame(packet: Packet) -> bytes:
    six = ":" in packet.source[0]
    head = 40 if six else 20
    return (
        bytes(12)
        + (b"\x86\xdd" if six else b"\x08\x00")
        + _ip(packet, six)
        + _rest(packet, packet.size - head)
    )


def _ip(packet: Packet, six: bool) -> bytes:
    family = socket.AF_INET6 if six else socket.AF_INET
    ends = b"".join(socket.inet_pton(family, end[0]) for end in (packet.source, packet.destination))
    if six:
        return struct.pack("!IHBB", 6 << 28, packet.size - 40, packet.protocol, 64) + ends
    return struct.pack("!BBHHHBBH", 0x45, 0, packet.size, 1, 0, 64, packet.protocol, 0) + ends


def _rest(packet: Packet, size: int) -> bytes:
    """A TCP, UDP or ICMP head, and zeros to the size."""
    ports = (packet.source[1], packet.destination[1])
    if packet.protocol == TCP:
        head = struct.pack("!HHIIBBHHH", *ports, 1, 1, 0x50, 0x18, 1000, 0, 0)
    elif packet.protocol == UDP:
        head = struct.pack("!HHHH", *ports, size, 0)
    else:
        head = struct.pack("!BBHI", 8, 0, 0, 1)
    return head.ljust(size, b"\0")
