// SPDX-License-Identifier: Apache-2.0
// Writes ClientHellos, right and wrong ones.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::tls::test {

inline std::string number(std::size_t value, int octets) {
    std::string out;
    for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
    return out;
}

inline std::string numbers(std::span<const std::uint16_t> list) {
    std::string out;
    for (const std::uint16_t each : list) out += number(each, 2);
    return out;
}
inline std::string numbers(std::initializer_list<std::uint16_t> list) { return numbers(std::span(list.begin(), list.size())); }

// `message` in records of at most `size` octets.
inline std::string records(std::string_view message, std::size_t size = 16384) {
    std::string out;
    for (std::size_t at = 0; at < message.size(); at += size) {
        const std::string_view piece = message.substr(at, size);
        out += "\x16\x03\x01" + number(piece.size(), 2);
        out += piece;
    }
    return out;
}

// The message in `flight`, whatever records it is in.
inline std::string message_of(std::string_view flight) {
    std::string out;
    while (flight.size() >= 5) {
        const std::size_t length = static_cast<std::uint8_t>(flight[3]) * 256U + static_cast<std::uint8_t>(flight[4]);
        out += flight.substr(5, length);
        flight.remove_prefix(std::min(flight.size(), 5 + length));
    }
    return out;
}

// Vectors count as they are written; the length of one of them can be made wrong.
class HelloText {
public:
    std::uint16_t version = 0x0303;
    std::string session = std::string(32, 's');
    std::string ciphers = numbers({0x1301, 0xc02b, 0xc02f, 0x00ff});
    std::string compressions = std::string(1, '\0');
    std::vector<std::pair<std::uint16_t, std::string>> extensions;
    int wrong_vector = -1;
    int wrong_by = 0;

    std::string vector(std::string_view text, int octets) {
        const int wrong = written_++ == wrong_vector ? wrong_by : 0;
        return number(text.size() + static_cast<std::size_t>(wrong), octets) + std::string(text);
    }
    int written() const { return written_; }

    HelloText& add(std::uint16_t type, std::string data) {
        extensions.emplace_back(type, std::move(data));
        return *this;
    }
    HelloText& add_name(std::string_view name) { return add(0, vector(number(0, 1) + vector(name, 2), 2)); }
    HelloText& add_list(std::uint16_t type, std::string_view list) { return add(type, vector(list, 2)); }
    HelloText& add_versions(std::string_view list) { return add(0x2b, vector(list, 1)); }
    HelloText& add_alpn(std::span<const std::string_view> names) {
        std::string list;
        for (const std::string_view name : names) list += vector(name, 1);
        return add(0x10, vector(list, 2));
    }
    HelloText& add_alpn(std::initializer_list<std::string_view> names) { return add_alpn(std::span(names.begin(), names.size())); }
    HelloText& add_outer_hello() { return add(0xfe0d, number(0, 1) + numbers({1, 1}) + "c" + vector("key", 2) + vector("payload", 2)); }

    std::string body() {
        std::string list;
        for (const auto& [type, data] : extensions) list += number(type, 2) + vector(data, 2);
        std::string out = number(version, 2) + std::string(32, 'r') + vector(session, 1) + vector(ciphers, 2) + vector(compressions, 1);
        if (!extensions.empty()) out += vector(list, 2);
        return out;
    }
    std::string message() {
        const std::string text = body();
        return number(1, 1) + number(text.size(), 3) + text;
    }
    std::string flight() { return records(message()); }

private:
    int written_ = 0;
};

}  // namespace sluice::tls::test
