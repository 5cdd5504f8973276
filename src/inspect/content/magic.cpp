// SPDX-License-Identifier: Apache-2.0
#include "inspect/content/magic.h"

#include <algorithm>
#include <array>

namespace sluice::inspect {
namespace {

using enum MediaClass;
using std::string_view_literals::operator""sv;

// A payload that begins with `start`, and has `mark` at `at` if there is one. The first that fits is taken, so the longer come first.
struct Magic {
    std::string_view start;
    MediaType type;
    std::size_t at = 0;
    std::string_view mark = {};
};

// In order of the first octet, which picks the lines to look at. Sources: the IANA registry, file(1)'s magic, the formats' own documents.
constexpr Magic magics[] = {
    {"\0asm"sv, {"application/wasm", program}},
    {"\0\0\1\0"sv, {"image/vnd.microsoft.icon", image}},
    {"\0\0\2\0"sv, {"image/vnd.microsoft.icon", image}},
    {"\0\0\1\xba"sv, {"video/mpeg", video}},
    {"\0\0\1\xb3"sv, {"video/mpeg", video}},
    {"\0\1\0\0Standard "sv, {"application/x-msaccess", document}},
    {"\0\1\0\0\0"sv, {"font/ttf", font}},
    {"\0\0\0\x0cjP  \r\n\x87\n"sv, {"image/jp2", image}},
    {"\0\0\0\x0cJXL \r\n\x87\n"sv, {"image/jxl", image}},
    {"\1\0\0\0"sv, {"image/emf", image}, 40, " EMF"sv},
    {"\4%!PS"sv, {"application/postscript", document}},
    {"\4\"M\x18"sv, {"application/x-lz4", archive}},
    {"\x1a\x45\xdf\xa3"sv, {"video/webm", video}},             // or Matroska; both are EBML
    {"\x1bLua"sv, {"application/x-lua-bytecode", program}},
    {"\x1f\x8b"sv, {"application/gzip", archive}},
    {"\x1f\x9d"sv, {"application/x-compress", archive}},
    {"\x1f\xa0"sv, {"application/x-compress", archive}},
    {"!<arch>\ndebian-binary"sv, {"application/vnd.debian.binary-package", archive}},
    {"!<arch>\n"sv, {"application/x-archive", archive}},
    {"!BDN"sv, {"application/vnd.ms-outlook", document}},
    {"#!AMR\n"sv, {"audio/amr", audio}},
    {"#!AMR-WB\n"sv, {"audio/amr-wb", audio}},
    {"#!"sv, {"text/x-shellscript", script}},
    {"%!PS"sv, {"application/postscript", document}},
    {"%PDF-"sv, {"application/pdf", document}},
    {"(\xb5/\xfd"sv, {"application/zstd", archive}},
    {".RMF"sv, {"application/vnd.rn-realmedia", video}},
    {".snd"sv, {"audio/basic", audio}},
    {"0&\xb2u\x8e\x66\xcf\x11"sv, {"video/x-ms-asf", video}},
    {"070701"sv, {"application/x-cpio", archive}},
    {"070702"sv, {"application/x-cpio", archive}},
    {"070707"sv, {"application/x-cpio", archive}},
    {"7kSt"sv, {"application/x-zpaq", archive}},
    {"7z\xbc\xaf'\x1c"sv, {"application/x-7z-compressed", archive}},
    {"8BPS"sv, {"image/vnd.adobe.photoshop", image}},
    {"?_\3\0"sv, {"application/winhlp", document}},
    {"ALZ\1"sv, {"application/x-alz", archive}},
    {"AT&TFORM"sv, {"image/vnd.djvu", document}},
    {"BC\xc0\xde"sv, {"application/x-llvm-bitcode", program}},
    {"BM"sv, {"image/bmp", image}, 6, "\0\0\0\0"sv},
    {"BZh"sv, {"application/x-bzip2", archive}, 4, "1AY&SY"sv},
    {"BZh"sv, {"application/x-bzip2", archive}, 4, "\x17rE8P\x90"sv},                                        // of nothing
    {"CWS"sv, {"application/x-shockwave-flash", program}, 8, "x"sv},
    {"Cr24"sv, {"application/x-chrome-extension", archive}},
    {"EGGA"sv, {"application/x-egg", archive}},
    {"FLV\1"sv, {"video/x-flv", video}},
    {"FORM"sv, {"audio/aiff", audio}, 8, "AIF"sv},
    {"FWS"sv, {"application/x-shockwave-flash", program}, 7, "\0"sv},
    {"GIF87a"sv, {"image/gif", image}},
    {"GIF89a"sv, {"image/gif", image}},
    {"G"sv, {"video/mp2t", video}, 188, "G"sv},
    {"HLP\3"sv, {"application/winhlp", document}},
    {"ID3\2"sv, {"audio/mpeg", audio}},
    {"ID3\3"sv, {"audio/mpeg", audio}},
    {"ID3\4"sv, {"audio/mpeg", audio}},
    {"II*\0"sv, {"image/tiff", image}},
    {"II+\0"sv, {"image/tiff", image}},
    {"ISc("sv, {"application/x-installshield", archive}},
    {"ITOLITLS"sv, {"application/x-ms-reader", document}},
    {"ITSF"sv, {"application/vnd.ms-htmlhelp", document}},
    {"Joy!peff"sv, {"application/x-pef-executable", program}},
    {"KDMV"sv, {"application/x-vmdk", archive}},
    {"KWAJ\x88\xf0'\xd1"sv, {"application/x-ms-compress-kwaj", archive}},
    {"L\0\0\0\1\x14\2\0"sv, {"application/x-ms-shortcut", document}},
    {"LZIP\1"sv, {"application/lzip", archive}},
    {"MAC "sv, {"audio/x-ape", audio}, 5, "\x0f"sv},
    {"MM\0*"sv, {"image/tiff", image}},
    {"MM\0+"sv, {"image/tiff", image}},
    {"MSCF"sv, {"application/vnd.ms-cab-compressed", archive}},
    {"MSWIM\0\0\0"sv, {"application/x-ms-wim", archive}},
    {"MThd"sv, {"audio/midi", audio}},
    {"MZ"sv, {"application/vnd.microsoft.portable-executable", program}},
    {"OTTO"sv, {"font/otf", font}},
    {"OggS"sv, {"video/ogg", video}, 28, "\x80theora"sv},
    {"OggS"sv, {"audio/ogg", audio}},
    {"PK\3\4"sv, {"application/zip", archive}},
    {"PK\5\6"sv, {"application/zip", archive}},
    {"PK\7\x08"sv, {"application/zip", archive}},
    {"PK00PK\3\4"sv, {"application/zip", archive}},
    {"QFI\xfb"sv, {"application/x-qemu-disk", archive}},
    {"RE~^"sv, {"application/vnd.rar", archive}},
    {"RIFF"sv, {"image/webp", image}, 8, "WEBP"sv},
    {"RIFF"sv, {"image/x-ani", image}, 8, "ACON"sv},
    {"RIFF"sv, {"audio/wav", audio}, 8, "WAVE"sv},
    {"RIFF"sv, {"video/x-msvideo", video}, 8, "AVI "sv},
    {"RF64"sv, {"audio/wav", audio}, 8, "WAVE"sv},
    {"Rar!\x1a\7"sv, {"application/vnd.rar", archive}},
    {"SIT!"sv, {"application/x-stuffit", archive}, 10, "rLau"sv},
    {"SZDD\x88\xf0'3"sv, {"application/x-ms-compress-szdd", archive}},
    {"StuffIt"sv, {"application/x-stuffit", archive}},
    {"WARC/"sv, {"application/warc", archive}},
    {"ZM"sv, {"application/vnd.microsoft.portable-executable", program}},
    {"ZOO "sv, {"application/x-zoo", archive}, 20, "\xdc\xa7\xc4\xfd"sv},
    {"ZWS"sv, {"application/x-shockwave-flash", program}, 12, "]"sv},
    {"]\0\0"sv, {"application/x-lzma", archive}, 10, "\0\0\0"sv},
    {"]\0\0"sv, {"application/x-lzma", archive}, 5, "\xff\xff\xff\xff\xff\xff\xff\xff"sv},
    {"`\xea"sv, {"application/x-arj", archive}},
    {"caff"sv, {"audio/x-caf", audio}},
    {"conectix"sv, {"application/x-vhd", archive}},
    {"dex\n"sv, {"application/vnd.android.dex", program}},
    {"dey\n"sv, {"application/vnd.android.dex", program}},
    {"fLaC"sv, {"audio/flac", audio}},
    {"gimp xcf"sv, {"image/x-xcf", image}},
    {"hsqs"sv, {"application/x-squashfs", archive}},
    {"icns"sv, {"image/icns", image}},
    {"koly\0\0\0\4"sv, {"application/x-apple-diskimage", archive}},
    {"qoif"sv, {"image/qoi", image}},
    {"q\xc7"sv, {"application/x-cpio", archive}},
    {"sqsh"sv, {"application/x-squashfs", archive}},
    {"true\0"sv, {"font/ttf", font}},
    {"ttcf\0"sv, {"font/collection", font}},
    {"vhdxfile"sv, {"application/x-vhdx", archive}},
    {"wOF2"sv, {"font/woff2", font}},
    {"wOFF"sv, {"font/woff", font}},
    {"wvpk"sv, {"audio/x-wavpack", audio}},
    {"xar!"sv, {"application/x-xar", archive}},
    {"x\1s\rbb`"sv, {"application/x-apple-diskimage", archive}},
    {"x\x9f>\""sv, {"application/vnd.ms-tnef", document}},
    {"{\\rt"sv, {"application/rtf", document}},                // Word does not ask for the "f"
    {"\x7f\x45LF"sv, {"application/x-elf", program}},
    {"\x89LZO\0\r\n\x1a\n"sv, {"application/x-lzop", archive}},
    {"\x89PNG\r\n\x1a\n"sv, {"image/png", image}},
    {"\x8aMNG\r\n\x1a\n"sv, {"video/x-mng", video}},
    {"\xc5\xd0\xd3\xc6"sv, {"application/postscript", document}},
    {"\xc7q"sv, {"application/x-cpio", archive}},
    {"\xca\xfe\xba\xbe"sv, {"application/java-vm", program}},  // or a fat Mach-O: see java_or_mach_o
    {"\xca\xfe\xba\xbf"sv, {"application/x-mach-binary", program}},
    {"\xca\xfe\xd0\x0d"sv, {"application/java-vm", program}},
    {"\xce\xfa\xed\xfe"sv, {"application/x-mach-binary", program}},
    {"\xcf\xfa\xed\xfe"sv, {"application/x-mach-binary", program}},
    {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, {"application/x-ole-storage", document}},
    {"\xd7\xcd\xc6\x9a"sv, {"image/wmf", image}},
    {"\xe4R\\{\x8c\xd8\xa7M"sv, {"application/onenote", document}},
    {"\xed\xab\xee\xdb"sv, {"application/x-rpm", archive}},
    {"\xfd"
     "7zXZ\0"sv,
     {"application/x-xz", archive}},
    {"\xfe\xed\xfa\xce"sv, {"application/x-mach-binary", program}},
    {"\xfe\xed\xfa\xcf"sv, {"application/x-mach-binary", program}},
    {"\xff\x0a"sv, {"image/jxl", image}},
    {"\xff\xd8\xff"sv, {"image/jpeg", image}},
    {"\xffWPC"sv, {"application/vnd.wordperfect", document}},
};

constexpr unsigned char first_octet(std::string_view text) { return static_cast<unsigned char>(text.front()); }

static_assert(std::ranges::is_sorted(magics, {}, [](const Magic& magic) { return first_octet(magic.start); }));

// For each first octet, where its lines begin; they end where the next octet's begin.
constexpr auto lines_of = [] {
    std::array<std::uint8_t, 257> out{};
    std::size_t line = 0;
    for (std::size_t octet = 0; octet <= 256; ++octet) {
        while (line < std::size(magics) && first_octet(magics[line].start) < octet) ++line;
        out[octet] = static_cast<std::uint8_t>(line);
    }
    return out;
}();
static_assert(std::size(magics) < 256);

bool has_at(std::string_view bytes, std::size_t at, std::string_view mark) {
    return at <= bytes.size() && bytes.substr(at).starts_with(mark);
}

// A class file's version is at least 45 (JDK 1.0); where a fat Mach-O counts its architectures, and has few.
MediaType java_or_mach_o(std::string_view bytes) {
    const bool is_mach_o = bytes.size() >= 8 && bytes.substr(4, 3) == "\0\0\0"sv && static_cast<unsigned char>(bytes[7]) < 45;
    return is_mach_o ? MediaType{"application/x-mach-binary", program} : MediaType{"application/java-vm", program};
}

// Windows Installer packages by the class of the root entry, where the directory lies within what is seen ([MS-CFB] 2.2, 2.6).
MediaType ole_type(std::string_view bytes) {
    constexpr std::string_view installer_class = "\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"sv;
    constexpr MediaType storage{"application/x-ole-storage", document};
    if (bytes.size() < 512) return storage;
    const auto number = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])); };
    const std::size_t sector_size = number(30) == 12 ? 4096 : 512;
    const std::size_t directory = number(48) | number(49) << 8U | number(50) << 16U | number(51) << 24U;
    return has_at(bytes, (directory + 1) * sector_size + 80, installer_class) ? MediaType{"application/x-msi", program} : storage;
}

