# SPDX-License-Identifier: Apache-2.0
"""A name server of ours (RFC 1035 over UDP): answers what a test says, counts what is asked, and can be silent."""
import ipaddress
import socket
import struct
import threading

A, CNAME, SOA, AAAA = 1, 5, 6, 28


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"


def decode_name(data, position):
    labels = []
    while data[position]:
        length = data[position]
        labels.append(data[position + 1:position + 1 + length].decode().lower())
        position += 1 + length
    return ".".join(labels), position + 1


class NameServer:
    """`records`: {name: (ttl, [addresses or 'cname:name'])}. A name that is not there is NXDOMAIN; one in `silent` gets no answer."""

    def __init__(self, port, records=None):
        self.records = records or {}
        self.silent = set()
        self.broken = set()            # SERVFAIL
        self.asked = []                # (name, type)
        self.negative_ttl = 5
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.address = f"127.0.0.1:{port}"
        threading.Thread(target=self._run, daemon=True).start()

    def count(self, name):
        return sum(1 for asked, kind in self.asked if asked == name and kind == A)

    def close(self):
        self.socket.close()

    def _run(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
                answer = self._answer(query)
                if answer:
                    self.socket.sendto(answer, client)
            except OSError:
                return

    def _answer(self, query):
        name, end = decode_name(query, 12)
        kind = struct.unpack("!H", query[end:end + 2])[0]
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        question = query[12:end + 4]
        answers, code, owner, target = [], 0, name, name
        if name in self.broken:
            code = 2
        elif name not in self.records:
            code = 3
        else:
            ttl, values = self.records[name]
            for value in values:
                if value.startswith("cname:"):
                    target = value.removeprefix("cname:")
                    answers.append(self._record(owner, CNAME, ttl, encode_name(target)))
                    values = values + self.records.get(target, (0, []))[1]
            for value in values:
                if value.startswith("cname:"):
                    continue
                address = ipaddress.ip_address(value)
                if kind == (A if address.version == 4 else AAAA):
                    answers.append(self._record(target, kind, ttl, address.packed))
        authority = []
        if not answers and code in (0, 3):
            soa = encode_name("ns.example") + encode_name("host.example") + struct.pack("!IIIII", 1, 60, 60, 60, self.negative_ttl)
            authority.append(self._record("example", SOA, self.negative_ttl, soa))
        header = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(answers), len(authority), 0)
        return header + question + b"".join(answers + authority)

    @staticmethod
    def _record(owner, kind, ttl, data):
        return encode_name(owner) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data
