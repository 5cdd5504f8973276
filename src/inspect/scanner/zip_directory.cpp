// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/zip_directory.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace sluice::inspect {

namespace {

using std::literals::operator""sv;

// Sizes and signatures of APPNOTE.TXT 4.3.
constexpr auto local_signature = "PK\x03\x04"sv;
constexpr auto entry_signature = "PK\x01\x02"sv;
constexpr auto end_signature = "PK\x05\x06"sv;
constexpr auto end64_signature = "PK\x06\x06"sv;
constexpr auto locator64_signature = "PK\x06\x07"sv;
constexpr std::size_t local_size = 30;
constexpr std::size_t entry_size = 46;
constexpr std::size_t end_size = 22;
constexpr std::size_t end64_size = 56;
constexpr std::size_t locator64_size = 20;
constexpr std::size_t comment_most = 0xffff;
constexpr std::uint16_t encrypted_flag = 1;
constexpr std::uint16_t descriptor_flag = 8;                 // sizes and sum stand behind the data
constexpr char made_on_unix = 3;                             // where the attributes' upper half is a mode
constexpr std::uint32_t plain_file = 0100644U << 16U;
constexpr std::uint32_t folder = 040755U << 16U;
constexpr std::uint16_t attributes_in_local = 0x6c78;        // a field with attributes, which libarchive alone believes
constexpr std::uint32_t in_zip64 = 0xffffffff;

template <class T>
T number(std::string_view text, std::size_t at) {
    T value = 0;
    if (at <= text.size() && text.size() - at >= sizeof value) std::memcpy(&value, text.data() + at, sizeof value);
    return value;
}
std::uint16_t two(std::string_view text, std::size_t at) { return number<std::uint16_t>(text, at); }
std::uint32_t four(std::string_view text, std::size_t at) { return number<std::uint32_t>(text, at); }
std::uint64_t eight(std::string_view text, std::size_t at) { return number<std::uint64_t>(text, at); }

// [begin, end) of the directory, and how much stands in front of the zip (a program that unpacks itself).
struct Directory {
    std::uint64_t begin;
    std::uint64_t end;
    std::uint64_t entries;
    std::uint64_t prefix;
};

// Sizes and place of a member, from its entry and the zip64 field (APPNOTE.TXT 4.5.3) where that has them.
struct Sizes {
    std::uint64_t packed;
    std::uint64_t unpacked;
    std::uint64_t offset;
};

std::optional<std::string_view> extra_field(std::string_view extra, std::uint16_t wanted) {
    while (extra.size() >= 4) {
        const std::size_t size = two(extra, 2);
        if (extra.size() - 4 < size) return std::nullopt;
        if (two(extra, 0) == wanted) return extra.substr(4, size);
        extra.remove_prefix(4 + size);
    }
    return std::nullopt;
}

// Fills in what is said to stand in the zip64 field, in its order. False: it does not stand there.
bool widen(Sizes& sizes, std::string_view extra) {
    const std::string_view wide = extra_field(extra, 1).value_or(""sv);
    std::size_t at = 0;
    for (std::uint64_t* each : {&sizes.unpacked, &sizes.packed, &sizes.offset}) {
        if (*each != in_zip64) continue;
        if (wide.size() < at + 8) return false;
        *each = eight(wide, at);
        at += 8;
    }
    return true;
}

// The directory that readers agree on: the last end record whose comment ends with the object.
std::optional<Directory> find_directory(std::string_view object) {
    if (object.size() < end_size) return std::nullopt;
    const std::size_t first = object.size() - std::min(object.size(), end_size + comment_most);
    for (std::size_t at = object.size() - end_size + 1; at-- > first;) {
        if (object.substr(at, 4) != end_signature || at + end_size + two(object, at + 20) != object.size()) continue;
        std::uint64_t entries = two(object, at + 10);
        std::uint64_t size = four(object, at + 12);
        std::uint64_t offset = four(object, at + 16);
        std::uint64_t end = at;
        if (at >= locator64_size + end64_size && object.substr(at - locator64_size, 4) == locator64_signature) {
            // Writers put nothing between the two; a record that is elsewhere is believed by some readers only.
            const std::size_t wide = at - locator64_size - end64_size;
            if (object.substr(wide, 4) != end64_signature) return std::nullopt;
            entries = eight(object, wide + 32);
            size = eight(object, wide + 40);
            offset = eight(object, wide + 48);
            end = wide;
        }
        if (two(object, at + 4) != 0 || size > end || offset > end - size) return std::nullopt;
        return Directory{end - size, end, entries, end - size - offset};
    }
    return std::nullopt;
}

class Checker {
public:
    Checker(std::string_view object, const Directory& directory) : object_(object), directory_(directory) {}