// ISO base media (ISO/IEC 14496-12): the first box's type at 4, the major brand at 8. Segments of a stream begin with other boxes.
MediaType by_first_box(std::string_view bytes) {
    const std::string_view box = bytes.size() < 12 ? std::string_view() : bytes.substr(4, 4);
    if (box == "ftyp") {
        const std::string_view brand = bytes.substr(8, 4);
        if (brand == "M4A " || brand == "M4B " || brand == "M4P ") return {"audio/mp4", audio};
        if (brand == "avif" || brand == "avis") return {"image/avif", image};
        if (brand == "heic" || brand == "heix" || brand == "mif1" || brand == "msf1") return {"image/heic", image};
        if (brand == "qt  ") return {"video/quicktime", video};
        if (brand.starts_with("3g")) return {"video/3gpp", video};
        return {"video/mp4", video};
    }
    if (box == "styp" || box == "moof" || box == "sidx") return {"video/mp4", video};
    if (box == "moov" || box == "mdat" || box == "wide") return {"video/quicktime", video};
    return {};
}

// A frame of MPEG audio (ISO/IEC 11172-3 2.4.2.3) or ADTS (14496-3): eleven set bits, and nothing reserved.
MediaType by_audio_frame(std::string_view bytes) {
    if (bytes.size() < 3 || first_octet(bytes) != 0xff) return {};
    const unsigned second = static_cast<unsigned char>(bytes[1]);
    const unsigned third = static_cast<unsigned char>(bytes[2]);
    if ((second & 0xf6U) == 0xf0) return {"audio/aac", audio};
    const bool is_frame =
        (second & 0xe0U) == 0xe0 && (second & 0x18U) != 0x08 && (second & 0x06U) != 0 && (third & 0xf0U) != 0xf0 && (third & 0x0cU) != 0x0c;
    const bool is_byte_order_mark = second == 0xfe;
    return is_frame && !is_byte_order_mark ? MediaType{"audio/mpeg", audio} : MediaType{};
}

