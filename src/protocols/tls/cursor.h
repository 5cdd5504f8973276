// SPDX-License-Identifier: Apache-2.0
// Reads TLS's presentation language (RFC 8446 3): numbers in network order, vectors behind their length. Past the end it reads zeros and nothing,
// and has failed; so a structure is read to its end and asked once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::tls {

class Cursor {
public:
    // The bytes must outlive the cursor.
    explicit Cursor(std::string_view bytes) : left_(bytes) {}

    std::string_view take(std::size_t count) {
        if (count > left_.size()) {
            failed_ = true;
            left_ = {};
            return {};
        }
        const std::string_view taken = left_.substr(0, count);
        left_.remove_prefix(count);
        return taken;
    }
    std::uint8_t number8() { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t number16() { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t number24() { return number(3); }
    // What stands behind a length of one octet, or of two.
    std::string_view vector8() { return take(number8()); }
    std::string_view vector16() { return take(number16()); }
    std::string_view rest() { return take(left_.size()); }

    bool has_failed() const { return failed_; }
    bool has_more() const { return !left_.empty(); }
    bool is_at_end() const { return !failed_ && left_.empty(); }  // all was read, and nothing was missing

private:
    std::uint32_t number(std::size_t octets) {
        std::uint32_t value = 0;
        for (const char octet : take(octets)) value = value << 8 | static_cast<std::uint8_t>(octet);
        return value;
    }

    std::string_view left_;
    bool failed_ = false;
};

}  // namespace sluice::tls
