// SPDX-License-Identifier: Apache-2.0
// The words that all lists share: their types, their ids, and what is said about one after it was loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::policy {

enum class ListType : std::uint8_t { domain, ip, sha256, url, string };

std::string_view to_string(ListType type);
std::optional<ListType> find_list_type(std::string_view name);

// The position of a list in the configuration. Sets of lists are bitmaps of 64-bit words: bit `id % 64` of word `id / 64`.
using ListId = std::uint16_t;

constexpr std::size_t bitmap_words(std::size_t lists) { return (lists + 63) / 64; }

struct LoadReport {
    std::size_t entries = 0;                         // distinct ones
    std::size_t lines = 0;                           // of the file, empty lines and comments included; or the number of values
    std::size_t bad = 0;                             // lines skipped because they are not entries of the list's type
    std::size_t not_applicable = 0;                  // lines that mean something that a list cannot say: exceptions, filters on paths
    std::vector<std::size_t> first_bad_lines;        // up to 10, from 1
    bool kept_previous = false;                      // the file came out bad or shrunk: `entries` are those of the previous content
    std::string why_kept;
};

}  // namespace sluice::policy
