# SPDX-License-Identifier: Apache-2.0
"""Small files that make of themselves far more than they are: `BOMBS` has them by name, each with the reasons that its verdict may have.

All but those that are about a false word in a header are valid: what unpacks them without a limit gets what is promised."""
import bz2
import functools
import io
import lzma
import struct
import zipfile
import zlib

from containers import RAR5_START, brotli, by_7z, docx, gz, iso, rar5_block, rar5_file, vint, zip_by
from payloads import EICAR, tarred, zipped

MIB = 1 << 20
SMALL = EICAR + b"small" * 100


@functools.cache
def zeros(mebibytes):
    return bytes(mebibytes * MIB)


@functools.cache
def gzip_zeros(mebibytes=1024):
    """A gzip file of several members, 64 MiB each."""
    return gz(zeros(64), 9) * (mebibytes // 64)


def nested(depth, width, innermost, pack):
    """`width` times the same archive in an archive, `depth` deep."""
    data = innermost
    for _ in range(depth):
        data = pack(*((f"{number}.zip", data) for number in range(width)))
    return data


# A gzip file that unpacks to itself. Its program has two words, each five octets of DEFLATE (RFC 1951 3.2.3): a stored block (write what follows)
# and a block of two matches (write again the last octets). They are arranged as in Russ Cox's "Zip Files All the Way Down"; the sum in the
# trailer, a part of what is summed, is where the sum, an affine function of it, has a fixed point.
def write(size):
    return struct.pack("<BHH", 0, size, size ^ 0xffff)


def repeat(size):
    """`size` octets from as far back (17 to 20): two matches of 15 bits each between 3 bits of header and 7 of end, together 40."""
    bits, filled = 0b010, 3

    def put(value, width):
        nonlocal bits, filled
        bits |= value << filled
        filled += width

    def code(value, width):                                      # Huffman codes begin with their highest bit
        put(int(f"{value:0{width}b}"[::-1], 2), width)
    for length in (10, size - 10):
        code(length - 2, 7)                                      # 257 is a length of 3, and has the code 1
        code(8, 5)                                               # 17 to 24 back
        put(size - 17, 3)
    code(0, 7)
    return bits.to_bytes(5, "little")


def gzip_quine():
    for stamp in range(64):
        prefix = b"\x1f\x8b\x08\x08" + struct.pack("<I", stamp) + b"\0\x03" + b"q\0"

        def whole(check, prefix=prefix):
            def program(size):
                suffix = struct.pack("<BHHII", 1, 0, 0xffff, check, size)
                p, s = len(prefix) + 5, len(suffix) + 5
                return b"".join((prefix, write(p), prefix, write(p), repeat(p), write(5), repeat(p), write(5), write(5),
                                 write(20), repeat(p), write(5), write(5), write(20), repeat(20), write(20), repeat(20), write(20), repeat(20), write(20),
                                 repeat(20), write(20), repeat(20), write(0), write(0), write(s), repeat(20), write(0), write(0), write(s), repeat(s), suffix,
                                 repeat(s), suffix))
            return program(len(program(0)))
        base = zlib.crc32(whole(0))
        columns = [zlib.crc32(whole(1 << bit)) ^ base ^ 1 << bit for bit in range(32)]
        check = solve(columns, base)
        if check is not None:
            return whole(check)
    raise AssertionError("no time stamp gives a fixed point")


def solve(columns, target):
    """The bits x, as a number, whose columns add up (without carry) to target; None when there are none."""
    basis = {}                                                   # highest bit -> (vector, the columns in it)
    for bit, vector in enumerate(columns):
        used = 1 << bit
        while vector and vector.bit_length() in basis:
            other, others = basis[vector.bit_length()]
            vector, used = vector ^ other, used ^ others
        if vector:
            basis[vector.bit_length()] = (vector, used)
    found = 0
    while target:
        if target.bit_length() not in basis:
            return None
        vector, used = basis[target.bit_length()]
        target, found = target ^ vector, found ^ used
    return found


def local_header(name, packed, size, check):
    return struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 0x21, check, packed, size, len(name), 0) + name