    ZipFault run(std::size_t most_members) {
        std::uint64_t at = directory_.begin;
        std::uint64_t count = 0;
        for (; at < directory_.end; ++count) {
            if (count == most_members) return ZipFault::too_many;
            const std::string_view rest = object_.substr(at, directory_.end - at);
            if (rest.size() < entry_size || !rest.starts_with(entry_signature)) return ZipFault::disagreement;
            const std::size_t size = entry_size + std::size_t{two(rest, 28)} + two(rest, 30) + two(rest, 32);
            if (rest.size() < size || !agrees(rest.substr(0, size))) return ZipFault::disagreement;
            at += size;
        }
        if (count != directory_.entries) return ZipFault::disagreement;
        return check_places();
    }

private:
    // An entry against the header that it points to.
    bool agrees(std::string_view entry) {
        Sizes sizes{four(entry, 20), four(entry, 24), four(entry, 42)};
        const std::size_t name_size = two(entry, 28);
        if (!widen(sizes, entry.substr(entry_size + name_size, two(entry, 30)))) return false;
        if (sizes.offset > directory_.begin - directory_.prefix) return false;
        const std::uint64_t begin = directory_.prefix + sizes.offset;
        const std::string_view local = object_.substr(begin, directory_.begin - begin);
        const std::size_t header = local_size + std::size_t{two(local, 26)} + two(local, 28);
        if (local.size() < header || !local.starts_with(local_signature)) return false;
        if (local.size() - header < sizes.packed) return false;
        if (extra_field(local.substr(local_size + two(local, 26), two(local, 28)), attributes_in_local)) return false;
        places_.emplace_back(begin, begin + header + sizes.packed);

        if (two(local, 26) != name_size || local.substr(local_size, name_size) != entry.substr(entry_size, name_size)) return false;
        if (two(local, 8) != two(entry, 10)) return false;   // the method
        const std::uint16_t flags = two(local, 6);
        if ((flags ^ two(entry, 8)) & (encrypted_flag | descriptor_flag)) return false;
        Sizes local_sizes{four(local, 18), four(local, 22), 0};
        if (!widen(local_sizes, local.substr(local_size + name_size, two(local, 28)))) return false;
        const auto is_same = [&](std::uint64_t there, std::uint64_t here) {
            return here == there || ((flags & descriptor_flag) && here == 0);
        };
        return is_same(sizes.packed, local_sizes.packed) && is_same(sizes.unpacked, local_sizes.unpacked) &&
               is_same(four(entry, 16), four(local, 14));
    }

    // Members that share bytes; and headers that the directory does not know, which a reader that goes from front to back would take for members.
    ZipFault check_places() {
        std::ranges::sort(places_);
        std::uint64_t free = 0;
        bool is_first = true;
        for (const auto& [begin, end] : places_) {
            if (begin < free) return ZipFault::overlap;
            // What stands in front of the first may be a program with anything in it, unless it is itself a header.
            const std::string_view gap = object_.substr(free, begin - free);
            if (is_first ? gap.starts_with(local_signature) : gap.contains(local_signature)) return ZipFault::disagreement;
            is_first = false;
            free = end;
        }
        const std::string_view gap = object_.substr(free, directory_.begin - free);
        if (is_first ? gap.starts_with(local_signature) : gap.contains(local_signature)) return ZipFault::disagreement;
        return ZipFault::none;
    }

    std::string_view object_;
    Directory directory_;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> places_;
};

// Where bytes follow the zip, they are no part of it: the last end record decides where it ends.
std::string_view without_tail(std::string_view object) {
    const std::size_t at = object.rfind(end_signature);
    if (at == std::string_view::npos || object.size() - at < end_size) return object;
    const std::size_t end = at + end_size + two(object, at + 20);
    return end <= object.size() ? object.substr(0, end) : object;
}

// The same, and `object` shortened to where the zip ends.
std::optional<Directory> find_directory_before_tail(std::string_view& object) {
    if (const auto directory = find_directory(object)) return directory;
    object = without_tail(object);
    return find_directory(object);
}

}  // namespace

ZipFault check_zip(std::string_view object, std::size_t most_members) {
    const std::optional<Directory> directory = find_directory_before_tail(object);
    if (!directory) return ZipFault::no_directory;
    // A second end record in the comment of the first, or behind it: which one counts depends on who reads.
    if (object.substr(directory->end).find(end_signature) != object.substr(directory->end).rfind(end_signature))
        return ZipFault::disagreement;
    return Checker(object, *directory).run(most_members);
}

bool has_zip_directory(std::string_view object) {
    const std::optional<Directory> directory = find_directory(object);
    return directory && directory->begin < directory->end && object.substr(directory->begin).starts_with(entry_signature);
}

std::optional<PlainDirectory> plain_directory(std::string_view object) {
    const std::optional<Directory> directory = find_directory_before_tail(object);
    if (!directory) return std::nullopt;
    PlainDirectory plain{directory->begin, std::string(object.substr(directory->begin, directory->end - directory->begin))};
    const std::string_view rest = plain.bytes;
    for (std::size_t at = 0; rest.size() - at >= entry_size && rest.substr(at).starts_with(entry_signature);) {
        const std::string_view entry = rest.substr(at);
        const std::string_view name = entry.substr(entry_size, two(entry, 28));
        const std::uint32_t attributes = name.ends_with('/') && four(entry, 24) == 0 ? folder : plain_file;
        plain.bytes[at + 5] = made_on_unix;
        std::memcpy(plain.bytes.data() + at + 38, &attributes, sizeof attributes);
        at += std::min(entry.size(), entry_size + std::size_t{two(entry, 28)} + two(entry, 30) + two(entry, 32));
    }
    return plain;
}

}  // namespace sluice::inspect
