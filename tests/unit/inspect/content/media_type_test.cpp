// SPDX-License-Identifier: Apache-2.0
#include "inspect/content/media_type.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace sluice::inspect {
namespace {

using enum MediaClass;
using namespace std::literals;

struct Case {
    std::string bytes;
    std::string_view mime;
    MediaClass kind;
};

void expect(const Case& wanted) {
    const MediaType got = sniff(wanted.bytes);
    EXPECT_EQ(got.mime, wanted.mime) << wanted.bytes.substr(0, 60);
    EXPECT_EQ(got.kind, wanted.kind) << wanted.mime;
}

std::string at(std::size_t offset, std::string_view mark, std::string start = {}) {
    start.resize(offset, '\0');
    return start.append(mark);
}

std::string little(std::size_t value) { return {static_cast<char>(value & 0xffU), static_cast<char>(value >> 8U)}; }

// A local file header (APPNOTE 4.3.7), stored, and its content.
std::string entry(std::string_view name, std::string_view content = "content", char method = '\0') {
    std::string out = "PK\3\4\x14\0\0\0"s + method + "\0\0\0\0\0\0\0\0\0"s;
    out += little(content.size()) + "\0\0"s + little(content.size()) + "\0\0"s + little(name.size()) + "\0\0"s;
    return out.append(name).append(content);
}

TEST(MediaType, programs) {
    const Case cases[] = {
        {"MZ\x90\0\3\0\0\0"s, "application/vnd.microsoft.portable-executable", program},
        {"\x7f"
         "ELF\2\1\1\0"s,
         "application/x-elf", program},
        {"\xcf\xfa\xed\xfe\7\0\0\1"s, "application/x-mach-binary", program},
        {"\xfe\xed\xfa\xce\0\0\0\7"s, "application/x-mach-binary", program},
        {"\xca\xfe\xba\xbe\0\0\0\2\1\0\0\7"s, "application/x-mach-binary", program},
        {"\xca\xfe\xba\xbe\0\0\0\x34\0\x10"s, "application/java-vm", program},
        {"dex\n035\0"s, "application/vnd.android.dex", program},
        {"\0asm\1\0\0\0"s, "application/wasm", program},
        {"CWS\x0a\0\1\0\0x\xda"s, "application/x-shockwave-flash", program},
        {"\x1bLuaS\0"s, "application/x-lua-bytecode", program},
    };
    for (const Case& one : cases) expect(one);
}

TEST(MediaType, scripts) {
    const Case cases[] = {
        {"#!/bin/sh\necho\n", "text/x-shellscript", script},
        {"\xef\xbb\xbf<?php echo 1;", "application/x-httpd-php", script},
        {" \r\n<?PHP echo 1;", "application/x-httpd-php", script},
        {"@ECHO OFF\r\ndel x\r\n", "application/x-bat", script},
        {"[CmdletBinding()]\nparam()", "text/x-powershell", script},
        {"<# .SYNOPSIS #>", "text/x-powershell", script},
        {"\xff\xfe"
         "I\0E\0X\0 \0(\0"s,
         "text/x-powershell", script},
        {"\xfe\xff\0I\0E\0X\0("s, "text/x-powershell", script},
        {"On Error Resume Next\r\nSet x = 1\r\n", "text/vbscript", script},
        {"'use strict';\nvar a;", "text/javascript", script},
        {"!function(){}()", "text/javascript", script},
        {"<html><head><HTA:APPLICATION id=x>", "application/hta", script},
        {"<?xml version=\"1.0\"?><package><job id=\"a\"><script/></job>", "text/x-wsf", script},
        {"Windows Registry Editor Version 5.00\r\n", "text/x-ms-regedit", script},
        {"@echo off\r\n\0\1\2"s, "application/x-bat", script},         // binary octets behind do not stop an interpreter
    };
    for (const Case& one : cases) expect(one);
}

TEST(MediaType, archives) {
    const Case cases[] = {
        {entry("a.txt"), "application/zip", archive},
        {"PK\5\6\0\0\0\0"s, "application/zip", archive},
        {entry("META-INF/MANIFEST.MF"), "application/java-archive", archive},
        {entry("AndroidManifest.xml"), "application/vnd.android.package-archive", archive},
        {"7z\xbc\xaf'\x1c\0\4"s, "application/x-7z-compressed", archive},
        {"Rar!\x1a\7\0"s, "application/vnd.rar", archive},
        {"Rar!\x1a\7\1\0"s, "application/vnd.rar", archive},
        {at(257,
            "ustar\0"
            "00"s,
            "name"),
         "application/x-tar", archive},
        {at(257, "ustar  \0"s, "name"), "application/x-tar", archive},
        {"\x1f\x8b\x08\0"s, "application/gzip", archive},
        {"BZh91AY&SY"s, "application/x-bzip2", archive},
        {"\xfd"
         "7zXZ\0\0"s,
         "application/x-xz", archive},
        {"\x28\xb5\x2f\xfd\4"s, "application/zstd", archive},
        {"\x50\x2a\x4d\x18\0\0\0\0"s, "application/zstd", archive},
        {"MSCF\0\0\0\0"s, "application/vnd.ms-cab-compressed", archive},
        {at(32'769, "CD001"), "application/x-iso9660-image", archive},
        {"\x20\x20-lh5-\0"s, "application/x-lzh-compressed", archive},
        {"\x60\xea\x22\0"s, "application/x-arj", archive},
        {"SZDD\x88\xf0\x27\x33\x41"s, "application/x-ms-compress-szdd", archive},
        {"KWAJ\x88\xf0\x27\xd1\0"s, "application/x-ms-compress-kwaj", archive},
        {"\x53\x09\0\x10\x12\x3a\0\x10\x19\4\0\x10"s, "application/vnd.symbian.install", archive},
        {"\x7a\x1a\x20\x10\0\0\0\0"s, "application/vnd.symbian.install", archive},
        {"\1\2\x31\0\0\0\x90**ACE**"s, "application/x-ace-compressed", archive},
        {"070701000"s, "application/x-cpio", archive},
        {"\xc7\x71\1\0"s, "application/x-cpio", archive},
        {"!<arch>\na.o/"s, "application/x-archive", archive},
        {"!<arch>\ndebian-binary   "s, "application/vnd.debian.binary-package", archive},
        {"\xed\xab\xee\xdb\3"s, "application/x-rpm", archive},
        {"xar!\0\x1c"s, "application/x-xar", archive},
        {"x\1s\rbb`"s, "application/x-apple-diskimage", archive},
        {"]\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff"s, "application/x-lzma", archive},
        {"LZIP\1\x0c"s, "application/lzip", archive},
        {"MSWIM\0\0\0"s, "application/x-ms-wim", archive},
    };
    for (const Case& one : cases) expect(one);
}

TEST(MediaType, documents) {
    const std::string ole = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"s;
    const Case cases[] = {
        {"%PDF-1.7\n", "application/pdf", document},
        {std::string(1019, 'x') + "%PDF-", "application/pdf", document},
        {ole, "application/x-ole-storage", document},
        {"{\\rtf1\\ansi", "application/rtf", document},
        {"%!PS-Adobe-3.0", "application/postscript", document},
        {"\xc5\xd0\xd3\xc6\x20"s, "application/postscript", document},
        {"ITSF\3\0\0\0"s, "application/vnd.ms-htmlhelp", document},
        {"L\0\0\0\1\x14\2\0\0\0"s, "application/x-ms-shortcut", document},
        {"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1"s, "application/onenote", document},
        {entry("mimetype", "application/epub+zip") + entry("x"), "application/epub+zip", document},
        {entry("mimetype", "application/vnd.oasis.opendocument.text"), "application/vnd.oasis.opendocument.text", document},
        {entry("mimetype", "application/vnd.oasis.opendocument.formula"), "application/vnd.oasis.opendocument", document},
        {entry("[Content_Types].xml", "x", '\x08'), "application/vnd.openxmlformats-officedocument", document},
        {entry("[Content_Types].xml") + entry("_rels/.rels") + entry("word/document.xml"),
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document", document},
        {entry("_rels/.rels") + entry("xl/workbook.xml"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", document},
        {entry("ppt/slides/slide1.xml"), "application/vnd.openxmlformats-officedocument.presentationml.presentation", document},
        {"MIME-Version: 1.0\r\n", "message/rfc822", document},
        {"[InternetShortcut]\r\nURL=file:", "application/x-mswinurl", document},
    };
    for (const Case& one : cases) expect(one);
}

TEST(MediaType, an_installer_is_a_program_where_its_root_entry_is_seen) {
    std::string bytes = at(512 + 512 + 80, "\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"s, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"s);
    bytes[30] = '\x09';
    bytes[48] = '\1';
    expect({bytes, "application/x-msi", program});
    bytes[48] = bytes[49] = bytes[50] = bytes[51] = '\xff';
    expect({bytes, "application/x-ole-storage", document});
}

TEST(MediaType, media) {
    const Case cases[] = {
        {"\x89PNG\r\n\x1a\n"s, "image/png", image},
        {"\xff\xd8\xff\xe0\0"s, "image/jpeg", image},
        {"GIF89a\1\0"s, "image/gif", image},
        {"BM\x46\0\0\0\0\0\0\0\x36"s, "image/bmp", image},
        {"RIFF\x24\0\0\0WEBPVP8 "s, "image/webp", image},
        {"II*\0\x08"s, "image/tiff", image},
        {"\0\0\1\0\1\0"s, "image/vnd.microsoft.icon", image},
        {"\0\0\0\x1c"
         "ftypavif"s,
         "image/avif", image},
        {"\0\0\0\x1c"
         "ftypheic"s,
         "image/heic", image},
        {"ID3\4\0"s, "audio/mpeg", audio},
        {"\xff\xfb\x90\x64"s, "audio/mpeg", audio},
        {"\xff\xf1\x50\x80"s, "audio/aac", audio},
        {"RIFF\x24\0\0\0WAVEfmt "s, "audio/wav", audio},
        {"fLaC\0"s, "audio/flac", audio},
        {at(28, "OpusHead", "OggS"), "audio/ogg", audio},
        {"FORM\0\0\0\x10"
         "AIFFCOMM"s,
         "audio/aiff", audio},
        {"\0\0\0\x20"
         "ftypM4A "s,
         "audio/mp4", audio},
        {"#!AMR\n", "audio/amr", audio},
        {at(28, "\x80theora", "OggS"), "video/ogg", video},
        {"\0\0\0\x18"
         "ftypisom"s,
         "video/mp4", video},
        {"\0\0\0\x18stypmsdh"s, "video/mp4", video},
        {"\0\0\0\x14"
         "ftypqt  "s,
         "video/quicktime", video},
        {"\x1a\x45\xdf\xa3\x9f"s, "video/webm", video},
        {"RIFF\x24\0\0\0AVI LIST"s, "video/x-msvideo", video},
        {"FLV\1\5"s, "video/x-flv", video},
        {at(188, "G", "G@"), "video/mp2t", video},
        {"\0\0\1\xba\x44"s, "video/mpeg", video},
        {"wOF2\0\1"s, "font/woff2", font},
        {"OTTO\0"s, "font/otf", font},
        {"\0\1\0\0\0\x10"s, "font/ttf", font},
    };
    for (const Case& one : cases) expect(one);
}

TEST(MediaType, text) {
    const Case cases[] = {
        {"\n <!DOCTYPE HTML><title>", "text/html", text},
        {"<a href>", "text/html", text},
        {"<abbr>", "text/plain", text},
        {"<!-- x --><p>", "text/html", text},
        {"<?xml version='1.0'?><feed/>", "text/xml", text},
        {"<?xml version='1.0'?><!-- --><svg/>", "image/svg+xml", text},
        {"<svg xmlns=", "image/svg+xml", text},
        {"{\"a\": 1}", "application/json", text},
        {" [ 1, 2]", "application/json", text},
        {"[section]", "text/plain", text},
        {"{{template}}", "text/plain", text},
        {"plain\ttext\r\n\x1b[0m", "text/plain", text},
        {"gr\xc3\xbc\xc3\x9f", "text/plain", text},
        {"\xff\xfeh\0i\0"s, "text/plain", text},
        {"\xfe\xff\0h\0i"s, "text/plain", text},
        {"\xff\xfe\0\0h\0\0\0"s, "text/plain", text},
        {"\xff\xfe<\0h\0t\0m\0l\0>\0"s, "text/html", text},
        {"#EXTM3U\n", "application/vnd.apple.mpegurl", text},
        {"data: 1\n\n", "text/plain", text},
        {"BMW and MACs, ID3 and BZh, FWS", "text/plain", text},
        {"RIFF raff", "text/plain", text},
    };
    for (const Case& one : cases) expect(one);
}

TEST(MediaType, what_is_not_known) {
    expect({"", "application/octet-stream", unknown});
    expect({"\0"s, "application/octet-stream", unknown});
    expect({"text\0"s, "application/octet-stream", unknown});
    expect({"\xef\xbb\xbf", "application/octet-stream", unknown});
    expect({std::string(8192, '\xee') + '\1', "text/plain", text});   // what lies behind is not looked at
}

TEST(MediaType, of_a_polyglot_the_riskier_wins) {
    expect({"GIF89a\n%PDF-1.4", "application/pdf", document});
    expect({"\xff\xd8\xff\xe0 <?php system(1);", "application/x-httpd-php", script});
    expect({"<html><?php ?>", "application/x-httpd-php", script});
    expect({"%PDF-1.4 <?php", "application/x-httpd-php", script});
    expect({at(257, "ustar", "\x89PNG\r\n\x1a\n"), "application/x-tar", archive});
    expect({at(257, "ustar", "%PDF-1.4"), "application/x-tar", archive});
    expect({at(257, "ustar", "MZ.txt"), "application/vnd.microsoft.portable-executable", program});
    expect({"MZ" + std::string(100, ' ') + "%PDF-1.4", "application/vnd.microsoft.portable-executable", program});
    expect({"#!/bin/sh\n%PDF-1.4", "text/x-shellscript", script});
    expect({entry("a") + "%PDF-1.4", "application/zip", archive});
    expect({at(32'769, "CD001", "%PDF-1.4"), "application/x-iso9660-image", archive});
}

TEST(MediaType, fewer_octets_are_no_fault) {
    for (const std::string& whole : {entry("mimetype", "application/epub+zip"), entry("[Content_Types].xml") + entry("word/x"),
                                     at(1200, "x", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"s), at(300, "x", "RIFF"),
                                     "\0\0\0\x18"
                                     "ftypisom"s})
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const std::string exact(whole, 0, size);
            EXPECT_FALSE(sniff(exact).mime.empty());
        }
}

TEST(MediaType, what_is_risky) {
    for (const MediaClass kind : {program, script, archive, document}) EXPECT_TRUE(is_risky(kind));
    for (const MediaClass kind : {unknown, text, font, image, audio, video}) EXPECT_FALSE(is_risky(kind));
}

TEST(Agrees, audio_and_video_by_either) {
    const MediaType mp4 = sniff(
        "\0\0\0\x18"
        "ftypisom"s);
    EXPECT_TRUE(agrees("video/mp4", mp4));
    EXPECT_TRUE(agrees(" Audio/MP4 ; codecs=\"mp4a\"", mp4));
    EXPECT_FALSE(agrees("video/", mp4));
    EXPECT_FALSE(agrees("application/octet-stream", mp4));
    EXPECT_FALSE(agrees("", mp4));
    EXPECT_FALSE(agrees("video/mp4", sniff("MZ")));
    EXPECT_FALSE(agrees("video/mp4", sniff("text")));
    EXPECT_FALSE(agrees("video/mp4", MediaType{}));
}

TEST(Agrees, streams_whose_content_is_not_risky) {
    for (const std::string_view declared : {"text/event-stream", "Text/Event-Stream; charset=utf-8", "multipart/x-mixed-replace;boundary=x",
                                            "application/x-ndjson", "application/grpc", "application/grpc+proto"}) {
        EXPECT_TRUE(agrees(declared, sniff("data: 1\n\n"))) << declared;
        EXPECT_TRUE(agrees(declared, MediaType{})) << declared;
        EXPECT_FALSE(agrees(declared, sniff("PK\3\4"))) << declared;
        EXPECT_FALSE(agrees(declared, sniff("#!/bin/sh"))) << declared;
    }
    EXPECT_FALSE(agrees("text/plain", sniff("data: 1\n\n")));
    EXPECT_FALSE(agrees("application/grpc-web", sniff("data")));
}

}  // namespace
}  // namespace sluice::inspect
