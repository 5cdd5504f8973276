// SPDX-License-Identifier: Apache-2.0
// A codec's outcome must not depend on where the octets are cut.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::test {

// Calls `check` with the text whole, cut in two at every position, and octet by octet.
template <class Check>
void at_every_split(std::string_view text, Check&& check) {
    {
        SCOPED_TRACE("whole");
        check(std::span<const std::string_view>(&text, 1));
    }
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
        SCOPED_TRACE("cut at " + std::to_string(cut));
        const std::string_view pieces[] = {text.substr(0, cut), text.substr(cut)};
        check(std::span<const std::string_view>(pieces));
    }
    SCOPED_TRACE("octet by octet");
    std::vector<std::string_view> octets;
    for (std::size_t i = 0; i < text.size(); ++i) octets.push_back(text.substr(i, 1));
    check(std::span<const std::string_view>(octets));
}

}  // namespace sluice::test