def directory(entries, at, count=None):
    """The central directory of entries (name, packed, size, check, offset), and the end record."""
    out = b"".join(struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 8, 0, 0x21, check, packed, size, len(name), 0, 0, 0, 0, 0, offset) + name
                   for name, packed, size, check, offset in entries)
    count = len(entries) if count is None else count
    return out + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(out), at, 0)


def deflated(data):
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


def zip_overlapping():
    """Every member is the same one."""
    data, packed = zeros(8), deflated(zeros(8))
    check = zlib.crc32(data)
    body = local_header(b"a", len(packed), len(data), check) + packed
    return body + directory([(b"a", len(packed), len(data), check, 0)] * 1000, len(body))


def zip_quoted(count=60):
    """Members that share the kernel's bytes: each begins with a stored block that has the next one's header (Fifield, "A better zip bomb")."""
    data, packed, header, body = zeros(4), deflated(zeros(4)), b"", b""
    places = []
    for number in reversed(range(count)):
        name = b"%03d" % number
        if header:
            packed, data = write(len(header)) + header + packed, header + data
        check = zlib.crc32(data)
        header = local_header(name, len(packed), len(data), check)
        body = header + packed
        places.append((name, len(packed), len(data), check, len(body)))
    entries = [(name, size, unpacked, check, len(body) - behind) for name, size, unpacked, check, behind in reversed(places)]
    return body + directory(entries, len(body))


def zip_many():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(65_000):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    return out.getvalue()


def zip_said(size, data):
    """A member of which the headers say that it unpacks to `size` octets."""
    packed = deflated(data)
    body = local_header(b"a", len(packed), size, zlib.crc32(data)) + packed
    return body + directory([(b"a", len(packed), size, zlib.crc32(data), 0)], len(body))


def zip64_absurd():
    """Sizes of 8 EiB (APPNOTE.TXT 4.5.3)."""
    packed = deflated(b"small")
    wide = struct.pack("<HHQQ", 1, 16, 1 << 63, 1 << 63)
    most = 0xffffffff
    body = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 45, 0, 8, 0, 0x21, zlib.crc32(b"small"), most, most, 1, len(wide)) + b"a" + wide + packed
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 45, 45, 0, 8, 0, 0x21, zlib.crc32(b"small"), most, most, 1, len(wide), 0, 0, 0, 0, 0) + b"a" + wide
    return body + entry + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(body), 0)


def tar_header(name, size, kind, rest=b"", magic=b"ustar  \0"):
    number = b"%011o\0" % size if size < 1 << 33 else b"\x80" + size.to_bytes(11, "big")
    head = bytearray(name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + number + b"00000000000\0" + b" " * 8 + kind + bytes(100) + magic)
    head = (head + bytes(121) + rest).ljust(512, b"\0")
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def tar_sparse():
    """GNU's sparse file of 1 TiB, of which 512 octets at the end are there."""
    tera = 1 << 40
    wide = [b"\x80" + number.to_bytes(11, "big") for number in (tera - 512, 512)]
    rest = b"".join(wide) + bytes(24 * 3) + b"\0" + b"\x80" + tera.to_bytes(11, "big")
    return tar_header(b"sparse", 512, b"S", rest) + b"x" * 512 + bytes(1024)


def tar_pax(size):
    """A pax header (POSIX 1003.1, pax interchange format) of one comment."""
    record = b"%d comment=" % size
    record += b"a" * (size - len(record) - 1) + b"\n"
    return tar_header(b"pax", size, b"x", magic=b"ustar\x0000") + record + bytes(-size % 512) + tarred(("a", b"small"))


def iso_loop():
    """A folder whose folder is the root (ECMA-119 9.1)."""
    image = bytearray(iso_plain(("a/b/c", b"small")))
    block = 2048

    def extent(record):
        return int.from_bytes(image[record + 2:record + 6], "little")
    root = 16 * block + 156
    at, depth = extent(root) * block, 0
    while depth < 2:
        third = at + image[at]                                   # behind the folder itself and the one around it
        third += image[third]
        if depth == 1:
            image[third + 2:third + 18] = image[root + 2:root + 18]
        at, depth = extent(third) * block, depth + 1
    return bytes(image)


iso_plain = functools.partial(iso, options=())


