# SPDX-License-Identifier: Apache-2.0
"""What both ends of mail are played with: dots, xtext, and the PROXY protocol's headers."""
import re
import socket
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def stuffed(content):
    """Dots doubled (RFC 5321 4.5.2), without the final one."""
    return (b"." if content[:1] == b"." else b"") + content.replace(b"\r\n.", b"\r\n..")


def unstuffed(raw):
    return (raw[1:] if raw[:1] == b"." else raw).replace(b"\r\n.", b"\r\n")


def xtext(value):
    return "".join(chr(octet) if 33 <= octet <= 126 and octet not in b"+=" else f"+{octet:02X}" for octet in value.encode())


def xtext_decoded(value):
    return re.sub(r"\+([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), value)


def proxy_v1(source, destination, source_port=4321, destination_port=25):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {source_port} {destination_port}\r\n".encode()


def proxy_v2(source, destination, source_port=4321, destination_port=25, command=1):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    body = socket.inet_pton(family, source) + socket.inet_pton(family, destination) + struct.pack("!HH", source_port, destination_port)
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, 0x21 if family == socket.AF_INET6 else 0x11, len(body)) + body


def read_proxy_header(session):
    """(version, source, port, destination, port), or (version, "LOCAL"); of a session as smtp_odd.py has them."""
    peer = session.peer
    while len(peer.buffer) < 12:
        session.more()
    if peer.buffer.startswith(SIGNATURE):
        while len(peer.buffer) < 16:
            session.more()
        command, family, size = struct.unpack("!BBH", peer.buffer[12:16])
        while len(peer.buffer) < 16 + size:
            session.more()
        body, peer.buffer = peer.buffer[16:16 + size], peer.buffer[16 + size:]
        if command == 0x20:
            return 2, "LOCAL"
        if command != 0x21 or family not in (0x11, 0x21):
            raise AssertionError(f"PROXY v2: command {command:#x}, family {family:#x}")
        kind, width = (socket.AF_INET, 4) if family == 0x11 else (socket.AF_INET6, 16)
        ports = struct.unpack("!HH", body[2 * width:2 * width + 4])
        return 2, socket.inet_ntop(kind, body[:width]), ports[0], socket.inet_ntop(kind, body[width:2 * width]), ports[1]
    if not peer.buffer.startswith(b"PROXY "):
        raise AssertionError(f"no PROXY header: {peer.buffer[:40]!r}")
    while b"\r\n" not in peer.buffer:
        session.more()
    line, _, peer.buffer = peer.buffer.partition(b"\r\n")
    words = line.decode().split(" ")
    if words[1] == "UNKNOWN":
        return 1, "LOCAL"
    return 1, words[2], int(words[4]), words[3], int(words[5])
