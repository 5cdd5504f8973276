// SPDX-License-Identifier: Apache-2.0
// One archive in memory, member by member: libarchive with exactly one reader let in. What it calls a warning is an error here, unless nothing but
// the spelling of a name is in question. Whatever a member says that it is, its content is read: that of a link is its target.
#pragma once

#include "inspect/scanner/container.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct archive;
struct archive_entry;

namespace sluice::inspect {

class ArchiveReader {
public:
    enum class Status : std::uint8_t {
        data,  // there is a member, or there is more of it
        end,  // of the archive, or of the member
        encrypted,
        no_memory,
        broken,  // the member; the next one may be good
        broken_for_good,
    };

    // The object outlives the reader.
    ArchiveReader(Container container, std::string_view object);
    ~ArchiveReader();
    ArchiveReader(const ArchiveReader&) = delete;
    ArchiveReader& operator=(const ArchiveReader&) = delete;

    // Goes to the next member: `data`, or `end`.
    Status next();

    // Of the member.
    std::string path() const;
    bool is_encrypted() const;
    std::uint64_t declared_size() const;  // 0: not known
    // Appends some more of it, 128 KiB at most. A member that ends before its declared size is broken.
    Status read(std::string& into);

    // Makes libarchive load now what it would load with the first archive of each kind (tables, locale, time zone).
    static void warm_up();

private:
    class Source;
    Status fault(int code) const;

    std::unique_ptr<Source> source_;
    archive* archive_;
    std::vector<char> buffer_;
    archive_entry* entry_ = nullptr;
    bool is_open_ = false;
    bool has_warned_ = false;
    std::uint64_t read_ = 0;
};

}  // namespace sluice::inspect
