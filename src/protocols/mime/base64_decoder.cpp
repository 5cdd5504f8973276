// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/base64_decoder.h"

#include <array>

namespace sluice::mime {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint32_t none = 0x80000000U;

// The digit's six bits at their place in a group of four; `none`: no digit.
using Digits = std::array<std::uint32_t, 256>;
constexpr Digits digits_at(unsigned shift) {
    Digits out{};
    out.fill(none);
    for (std::size_t i = 0; i < alphabet.size(); ++i) out[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint32_t>(i) << shift;
    return out;
}
constexpr Digits first = digits_at(18);
constexpr Digits second = digits_at(12);
constexpr Digits third = digits_at(6);
constexpr Digits fourth = digits_at(0);

void put(std::uint32_t group, char* out) {
    out[0] = static_cast<char>(group >> 16U);
    out[1] = static_cast<char>(group >> 8U);
    out[2] = static_cast<char>(group);
}

}  // namespace

std::string_view Base64Decoder::decode(std::string_view& in, std::span<char> buffer) {
    char* out = buffer.data();
    char* const last = out + buffer.size() - smallest_buffer;
    const char* at = in.data();
    const char* const end = at + in.size();
    while (at != end && out <= last) {
        if (has_ended_) {
            at = end;
            break;
        }
        if (count_ == 0 && !is_padded_) {
            for (; end - at >= 4 && out <= last; at += 4, out += 3) {
                const std::uint32_t group = first[static_cast<unsigned char>(at[0])] | second[static_cast<unsigned char>(at[1])] |
                                            third[static_cast<unsigned char>(at[2])] | fourth[static_cast<unsigned char>(at[3])];
                if ((group & none) != 0) break;
                put(group, out);
            }
            if (at == end || out > last) break;
        }
        out += decode_octet(*at++, out);
    }
    in.remove_prefix(static_cast<std::size_t>(at - in.data()));
    return {buffer.data(), static_cast<std::size_t>(out - buffer.data())};
}

std::size_t Base64Decoder::decode_octet(char c, char* out) {
    const std::uint32_t digit = fourth[static_cast<unsigned char>(c)];
    if (digit == none) {
        if (c == '\n' || c == '\r' || c == ' ' || c == '\t') return 0;
        if (c == '=') return pad(out);
        is_odd_ = true;
        has_ended_ = way_ == Way::strict;
        return 0;
    }
    if (is_padded_ || pads_due_ > 0) {
        is_odd_ = true;
        if (way_ == Way::strict || way_ == Way::padding_ends) {
            has_ended_ = true;
            return 0;
        }
        is_padded_ = false;
        pads_due_ = 0;
    }
    bits_ = bits_ << 6U | digit;
    if (++count_ < 4) return 0;
    put(bits_, out);
    bits_ = 0;
    count_ = 0;
    return 3;
}

std::size_t Base64Decoder::pad(char* out) {
    if (pads_due_ > 0) {
        --pads_due_;
        return 0;
    }
    is_odd_ |= is_padded_ || count_ < 2;
    is_padded_ = true;
    if (way_ == Way::padding_skipped) return 0;
    pads_due_ = count_ == 2 ? 1 : 0;
    return flush(out);
}

// What the digits of an unfinished group say.
std::size_t Base64Decoder::flush(char* out) {
    const unsigned octets = count_ == 0 ? 0 : count_ - 1;
    if (octets > 0) out[0] = static_cast<char>(bits_ >> (octets == 1 ? 4U : 10U));
    if (octets > 1) out[1] = static_cast<char>(bits_ >> 2U);
    bits_ = 0;
    count_ = 0;
    return octets;
}

std::string_view Base64Decoder::finish(std::span<char> buffer) {
    if (has_ended_) return {};
    is_odd_ |= count_ > 0 || pads_due_ > 0;
    return {buffer.data(), way_ == Way::strict ? 0 : flush(buffer.data())};
}

}  // namespace sluice::mime
