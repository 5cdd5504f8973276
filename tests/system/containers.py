# SPDX-License-Identifier: Apache-2.0
"""Archives and compressed streams of every kind that Sluice opens, made by the format's own tools where Debian has one that is free, else here by the
format's document. `ARCHIVES[kind](*members)` and `STREAMS[kind](data)` give bytes; a member is (name, data)."""
import bz2
import gzip
import io
import lzma
import pathlib
import shutil
import struct
import subprocess
import tarfile
import tempfile
import zipfile
import zlib

from payloads import tarred


def run(*words, data=None, folder=None):
    return subprocess.run(list(map(str, words)), input=data, capture_output=True, cwd=folder, check=True, timeout=60).stdout


class Unpacked:
    """A folder with the members as files, for programs that read files."""

    def __init__(self, members):
        self.members = members

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="sluice-pack-", dir="/tmp"))
        for name, data in self.members:
            (self.path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / "in" / name).write_bytes(data)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def zip_by(method):
    def make(*members):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, data in members:
                archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data, method)
        return out.getvalue()
    return make


def by_7z(kind, *options):
    def make(*members):
        with Unpacked(members) as folder:
            run("7z", "a", f"-t{kind}", "-mmt=1", *options, "../out", *(name for name, _ in members), folder=folder / "in")
            return next(path for path in folder.iterdir() if path.name.startswith("out")).read_bytes()
    return make


def cab(*members):
    with Unpacked(members) as folder:
        run("gcab", "-n", "-c", "-z", "../out.cab", *(name for name, _ in members), folder=folder / "in")
        return (folder / "out.cab").read_bytes()


def iso(*members, options=("-R", "-J")):
    with Unpacked(members) as folder:
        return run("genisoimage", "-quiet", *options, folder / "in")


def docx(*members):
    return zip_by(zipfile.ZIP_DEFLATED)(("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w:document/>"), *members)


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xa001 if crc & 1 else 0)
    return crc


def lha(*members):
    """LHA, level 0 headers, stored (-lh0-)."""
    out = b""
    for name, data in members:
        rest = b"-lh0-" + struct.pack("<IIIBBB", len(data), len(data), 0x58210000, 0x20, 0, len(name)) + name.encode() + struct.pack("<H", crc16(data))
        out += bytes([len(rest), sum(rest) & 0xff]) + rest + data
    return out + b"\0"


def rar4(*members):
    """RAR 2.9 to 4 (technote.txt of unrar), stored."""
    def block(kind, flags, rest, data=b""):
        body = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
        return struct.pack("<H", zlib.crc32(body) & 0xffff) + body + data
    out = b"Rar!\x1a\x07\0" + block(0x73, 0, bytes(6))
    for name, data in members:
        head = struct.pack("<IIBIIBBHI", len(data), len(data), 3, zlib.crc32(data), 0x58210000, 20, 0x30, len(name), 0o100644)
        out += block(0x74, 0x8000, head + name.encode(), data)
    return out + block(0x7b, 0x4000, b"")


def vint(number):
    out = b""
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def rar5_block(kind, flags, rest, data=b""):
    body = vint(kind) + vint(flags) + (vint(len(data)) if flags & 2 else b"") + rest
    body = vint(len(body)) + body
    return struct.pack("<I", zlib.crc32(body)) + body + data


RAR5_START = b"Rar!\x1a\x07\x01\0" + rar5_block(1, 0, vint(0))


def rar5_file(name, data, size=None, method=0):
    """A member; `size` is what is said of its unpacked size, `method` the compression word (its version, method and dictionary)."""
    head = vint(4) + vint(len(data) if size is None else size) + vint(0o100644) + struct.pack("<I", zlib.crc32(data)) + vint(method) + vint(1)
    return rar5_block(2, 2, head + vint(len(name)) + name.encode(), data)


def rar5(*members):
    """RAR 5.0 (its archive format document), stored."""
    return RAR5_START + b"".join(rar5_file(name, data) for name, data in members) + rar5_block(5, 0, vint(0))


def cpio(*members):
    """The new ASCII format (cpio(5))."""
    def entry(name, data, mode):
        fields = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return b"".join(entry(name, data, 0o100644) for name, data in members) + entry("TRAILER!!!", b"", 0)


def ar(*members):
    out = b"!<arch>\n"
    for name, data in members:
        out += b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name.replace("/", "_").encode() + b"/", 0, 0, 0, 0o100644, len(data)) + data + b"\n" * (len(data) % 2)
    return out


def lzip(data):
    """LZMA between a header of six bytes and a trailer of twenty (the format's chapter in lzip's manual)."""
    raw = lzma.compress(data, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20}])
    return b"LZIP\x01\x14" + raw + struct.pack("<IQQ", zlib.crc32(data), len(data), len(raw) + 26)


def lz4(data):
    """A frame of blocks that are not compressed."""
    blocks = (data[at:at + 65536] for at in range(0, len(data), 65536))
    return b"\x04\x22\x4d\x18\x60\x40\x82" + b"".join(struct.pack("<I", len(block) | 1 << 31) + block for block in blocks) + bytes(4)


def compress(data):
    """LZW as compress(1) writes it, in blocks, all codes literals; they become longer all the same: a reader learns one more with each."""
    bits, filled, width, room = 0, 0, 9, 256
    out = bytearray()
    for byte in data:
        bits |= byte << filled
        filled += width
        room -= 1
        if room == 0 and width < 16:                             # the table has 257, then doubles
            width, room = width + 1, 1 << width
        while filled >= 8:
            out.append(bits & 0xff)
            bits, filled = bits >> 8, filled - 8
    return b"\x1f\x9d\x90" + bytes(out) + (bytes([bits]) if filled else b"")


def zstd(data, *options):
    return run("zstd", "-q", "-c", *options, data=data)


def brotli(data):
    return run("brotli", "-c", "-q", "5", data=data)


def gz(data, level=6):
    return gzip.compress(data, level, mtime=0)


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


STREAMS = {
    "gz": gz,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zst": zstd,
    "lz": lzip,
    "lz4": lz4,
    "Z": compress,
}

ARCHIVES = {
    "stored.zip": zip_by(zipfile.ZIP_STORED),
    "zip": zip_by(zipfile.ZIP_DEFLATED),
    "bzip2.zip": zip_by(zipfile.ZIP_BZIP2),
    "lzma.zip": zip_by(zipfile.ZIP_LZMA),
    "docx": docx,
    "7z": by_7z("7z"),
    "bzip2.7z": by_7z("7z", "-m0=bzip2"),
    "ppmd.7z": by_7z("7z", "-m0=ppmd"),
    "rar": rar4,
    "5.rar": rar5,
    "tar": tarred,
    "tgz": lambda *members: gz(tarred(*members)),
    "tar.xz": lambda *members: lzma.compress(tarred(*members)),
    "tar.bz2": lambda *members: bz2.compress(tarred(*members)),
    "tar.zst": lambda *members: zstd(tarred(*members)),
    "cab": cab,
    "iso": iso,
    "lzh": lha,
    "cpio": cpio,
    "a": ar,
}

# Content codings (RFC 9110 8.4.1), by the word in Content-Encoding.
CODINGS = {
    "gzip": gz,
    "x-gzip": gz,
    "deflate": zlib.compress,
    "br": brotli,
    "zstd": zstd,
}
