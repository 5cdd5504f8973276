// SPDX-License-Identifier: Apache-2.0
// A name and its value, as views: a header field line, seen by codecs, rules and the log alike.
#pragma once

#include <string_view>

namespace sluice {

struct NameValue {
    std::string_view name;
    std::string_view value;
};

}  // namespace sluice
