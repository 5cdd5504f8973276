// SPDX-License-Identifier: Apache-2.0
// A small writer of MaxMind databases (maxmind.github.io/MaxMind-DB, version 2), for tests: networks and the country of each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace sluice::policy::testing {

class CountryDatabase {
public:
    // {"192.0.2.0", 24, "DE"}, …; networks do not overlap.
    struct Entry {
        std::string_view address;
        int prefix;
        std::string_view country;
    };
    explicit CountryDatabase(std::initializer_list<Entry> entries) {
        for (const Entry& entry : entries) add(entry);
    }

    std::string bytes() const {
        std::string out;
        for (const auto& node : nodes_)
            for (const std::int64_t target : node) append_number(out, record(target), 3);
        out.append(16, '\0');
        out += data_;
        out += "\xab\xcd\xefMaxMind.com";
        out += map(9);
        const auto number = [&](std::string_view key, std::size_t value) {
            out += text(key) + "\xa2";                   // uint16, but for two of them
            append_number(out, value, 2);
        };
        number("record_size", 24);
        number("ip_version", 6);
        number("binary_format_major_version", 2);
        number("binary_format_minor_version", 0);
        out += text("node_count") + "\xc4";
        append_number(out, nodes_.size(), 4);
        out += text("build_epoch") + "\x08\x02";
        append_number(out, 1, 8);
        out += text("database_type") + text("Test-Country");
        out += text("languages") + std::string("\x00\x04", 2);
        out += text("description") + map(0);
        return out;
    }

private:
    static constexpr std::int64_t nowhere = -1;          // a node's number; less than this: the data at -2 - target

    void add(const Entry& entry) {
        const IpAddress address = IpAddress::parse(entry.address).value();
        std::vector<int> path(address.is_v4() ? 96 : 0, 0);  // IPv4 stands at ::/96
        for (int bit = 0; bit < entry.prefix; ++bit)
            path.push_back(address.bytes()[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8) & 1);
        std::size_t node = 0;
        for (std::size_t i = 0; i + 1 < path.size(); ++i) {
            const auto bit = static_cast<std::size_t>(path[i]);
            if (nodes_[node][bit] == nowhere) {
                nodes_[node][bit] = static_cast<std::int64_t>(nodes_.size());
                nodes_.push_back({nowhere, nowhere});
            }
            node = static_cast<std::size_t>(nodes_[node][bit]);
        }
        nodes_[node][static_cast<std::size_t>(path.back())] = -2 - static_cast<std::int64_t>(data_.size());
        data_ += map(1) + text("country") + map(1) + text("iso_code") + text(entry.country);
    }
    std::size_t record(std::int64_t target) const {
        if (target == nowhere) return nodes_.size();
        if (target >= 0) return static_cast<std::size_t>(target);
        return nodes_.size() + 16 + static_cast<std::size_t>(-2 - target);
    }
    static void append_number(std::string& out, std::size_t number, int bytes) {
        for (int i = bytes; i-- > 0;) out += static_cast<char>(number >> (8 * i) & 0xff);
    }
    static std::string map(std::size_t size) { return {static_cast<char>(7 << 5 | size)}; }
    static std::string text(std::string_view value) { return static_cast<char>(2 << 5 | value.size()) + std::string(value); }

    std::vector<std::array<std::int64_t, 2>> nodes_{{nowhere, nowhere}};
    std::string data_;
};

}  // namespace sluice::policy::testing
