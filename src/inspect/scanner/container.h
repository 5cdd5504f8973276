// SPDX-License-Identifier: Apache-2.0
// Which archive an object is, by its first bytes (or, for archives that may have anything in front, by their directory). Decides which one of
// libarchive's readers is let near it: never all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::inspect {

enum class Container : std::uint8_t {
    zip,
    seven_zip,
    rar,
    rar5,
    tar,
    cab,
    iso,
    iso_joliet,  // an iso's other tree; never found, but asked for
    lha,
    cpio,
    ar,  // many members
    gzip,
    bzip2,
    xz,
    lzma,
    lzip,
    zstd,
    lz4,
    compress,  // one stream, which may be a tar
};

struct ContainerPlace {
    Container container{};
    std::size_t offset = 0;  // where it begins; not 0: behind a program that unpacks itself
    std::size_t end = std::string_view::npos;  // what is behind it is left; npos: that is for its reader to say
    bool is_certain = true;  // false: other things begin like that, so what cannot be opened may be none
};

// Of a disc's image (ECMA-119, ECMA-167), what stands beside its first tree of files: programs read one or the other.
struct DiscTrees {
    bool has_joliet = false;
    bool has_udf = false;
};
DiscTrees disc_trees(std::string_view image);

// nullopt: none that is opened. What merely looks like one further in than its beginning is found for 7z, rar and cab (behind a
// program's first bytes), then for zip (by its directory, wherever that is).
std::optional<ContainerPlace> find_container(std::string_view object);

constexpr bool is_stream(Container container) { return container >= Container::gzip; }

}  // namespace sluice::inspect
