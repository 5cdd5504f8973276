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

// [begin, end) of the directory, how much stands in front of the zip (a program that unpacks itself), and where the end record is.
struct Directory {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t entries = 0;
    std::uint64_t prefix = 0;
    std::size_t record = 0;
    bool is_odd = false;  // there are readers that find another one, or none
    bool is_lost = false;  // there are readers that find one, which is not known here: `begin` is `end`
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

bool has(std::string_view object, std::uint64_t at, std::string_view signature) {
    return at <= object.size() && object.substr(at).starts_with(signature);
}

// The last end signature that begins before `below`, or npos. Linear; in blocks, because AddressSanitizer looks, at each call, at all that may be read.
std::size_t last_end_signature(std::string_view object, std::size_t below) {
    constexpr std::size_t block = 4096;
    std::size_t rest = std::min(below, object.size());
    while (rest > 0) {
        const std::size_t begin = rest - std::min(rest, block);
        const void* found = ::memrchr(object.data() + begin, end_signature.front(), rest - begin);
        rest = found ? static_cast<std::size_t>(static_cast<const char*>(found) - object.data()) : begin;
        if (found && has(object, rest, end_signature)) return rest;
    }
    return std::string_view::npos;
}

// Where a zip64 locator stands in front of the end record, `found` becomes what the zip64 end record says; false: it is not there.
bool take_zip64(std::string_view object, Directory& found, std::uint64_t& size, std::uint64_t& offset) {
    const std::size_t locator = found.record - locator64_size;
    found.end = locator - end64_size;
    if (locator < end64_size || !has(object, found.end, end64_signature)) {
        // Writers put nothing between the two; a record that is elsewhere is believed by some readers only.
        found.is_odd = true;
        found.end = eight(object, locator + 8);
        if (found.end >= locator || locator - found.end < end64_size || !has(object, found.end, end64_signature)) return false;
    }
    const auto take = [&](std::uint64_t& value, std::uint64_t unknown, std::size_t at) {
        const std::uint64_t wide = eight(object, found.end + at);
        if (value != unknown && value != wide) found.is_odd = true;
        value = wide;
    };
    take(found.entries, 0xffff, 32);
    take(size, in_zip64, 40);
    take(offset, in_zip64, 48);
    return true;
}

// The directory of the end record at `at`, wherever its comment is said to end: empty, lost, or there is an entry. nullopt: no reader finds one by it.
std::optional<Directory> directory_at(std::string_view object, std::size_t at) {
    if (object.size() - at < end_size) return std::nullopt;
    Directory found{.end = at, .entries = two(object, at + 10), .record = at};
    std::uint64_t size = four(object, at + 12);
    std::uint64_t offset = four(object, at + 16);
    // More than one disk: some readers do not look at that.
    found.is_odd = two(object, at + 4) != 0 || two(object, at + 6) != 0 || two(object, at + 8) != two(object, at + 10);
    const bool has_locator = at >= locator64_size && has(object, at - locator64_size, locator64_signature);
    if (has_locator && !take_zip64(object, found, size, offset)) {
        found.end = at;
        found.is_lost = size == in_zip64 || offset == in_zip64;
    }

    const bool is_there = size <= found.end && has(object, found.end - size, entry_signature);
    const bool is_empty = size == 0 && offset <= found.end && !has(object, offset, entry_signature);
    if (is_there || is_empty) {
        found.begin = found.end - size;
        // Where the offset is too large, some count backwards.
        if (offset > found.begin) found.is_odd = true;
        else found.prefix = found.begin - offset;
        // Some take the offset as it is, whatever stands in front.
        if (found.prefix != 0 && has(object, offset, entry_signature)) found.is_odd = true;
    } else if (offset < found.end && has(object, offset, entry_signature)) {
        found.begin = offset;
        found.is_odd = true;
    } else if (found.is_lost) {
        found.begin = found.end;
    } else {
        return std::nullopt;
    }
    if (found.end == at) return found;
    // Some look where the locator points to, and for a locator behind the last entry.
    if (eight(object, at - locator64_size + 8) != found.end - found.prefix) found.is_odd = true;
    if (found.end >= locator64_size && has(object, found.end - locator64_size, locator64_signature)) found.is_odd = true;
    return found;
}

// The directory that readers take: that of the last end record by which there are entries, whatever stands behind it; else that of the last one.
std::optional<Directory> find_directory(std::string_view object) {
    std::optional<Directory> empty;
    for (std::size_t at = last_end_signature(object, object.size()); at != std::string_view::npos; at = last_end_signature(object, at)) {
        std::optional<Directory> found = directory_at(object, at);
        if (!found) continue;
        if (found->begin == found->end) {
            if (!empty) empty = found;
            continue;
        }
        if (empty && empty->is_lost) found->is_odd = true;
        return found;
    }
    return empty;
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
        if (two(local, 8) != two(entry, 10)) return false;  // the method
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

    // Members that share bytes; and headers that the directory does not know, which a reader that goes from front to back would take for members, or
    // which another directory knows.
    ZipFault check_places() {
        std::ranges::sort(places_);
        std::uint64_t free = 0;
        bool is_first = true;
        for (const auto& [begin, end] : places_) {
            if (begin < free) return ZipFault::overlap;
            // What stands in front of the first may be a program with anything in it, unless it is itself a header.
            const std::string_view gap = object_.substr(free, begin - free);
            if (is_strange(gap, is_first)) return ZipFault::disagreement;
            is_first = false;
            free = end;
        }
        const std::string_view gap = object_.substr(free, directory_.begin - free);
        return is_strange(gap, is_first) ? ZipFault::disagreement : ZipFault::none;
    }

    static bool is_strange(std::string_view gap, bool is_first) {
        return is_first ? gap.starts_with(local_signature) : gap.contains(local_signature) || gap.contains(end_signature);
    }

    std::string_view object_;
    Directory directory_;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> places_;
};

// A directory's first entry, of its whole length; empty where there is none.
std::string_view first_entry(std::string_view directory) {
    if (directory.size() < entry_size || !directory.starts_with(entry_signature)) return {};
    return directory.substr(0, entry_size + std::size_t{two(directory, 28)} + two(directory, 30) + two(directory, 32));
}

// Where the first member stands that has a header; where none has, the directory.
std::size_t first_member(std::string_view object, const Directory& directory) {
    std::uint64_t first = directory.begin;
    std::string_view rest = object.substr(directory.begin, directory.end - directory.begin);
    for (std::string_view entry = first_entry(rest); !entry.empty(); rest.remove_prefix(entry.size()), entry = first_entry(rest)) {
        Sizes sizes{four(entry, 20), four(entry, 24), four(entry, 42)};
        const std::size_t extra = std::min(entry.size(), entry_size + two(entry, 28));
        if (!widen(sizes, entry.substr(extra, two(entry, 30))) || sizes.offset >= first - std::min(first, directory.prefix)) continue;
        if (has(object, directory.prefix + sizes.offset, local_signature)) first = directory.prefix + sizes.offset;
    }
    return first;
}

// An end record that every reader understands, with nothing behind it; where its fields are too small for that, the one that is there.
std::string end_record(std::string_view object, const Directory& directory) {
    const std::uint64_t size = directory.end - directory.begin;
    const std::uint64_t offset = directory.begin - directory.prefix;
    std::string record(object.substr(directory.end, directory.record + end_size - directory.end));
    if (directory.entries < 0xffff && size < in_zip64 && offset < in_zip64) {
        record.assign(end_signature).append(end_size - end_signature.size(), '\0');
        const auto write = [&](std::size_t at, auto value) { std::memcpy(record.data() + at, &value, sizeof value); };
        write(8, static_cast<std::uint16_t>(directory.entries));
        write(10, static_cast<std::uint16_t>(directory.entries));
        write(12, static_cast<std::uint32_t>(size));
        write(16, static_cast<std::uint32_t>(offset));
    }
    std::fill(record.end() - 2, record.end(), '\0');  // the comment's size
    return record;
}

}  // namespace