// Marks near the start, but not at it.
MediaType by_inner_mark(std::string_view bytes) {
    if (has_at(bytes, 2, "-l") && bytes.size() > 6 && bytes[6] == '-' && bytes[5] != ' ') return {"application/x-lzh-compressed", archive};
    // Symbian's installation files, by their third identifier (before EPOC 9) or their first.
    if (has_at(bytes, 8, "\x19\4\0\x10"sv) || bytes.starts_with("\x7a\x1a\x20\x10"sv)) return {"application/vnd.symbian.install", archive};
    if (has_at(bytes, 7, "**ACE**")) return {"application/x-ace-compressed", archive};
    if (has_at(bytes, 34, "LP") && has_at(bytes, 8, "\1\0\2\0"sv)) return {"application/vnd.ms-fontobject", font};
    // Skippable frames come first in some Zstandard files (RFC 8878 3.1.2).
    if (has_at(bytes, 1, "*M\x18") && (bytes.front() & 0xf0) == 0x50) return {"application/zstd", archive};
    return {};
}

}  // namespace

MediaType by_magic(std::string_view bytes) {
    if (bytes.empty()) return {};
    const std::size_t octet = first_octet(bytes);
    for (std::size_t line = lines_of[octet]; line < lines_of[octet + 1]; ++line) {
        const Magic& magic = magics[line];
        if (!bytes.starts_with(magic.start) || !has_at(bytes, magic.at, magic.mark)) continue;
        if (magic.type.mime == "application/zip") return zip_type(bytes);
        if (magic.type.mime == "application/x-ole-storage") return ole_type(bytes);
        if (magic.start == "\xca\xfe\xba\xbe") return java_or_mach_o(bytes);
        return magic.type;
    }
    if (const MediaType type = by_inner_mark(bytes); type.kind != unknown) return type;
    if (const MediaType type = by_first_box(bytes); type.kind != unknown) return type;
    return by_audio_frame(bytes);
}

}  // namespace sluice::inspect
