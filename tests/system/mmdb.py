# SPDX-License-Identifier: Apache-2.0
"""A small writer of MaxMind databases (maxmind.github.io/MaxMind-DB, version 2): networks and the country of each."""
import ipaddress
import struct


def value(data):
    """A value of the data section; a number with its size in bytes: 2 (uint16), 4 (uint32) or 8 (uint64)."""
    if isinstance(data, dict):
        return bytes([7 << 5 | len(data)]) + b"".join(value(key) + value(item) for key, item in data.items())
    if isinstance(data, list):
        return bytes([len(data), 11 - 7]) + b"".join(map(value, data))
    if isinstance(data, tuple):
        number, size = data
        return {2: b"\xa2", 4: b"\xc4", 8: b"\x08\x02"}[size] + number.to_bytes(size, "big")
    raw = data.encode()
    return bytes([2 << 5 | len(raw)]) + raw


def database(countries):
    """The bytes of a database: {"192.0.2.0/24": "DE", …}. Networks do not overlap."""
    nodes = [[None, None]]                                  # a node's number, "the country", or None
    data, offsets = b"", {}
    for text, country in countries.items():
        network = ipaddress.ip_network(text)
        before = 96 if network.version == 4 else 0          # IPv4 stands at ::/96
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[:network.prefixlen]
        if country not in offsets:
            offsets[country] = len(data)
            data += value({"country": {"iso_code": country}})
        node = 0
        path = [int(bit) for bit in "0" * before + bits]
        for bit in path[:-1]:
            if nodes[node][bit] is None:
                nodes.append([None, None])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        nodes[node][path[-1]] = country
    count = len(nodes)

    def record(target):
        number = count if target is None else target if isinstance(target, int) else count + 16 + offsets[target]
        return struct.pack("!I", number)[1:]
    tree = b"".join(record(left) + record(right) for left, right in nodes)
    metadata = value({"node_count": (count, 4), "record_size": (24, 2), "ip_version": (6, 2), "database_type": "Test-Country", "languages": [],
                      "binary_format_major_version": (2, 2), "binary_format_minor_version": (0, 2), "build_epoch": (1, 8), "description": {}})
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + metadata
