// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/container.h"

#include "inspect/scanner/zip_directory.h"

#include <array>

namespace sluice::inspect {

namespace {

using std::literals::operator""sv;

// So far into a program the archive is looked for that it unpacks: as libarchive does, and more.
constexpr std::size_t stub_size = 1 << 20;

struct Magic {
    std::size_t offset;
    std::string_view bytes;
    Container container;
};

constexpr std::array magics{
    Magic{0, "PK\x03\x04"sv, Container::zip},
    Magic{0, "PK\x05\x06"sv, Container::zip},                // without members
    Magic{0, "PK\x07\x08PK\x03\x04"sv, Container::zip},      // the first part of one that was to be split
    Magic{0, "PK00PK\x03\x04"sv, Container::zip},
    Magic{0, "7z\xbc\xaf\x27\x1c"sv, Container::seven_zip},
    Magic{0, "Rar!\x1a\x07\x00"sv, Container::rar},
    Magic{0, "Rar!\x1a\x07\x01\x00"sv, Container::rar5},
    Magic{0, "MSCF\0\0\0\0"sv, Container::cab},
    Magic{257, "ustar"sv, Container::tar},
    Magic{32769, "CD001"sv, Container::iso},
    Magic{0, "070701"sv, Container::cpio},
    Magic{0, "070702"sv, Container::cpio},
    Magic{0, "070707"sv, Container::cpio},
    Magic{0, "!<arch>\n"sv, Container::ar},
    Magic{0, "\x1f\x8b\x08"sv, Container::gzip},
    Magic{0,
          "\xfd"
          "7zXZ\0"sv,
          Container::xz},
    Magic{0, "LZIP\x01"sv, Container::lzip},
    Magic{0, "\x28\xb5\x2f\xfd"sv, Container::zstd},
    Magic{0, "\x04\x22\x4d\x18"sv, Container::lz4},
};

bool has(std::string_view object, std::size_t offset, std::string_view bytes) {
    return object.size() >= offset + bytes.size() && object.substr(offset, bytes.size()) == bytes;
}

// "BZh", the block size, and the first block's or the end's magic number.
bool is_bzip2(std::string_view object) {
    return has(object, 0, "BZh") && object.size() > 3 && object[3] >= '1' && object[3] <= '9' &&
           (object.size() < 10 || has(object, 4, "1AY&SY") || has(object, 4, "\x17rE8P\x90"));
}

// -lh0- to -lh7-, -lhd-, -lhx-, -lzs-, -lz4-, -lz5-, behind the header's size and sum.
bool is_lha(std::string_view object) {
    if (object.size() <= 21 || object[2] != '-' || object[3] != 'l' || object[6] != '-' || object[20] < 0 || object[20] > 3) return false;
    return object[4] == 'h' ? "01234567dx"sv.contains(object[5]) : object[4] == 'z' && "s45"sv.contains(object[5]);
}

// compress(1): bits that are never set, codes of nine to sixteen bits, and a first code that is a literal.
bool is_compress(std::string_view object) {
    if (!has(object, 0, "\x1f\x9d") || object.size() < 5) return false;
    const int width = object[2] & 0x1f;
    return (object[2] & 0x60) == 0 && width >= 9 && width <= 16 && (object[4] & 1) == 0;
}

// The old binary header of cpio(5), of either byte order: 26 octets, then a name that ends where its length says.
bool is_binary_cpio(std::string_view object) {
    const bool is_little = has(object, 0, "\xc7\x71");
    if ((!is_little && !has(object, 0, "\x71\xc7")) || object.size() < 28) return false;
    const auto octet = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(object[at])); };
    const std::size_t name = is_little ? octet(20) | octet(21) << 8U : octet(20) << 8U | octet(21);
    return name > 1 && object.find('\0', 26) == 26 + name - 1;
}

// There is no magic word: the usual properties, a dictionary of whole pages, a size below 1 TiB or not known, and the coder's first byte, which is 0.
bool is_lzma(std::string_view object) {
    if (object.size() < 14 || object[0] != '\x5d' || object[1] != 0 || object[2] != 0 || object[13] != 0) return false;
    const std::string_view size = object.substr(5, 8);
    return size.substr(5) == "\0\0\0"sv || size == "\xff\xff\xff\xff\xff\xff\xff\xff"sv;
}

// A header without a magic word (V7): its sum must be right (POSIX 1003.1, ustar; the sum's own field counts as spaces).
bool is_old_tar(std::string_view object) {
    if (object.size() < 512 || object[0] == 0) return false;
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(object[i]);
    std::uint32_t said = 0;
    std::size_t i = 148;
    while (i < 156 && object[i] == ' ') ++i;
    const std::size_t first = i;
    for (; i < 156 && object[i] >= '0' && object[i] <= '7'; ++i) said = said * 8 + static_cast<std::uint32_t>(object[i] - '0');
    return i > first && said == sum;
}

bool is_program(std::string_view object) {
    return has(object, 0, "MZ") ||
           has(object, 0,
               "\x7f"
               "ELF") ||
           has(object, 0, "#!");
}

std::optional<ContainerPlace> find_behind_program(std::string_view object) {
    const std::string_view stub = object.substr(0, stub_size);
    std::optional<ContainerPlace> first;
    for (const Magic& magic : magics) {
        if (magic.container != Container::seven_zip && magic.container != Container::rar && magic.container != Container::rar5 &&
            magic.container != Container::cab)
            continue;
        const std::size_t at = stub.find(magic.bytes);
        if (at != std::string_view::npos && (!first || at < first->offset))
            first = ContainerPlace{.container = magic.container, .offset = at, .is_certain = false};
    }
    return first;
}

}  // namespace

DiscTrees disc_trees(std::string_view image) {
    // Descriptors of volumes, one a sector, from the sixteenth on; UDF's stand behind the one that ends ISO 9660's.
    constexpr std::size_t sector = 2048, first = 16, most = 64;
    DiscTrees out;
    for (std::size_t i = first; i < most && (i + 1) * sector <= image.size(); ++i) {
        const std::string_view here = image.substr(i * sector, 8);
        if (here.substr(1, 5) == "CD001") out.has_joliet = out.has_joliet || here[0] == 2;
        else if (here.substr(1, 4) == "NSR0") out.has_udf = true;
    }
    return out;
}

std::optional<ContainerPlace> find_container(std::string_view object) {
    for (const Magic& magic : magics)
        if (has(object, magic.offset, magic.bytes)) return ContainerPlace{.container = magic.container};
    if (is_bzip2(object)) return ContainerPlace{.container = Container::bzip2};
    if (is_lha(object)) return ContainerPlace{.container = Container::lha};
    if (is_compress(object)) return ContainerPlace{.container = Container::compress};
    if (is_binary_cpio(object)) return ContainerPlace{.container = Container::cpio};
    if (is_old_tar(object)) return ContainerPlace{.container = Container::tar};
    if (is_lzma(object)) return ContainerPlace{.container = Container::lzma};
    if (is_program(object))
        if (const auto place = find_behind_program(object)) return place;
    if (find_zip(object)) return ContainerPlace{.container = Container::zip};
    return std::nullopt;
}

}  // namespace sluice::inspect
