// SPDX-License-Identifier: Apache-2.0
// Wire text as data: cases in tests/wire/<protocol>/*.wire, so that one is added without code.
//   # a comment
//   case  what it shows
//     <   octets in; several lines are joined; \r \n \t \0 \\ \xhh
//     =   the outcome, as the runner renders it
//     +   more of the outcome, line by line; left out: not judged
#pragma once

#include "base/text.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::test {

struct WireCase {
    std::string where;                   // "request.wire:12: what it shows"
    std::string input;
    std::string outcome;
    std::vector<std::string> details;
};

inline std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        switch (const char c = text[++i]) {
            case 'r': out += '\r'; break;
            case 'n': out += '\n'; break;
            case 't': out += '\t'; break;
            case '0': out += '\0'; break;
            case 'x':
                out += static_cast<char>(hex_value(text.at(i + 1)) * 16 + hex_value(text.at(i + 2)));
                i += 2;
                break;
            default: out += c; break;
        }
    }
    return out;
}

inline std::vector<WireCase> read_wire(const std::filesystem::path& path) {
    std::vector<WireCase> out;
    std::ifstream file(path);
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        if (line.starts_with("case")) {
            out.push_back({path.filename().string() + ":" + std::to_string(number) + ": " + std::string(trim(line.substr(4))), {}, {}, {}});
        } else if (const std::string_view text = trim(line); !text.empty() && text.front() != '#' && !out.empty()) {
            const std::string_view rest = trim(text.substr(1));
            if (text.front() == '<') out.back().input += unescaped(rest);
            if (text.front() == '=') out.back().outcome = rest;
            if (text.front() == '+') out.back().details.emplace_back(rest);
        }
    }
    return out;
}

}  // namespace sluice::test
