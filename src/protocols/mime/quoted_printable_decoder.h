// SPDX-License-Identifier: Apache-2.0
// Quoted-printable (RFC 2045 6.7) undone as it streams. Blanks at the end of a line stay, as most readers have it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice::mime {

class QuotedPrintableDecoder {
public:
    enum class Way : std::uint8_t {
        forgiving,  // small hexadecimal digits count, blanks between "=" and the line's end too; any other "=" is itself
        strict,  // whatever the RFC does not have is itself
    };
    static constexpr std::size_t smallest_buffer = 128;

    explicit QuotedPrintableDecoder(Way way = Way::forgiving) : way_(way) {}

    // Takes octets from the front of `in`, as many as fit when decoded, and gives what they decode to: a part of `buffer`, maybe none of it.
    std::string_view decode(std::string_view& in, std::span<char> buffer);
    std::string_view finish(std::span<char> buffer);

    bool is_odd() const { return is_odd_; }  // so far: readers may differ

private:
    bool take(char c, char*& out);
    void give_held(char*& out);

    Way way_;
    std::string held_;  // "=" and what follows it, as long as it may be an escape or a soft line break
    bool is_odd_ = false;
};

}  // namespace sluice::mime
