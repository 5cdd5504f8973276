// SPDX-License-Identifier: Apache-2.0
// Reads the lines of a list's file, plain or gzip (by its first bytes, whatever the name says), as a stream and within bounds.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sluice::policy {

struct ReadBounds {
    std::size_t line = 4096;                                    // bytes; what is longer is not an entry of any type
    std::size_t file = std::size_t{1} << 30;                    // bytes, decompressed
};

// Tells whether a file is still the same without reading it.
struct FileIdentity {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = -1;
    std::int64_t modified_ns = 0, changed_ns = 0;
    bool known() const { return size >= 0; }
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// Not known where the file cannot be asked.
FileIdentity identify(const std::string& path);

// Calls `each` with every line, without its LF or CRLF; the first without a byte order mark. `too_long`: the line exceeds the bound, and
// `line` is its beginning. The result is what the file was when it was opened; not known if it changed meanwhile.
// Errors: io_failed (errno), malformed (a damaged or cut gzip file), too_large.
Result<FileIdentity> read_lines(const std::string& path, const ReadBounds& bounds,
                                const std::function<void(std::string_view line, bool too_long)>& each);

}  // namespace sluice::policy
