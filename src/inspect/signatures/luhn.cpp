// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/luhn.h"

#include "base/text.h"

namespace sluice::inspect {

namespace {

constexpr bool is_separator(char c) { return c == ' ' || c == '-'; }

// Fed from the right.
class Sum {
public:
    void add(char digit) {
        const int value = digit - '0';
        const int doubled = value * 2;
        total_ += count_ % 2 == 0 ? value : doubled > 9 ? doubled - 9 : doubled;
        ++count_;
    }
    std::size_t count() const { return count_; }
    bool holds() const { return count_ >= 2 && total_ % 10 == 0; }

private:
    int total_ = 0;
    std::size_t count_ = 0;
};

}  // namespace

bool luhn_holds(std::string_view text) {
    Sum sum;
    for (; !text.empty(); text.remove_suffix(1)) {
        if (is_digit(text.back())) sum.add(text.back());
        else if (!is_separator(text.back())) return false;
    }
    return sum.holds();
}

bool luhn_ends(std::string_view text, std::size_t fewest, std::size_t most) {
    while (!text.empty() && !is_digit(text.back())) text.remove_suffix(1);
    Sum sum;
    for (; !text.empty() && sum.count() < most; text.remove_suffix(1)) {
        if (is_separator(text.back())) continue;
        if (!is_digit(text.back())) return false;
        sum.add(text.back());
        const std::string_view before = text.substr(0, text.size() - 1);
        const bool begins = fewest == most || before.empty() || !is_digit(before.back());
        if (sum.count() >= fewest && begins && sum.holds()) return true;
    }
    return false;
}

}  // namespace sluice::inspect
