#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What GMime sees in messages:  gmime_view.py FOLDER   (all its *.eml). One line a leaf: file, type, octets and CRC-32 of its content, by tabs.
Exits with 77 where GMime's bindings are not installed (gir1.2-gmime-3.0, python3-gi)."""
import pathlib
import sys
import zlib

try:
    import gi
    gi.require_version("GMime", "3.0")
    from gi.repository import GMime
except (ImportError, ValueError):
    sys.exit(77)


def leaves(part):
    if isinstance(part, GMime.Multipart):
        for index in range(part.get_count()):
            yield from leaves(part.get_part(index))
    elif isinstance(part, GMime.MessagePart):
        message = part.get_message()
        if message is not None and message.get_mime_part() is not None:
            yield from leaves(message.get_mime_part())
    elif isinstance(part, GMime.Part):
        yield part


def content_of(part):
    content = part.get_content()
    if content is None:
        return b""
    stream = GMime.StreamMem.new()
    content.write_to_stream(stream)
    return bytes(stream.get_byte_array())


def main():
    GMime.init()
    folder = pathlib.Path(sys.argv[1])
    for path in sorted(folder.rglob("*.eml")):
        parser = GMime.Parser.new_with_stream(GMime.StreamMem.new_with_buffer(path.read_bytes()))
        message = parser.construct_message(GMime.ParserOptions.get_default())
        if message is None or message.get_mime_part() is None:
            continue
        for part in leaves(message.get_mime_part()):
            kind = part.get_content_type()
            content = content_of(part)
            print(path.relative_to(folder), f"{kind.get_media_type()}/{kind.get_media_subtype()}".lower(), len(content), zlib.crc32(content), sep="\t")


main()