def cab_zeros(blocks):
    """One file of blocks of 32 KiB, MSZIP ([MS-MCI]: each block may look back into the one before)."""
    size = 32768
    first = deflated(bytes(size))
    packer = zlib.compressobj(9, wbits=-15, zdict=bytes(size))
    later = packer.compress(bytes(size)) + packer.flush()
    datas = [b"CK" + first] + [b"CK" + later] * (blocks - 1)
    body = b"".join(struct.pack("<IHH", 0, len(data), size) + data for data in datas)
    name = b"zeros\0"
    files_at = 36 + 8
    data_at = files_at + 16 + len(name)
    head = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, data_at + len(body), 0, files_at, 0, 3, 1, 1, 1, 0, 1, 0)
    return head + struct.pack("<IHH", data_at, blocks, 1) + struct.pack("<IIHHHH", blocks * size, 0, 0, 0x21, 0, 0x20) + name + body


def zstd_zeros(blocks=8192, window_log=17):
    """A frame (RFC 8878 3.1.1) of blocks of 128 KiB that repeat an octet."""
    block = 0 | 1 << 1 | (128 << 10) << 3
    body = (block.to_bytes(3, "little") + b"\0") * (blocks - 1) + (block | 1).to_bytes(3, "little") + b"\0"
    return struct.pack("<IBB", 0xfd2fb528, 0, window_log - 10 << 3) + body


def seven_zip_edited(method, there, instead, *members):
    """A 7z whose header (7zFormat.txt, not packed here) is changed: `there` for `instead`, once, and the sums with it."""
    archive = by_7z("7z", f"-m0={method}", "-mhc=off")(*members)
    offset, size = struct.unpack_from("<QQ", archive, 12)
    start = 32 + offset
    header = archive[start:start + size]
    if header.count(there) != 1:
        raise AssertionError(f"the header has {header.count(there)} of what is to be changed")
    header = header.replace(there, instead)
    sums = struct.pack("<QQI", offset, size, zlib.crc32(header))
    return archive[:8] + struct.pack("<I", zlib.crc32(sums)) + sums + archive[32:start] + header


def xz_edited():
    """An xz (its format document, 3.1) whose block asks for a dictionary of 4 GiB."""
    data = bytearray(lzma.compress(SMALL))
    size = (data[12] + 1) * 4
    at = data.index(b"\x21\x01", 12) + 2
    data[at] = 40
    data[12 + size - 4:12 + size] = struct.pack("<I", zlib.crc32(data[12:12 + size - 4]))
    return bytes(data)


def lzma_edited():
    data = bytearray(lzma.compress(SMALL, lzma.FORMAT_ALONE))
    data[1:5] = struct.pack("<I", 0xffff0000)
    return bytes(data)


def rar5_absurd():
    """A member that is said to be packed with a dictionary of 4 GiB, and to be 1 EiB."""
    return RAR5_START + rar5_file("a", b"small" * 100, 1 << 60, 1 << 7 | 15 << 10) + rar5_block(5, 0, vint(0))


def cpio_absurd():
    fields = (1, 0o100644, 0, 0, 1, 0, 0xffffffff, 0, 0, 0, 0, 2, 0)
    return b"070701" + b"".join(b"%08x" % field for field in fields) + b"a\0" + b"small" * 100


def repeated(pack, times):
    """Several streams behind one another, which unpack as one."""
    return pack(zeros(64)) * times


def coded(data, *codings):
    return data, ", ".join(codings)


