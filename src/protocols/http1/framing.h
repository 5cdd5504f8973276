// SPDX-License-Identifier: Apache-2.0
// The two fields that say how long a body is (RFC 9112 6), for the parsers of this folder.
#pragma once

#include "base/result.h"
#include "protocols/http1/fields.h"
#include "protocols/http1/syntax.h"

#include <cstdint>
#include <optional>

namespace sluice::http1::detail {

struct BodyLength {
    bool chunked = false;
    std::optional<std::uint64_t> length; // at most 2^63 - 1
};

// Refuses what leaves room for two opinions: both fields, one of them twice, lists, any coding but "chunked", codings in HTTP/1.0.
Result<BodyLength> read_body_length(const Fields& fields, Version version, Side side);

bool list_has(const Fields& fields, KnownField field, std::string_view element);

// "HTTP/1.0", "HTTP/1.1". A higher minor version is 1.1 to us (RFC 9110 2.5); another major version: `unsupported`.
Result<Version> read_version(std::string_view text, Side side);

// The octets moved from `from` to `to`.
std::string_view moved(std::string_view view, const char* from, const char* to);

}  // namespace sluice::http1::detail
