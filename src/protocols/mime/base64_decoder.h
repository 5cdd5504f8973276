// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 2045 6.8) undone as it streams, in the ways in which readers do it where it is not well-formed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::mime {

class Base64Decoder {
public:
    enum class Way : std::uint8_t {
        forgiving,  // what is outside the alphabet is skipped, padding ends a group of four, and what follows begins anew
        padding_ends,  // as forgiving, but nothing is read behind padding
        padding_skipped,  // as forgiving, but padding is outside the alphabet as well
        strict,  // ends at the first octet that does not belong there; a last group that lacks octets is nothing
    };
    static constexpr std::size_t smallest_buffer = 4;

    explicit Base64Decoder(Way way = Way::forgiving) : way_(way) {}

    // Takes octets from the front of `in`, as many as fit when decoded, and gives what they decode to: a part of `buffer`, maybe none of it.
    std::string_view decode(std::string_view& in, std::span<char> buffer);
    // The octets of a last group that is not whole.
    std::string_view finish(std::span<char> buffer);

    bool is_odd() const { return is_odd_; }  // so far: readers may differ

private:
    std::size_t decode_octet(char c, char* out);
    std::size_t pad(char* out);
    std::size_t flush(char* out);

    Way way_;
    std::uint32_t bits_ = 0;
    unsigned count_ = 0;  // digits in bits_, of the current group
    unsigned pads_due_ = 0;
    bool is_padded_ = false;
    bool has_ended_ = false;
    bool is_odd_ = false;
};

}  // namespace sluice::mime
