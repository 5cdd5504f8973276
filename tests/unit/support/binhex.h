// SPDX-License-Identifier: Apache-2.0
// BinHex 4.0 (RFC 1741), made for tests: runs shortened, checksums left at zero.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::test {

// Octets behind runs, between colons, in lines of 64 characters.
inline std::string binhex_of_octets(std::string_view octets) {
    constexpr std::string_view alphabet = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
    std::string out = ":";
    const auto put = [&](unsigned value) {
        if (out.size() % 66 == 64) out += "\r\n";
        out += alphabet[value & 0x3fU];
    };
    unsigned bits = 0;
    unsigned count = 0;
    for (const char octet : octets) {
        bits = bits << 8U | static_cast<unsigned char>(octet);
        for (count += 8; count >= 6; count -= 6) put(bits >> (count - 6));
    }
    if (count > 0) put(bits << (6 - count));
    return out + ":\r\n";
}

inline std::string binhex(std::string_view name, std::string_view data, std::string_view resource = {}) {
    const auto size_of = [](std::string_view fork) {
        std::string out;
        for (unsigned shift = 32; shift > 0;) out += static_cast<char>(fork.size() >> (shift -= 8));
        return out;
    };
    const std::string zeros(10, '\0');
    const std::string octets = std::string(1, static_cast<char>(name.size())) + std::string(name) + std::string(1, '\0') + zeros +
                               size_of(data) + size_of(resource) + "\1\2" + std::string(data) + "\1\2" + std::string(resource) + "\1\2";
    std::string runs;
    for (std::size_t i = 0; i < octets.size();) {
        const char octet = octets[i];
        std::size_t times = 1;
        while (i + times < octets.size() && times < 255 && octets[i + times] == octet) ++times;
        if (octet == '\x90') {
            runs += std::string("\x90\0", 2);
            times = 1;
        } else if (times > 3) {
            (runs += octet) += '\x90';
            runs += static_cast<char>(times);
        } else {
            runs.append(times, octet);
        }
        i += times;
    }
    return binhex_of_octets(runs);
}

}  // namespace sluice::test
