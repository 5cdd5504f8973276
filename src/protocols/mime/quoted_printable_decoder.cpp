// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/quoted_printable_decoder.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::mime {
namespace {

constexpr std::size_t most_held = 100;  // a line of 76 octets ends earlier

// -1: no digit
int digit(char c, QuotedPrintableDecoder::Way way, bool& is_odd) {
    const bool is_small = c >= 'a' && c <= 'f';
    is_odd |= is_small;
    return is_small && way == QuotedPrintableDecoder::Way::strict ? -1 : hex_value(c);
}

}  // namespace

std::string_view QuotedPrintableDecoder::decode(std::string_view& in, std::span<char> buffer) {
    char* out = buffer.data();
    char* const end = out + buffer.size();
    while (!in.empty() && static_cast<std::size_t>(end - out) >= smallest_buffer) {
        if (held_.empty() && in.front() != '=') {
            const std::string_view plain = in.substr(0, in.substr(0, static_cast<std::size_t>(end - out)).find('='));
            const std::size_t size = std::min(plain.size(), static_cast<std::size_t>(end - out));
            out = std::copy_n(plain.data(), size, out);
            in.remove_prefix(size);
            continue;
        }
        if (held_.empty() && in.size() >= 3) {
            bool is_small = false;
            const int high = digit(in[1], way_, is_small);
            const int low = high < 0 ? -1 : digit(in[2], way_, is_small);
            if (low >= 0) {
                is_odd_ |= is_small;
                *out++ = static_cast<char>(high * 16 + low);
                in.remove_prefix(3);
                continue;
            }
        }
        if (take(in.front(), out)) in.remove_prefix(1);
    }
    return {buffer.data(), static_cast<std::size_t>(out - buffer.data())};
}

void QuotedPrintableDecoder::give_held(char*& out) {
    is_odd_ = true;
    out = std::ranges::copy(held_, out).out;
    held_.clear();
}

bool QuotedPrintableDecoder::take(char c, char*& out) {
    if (held_.empty()) {
        held_ = c;
        return true;
    }
    if (held_.back() == '\r' && c != '\n') {
        // A bare CR ends a line for some.
        is_odd_ = true;
        if (way_ == Way::strict) give_held(out);
        held_.clear();
        return false;
    }
    const bool is_digit_due = held_ == "=" || (held_.size() == 2 && hex_value(held_[1]) >= 0);
    if (is_digit_due && digit(c, way_, is_odd_) >= 0) {
        if (held_.size() == 2) *out++ = static_cast<char>(hex_value(held_[1]) * 16 + hex_value(c));
        if (held_.size() == 2) held_.clear();
        else held_ += c;
        return true;
    }
    const bool may_end_line = held_.size() < 2 || hex_value(held_[1]) < 0;
    if (may_end_line && c == '\n') {
        is_odd_ |= held_.size() > 1 && held_[1] != '\r';
        held_.clear();
        return true;
    }
    const bool is_blank = (c == ' ' || c == '\t') && way_ == Way::forgiving && held_.size() < most_held;
    if (may_end_line && (c == '\r' || is_blank)) {
        held_ += c;
        return true;
    }
    give_held(out);
    return false;
}

std::string_view QuotedPrintableDecoder::finish(std::span<char> buffer) {
    char* out = buffer.data();
    if (held_.size() == 2 && hex_value(held_[1]) >= 0) give_held(out);
    held_.clear();
    return {buffer.data(), static_cast<std::size_t>(out - buffer.data())};
}

}  // namespace sluice::mime
