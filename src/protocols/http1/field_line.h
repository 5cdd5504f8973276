// SPDX-License-Identifier: Apache-2.0
// One field line, of a head or of a trailer section (RFC 9112 5).
#pragma once

#include "base/result.h"
#include "protocols/http1/fields.h"

#include <cstddef>
#include <string_view>

namespace sluice::http1 {

// `line`: without its CRLF, not empty, and free of controls other than HTAB. Added to `fields`, unless they are `limit` already. The name is as it came, the
// value without white space at its ends.
Result<void> add_field_line(std::string_view line, Fields& fields, std::size_t limit, Side side);

}  // namespace sluice::http1
