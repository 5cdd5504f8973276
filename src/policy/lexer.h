// SPDX-License-Identifier: Apache-2.0
// Splits a rule's condition into words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/expression.h"

namespace sluice::policy {

struct Token {
    enum class Kind : std::uint8_t {
        name,                                            // client.ip, and, in, lower
        literal,                                         // a string in quotes, a number, size, duration, time, address or network
        list,                                            // @ads
        symbol,                                          // == != < <= > >= ( ) { } [ ] ,
        end,
        bad,                                             // `text` is the message
    };
    Kind kind = Kind::end;
    std::string text;
    Literal literal;
    std::size_t position = 0;
};

class Lexer {
public:
    explicit Lexer(std::string_view text) : text_(text) {}
    Token next();

private:
    Token string(char quote);
    Token word();

    std::string_view text_;
    std::size_t at_ = 0;
};

// What a word without quotes means: 443, 10MiB, 30s, 22:00, 10.0.0.0/8, ::1. Also used for the same things in quotes.
std::optional<Literal> parse_bare_literal(std::string_view word);
// "30s", "500ms", "1h", "2d"; ns.
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace sluice::policy