# name -> (a maker of the bytes, or of bytes and the codings in Content-Encoding; the reasons that may be told)
BOMBS = {
    "zeros.gz": (lambda: gzip_zeros(64), {"bomb"}),
    "gibibyte.gz": (gzip_zeros, {"too-large"}),                  # below the ratio until it is larger than a member may be
    "zeros.zip": (lambda: zipped(("a", zeros(64))), {"bomb"}),
    "zeros.xz": (lambda: repeated(functools.partial(lzma.compress, preset=0), 4), {"bomb"}),
    "zeros.bz2": (lambda: repeated(bz2.compress, 2), {"bomb"}),
    "zeros.lzma": (lambda: lzma.compress(zeros(64), lzma.FORMAT_ALONE, preset=0), {"bomb"}),
    "zeros.zst": (zstd_zeros, {"bomb"}),
    "zeros.docx": (lambda: docx(("word/large.xml", zeros(64))), {"bomb"}),
    "zeros.cab": (lambda: cab_zeros(4096), {"bomb"}),
    "zeros.7z": (lambda: by_7z("7z", "-mx1")(("a", zeros(64))), {"bomb"}),
    "zeros.lzma.zip": (lambda: zip_by(zipfile.ZIP_LZMA)(("a", zeros(32))), {"bomb"}),
    "three.gz": (lambda: gz(gz(gzip_zeros())), {"bomb"}),
    "tar.gz": (lambda: gz(tarred(*((str(number), gzip_zeros(64)) for number in range(16)))), {"bomb"}),
    "nested.zip": (lambda: nested(3, 1, zipped(("a", zeros(64))), zipped), {"bomb"}),
    "wide.zip": (lambda: nested(10, 16, zipped(("a", zeros(1))), zipped), {"bomb"}),
    "deep.zip": (lambda: nested(20, 1, b"small", zipped), {"too-deep"}),
    "deep.tar": (lambda: nested(20, 1, b"small", tarred), {"too-deep"}),
    "many.tar": (lambda: tarred(*((str(number), nested(1, 100, zipped(("a", b"")), zipped)) for number in range(60))), {"bomb"}),
    "quine.gz": (gzip_quine, {"corrupt"}),                       # libarchive undoes a limited number of streams inside one another
    "overlapping.zip": (zip_overlapping, {"bomb"}),
    "quoted.zip": (zip_quoted, {"bomb"}),
    "many.zip": (zip_many, {"bomb"}),
    "said-small.zip": (lambda: zip_said(10, zeros(64)), {"bomb"}),
    "said-large.zip": (lambda: zip_said(0xfffffffe, b"small"), {"corrupt"}),
    "zip64.zip": (zip64_absurd, {"corrupt"}),
    "sparse.tar": (tar_sparse, {"bomb"}),
    "pax.tar": (lambda: tar_pax(8 * MIB), {"corrupt"}),
    "loop.iso": (iso_loop, {"corrupt"}),
    "said-large.cpio": (cpio_absurd, {"corrupt"}),
    "dictionary.rar": (rar5_absurd, {"corrupt"}),
    "dictionary.lzma": (lzma_edited, {"too-deep"}),              # none for libarchive, which hands out the same bytes
    "window.zst": (lambda: zstd_zeros(1, window_log=41), {"corrupt"}),
    "coded-gzip": (lambda: coded(gzip_zeros(), "gzip"), {"bomb"}),
    "coded-deflate": (lambda: coded(zlib.compress(zeros(64), 9), "deflate"), {"bomb"}),
    "coded-br": (lambda: coded(brotli(zeros(64)), "br"), {"bomb"}),
    "coded-zstd": (lambda: coded(zstd_zeros(), "zstd"), {"bomb"}),
    "coded-zstd-window": (lambda: coded(zstd_zeros(window_log=41), "zstd"), {"undecodable"}),
    "coded-layers": (lambda: coded(brotli(gz(gzip_zeros())), "gzip", "gzip", "br"), {"bomb"}),
    "coded-too-often": (lambda: coded(gz(gz(gz(gz(b"small")))), "gzip", "gzip", "gzip", "gzip"), {"too-deep"}),
    "coded.zip": (lambda: coded(gz(zipped(("a", zeros(64)))), "gzip"), {"bomb"}),
}

# These ask for more memory than a scanner has, to unpack EICAR's string: too large; where memory has no bound (under sanitizers), it is found.
GREEDY = {
    "dictionary.7z": lambda: seven_zip_edited("lzma2:d=64k", b"\x21\x21\x01\0", b"\x21\x21\x01\x28", ("a", SMALL)),
    "lzma.7z": lambda: seven_zip_edited("lzma:d=64k", b"\x5d\0\x10\0\0", b"\x5d\xff\xff\xff\xff", ("a", SMALL)),
    "ppmd.7z": lambda: seven_zip_edited("ppmd", b"\x06\0\0\x01\0", b"\x06\0\0\0\xff", ("a", SMALL)),
    "dictionary.xz": xz_edited,
}