ZipFault check_zip(std::string_view object, std::size_t most_members) {
    const std::optional<Directory> directory = find_directory(object);
    if (!directory) return ZipFault::no_directory;
    // Another end record in the comment: which one counts depends on who reads.
    const std::string_view comment = object.substr(directory->record + end_size, two(object, directory->record + 20));
    if (directory->is_odd || comment.contains(end_signature)) return ZipFault::disagreement;
    return Checker(object, *directory).run(most_members);
}

std::optional<ZipPlace> find_zip(std::string_view object) {
    const std::optional<Directory> directory = find_directory(object);
    if (!directory || (directory->begin == directory->end && !directory->is_lost)) return std::nullopt;
    // What has octets behind it is believed by some where there is a member at its beginning, and what was cut off is not.
    const std::size_t rest = object.size() - directory->record - end_size;
    const std::size_t comment = two(object, directory->record + 20);
    const bool is_sure = comment == rest || (comment < rest && has(object, directory->prefix, local_signature));
    const std::size_t end = object.size() - rest + std::min(comment, rest);
    return ZipPlace{
        .begin = first_member(object, *directory), .end = end, .record = static_cast<std::size_t>(directory->record), .is_sure = is_sure};
}

std::optional<PlainDirectory> plain_directory(std::string_view object) {
    const std::optional<Directory> directory = find_directory(object);
    if (!directory || directory->is_lost) return std::nullopt;
    PlainDirectory plain{directory->begin, std::string(object.substr(directory->begin, directory->end - directory->begin))};
    std::string_view rest = plain.bytes;
    for (std::string_view entry = first_entry(rest); !entry.empty(); rest.remove_prefix(entry.size()), entry = first_entry(rest)) {
        const std::string_view name = entry.substr(entry_size, two(entry, 28));
        const std::uint32_t attributes = name.ends_with('/') && four(entry, 24) == 0 ? folder : plain_file;
        const std::size_t at = plain.bytes.size() - rest.size();
        plain.bytes[at + 5] = made_on_unix;
        std::memcpy(plain.bytes.data() + at + 38, &attributes, sizeof attributes);
    }
    plain.bytes += end_record(object, *directory);
    return plain;
}

}  // namespace sluice::inspect
