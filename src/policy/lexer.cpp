// SPDX-License-Identifier: Apache-2.0
#include "policy/lexer.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace sluice::policy {
namespace {

constexpr bool is_word(char c) { return is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == ':' || c == '/'; }

struct Unit {
    std::string_view name;
    std::int64_t factor;
};
constexpr std::array<Unit, 12> sizes{{{"B", 1},
                                      {"KiB", 1 << 10},
                                      {"MiB", 1 << 20},
                                      {"GiB", 1 << 30},
                                      {"TiB", std::int64_t{1} << 40},
                                      {"kB", 1000},
                                      {"KB", 1000},
                                      {"MB", 1000'000},
                                      {"GB", 1000'000'000},
                                      {"TB", 1000'000'000'000},
                                      {"k", 1000},
                                      {"M", 1000'000}}};
constexpr std::array<Unit, 7> durations{{{"ns", 1},
                                         {"us", 1000},
                                         {"ms", 1000'000},
                                         {"s", 1000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3600'000'000'000},
                                         {"d", 86'400'000'000'000}}};

std::optional<std::int64_t> with_unit(std::string_view word, std::span<const Unit> units) {
    std::size_t digits = 0;
    while (digits < word.size() && is_digit(word[digits])) ++digits;
    const auto number = parse_decimal<std::int64_t>(word.substr(0, digits));
    if (!number) return std::nullopt;
    for (const Unit& unit : units) {
        if (unit.name != word.substr(digits)) continue;
        std::int64_t product = 0;
        if (__builtin_mul_overflow(*number, unit.factor, &product)) return std::nullopt;
        return product;
    }
    return std::nullopt;
}

// "6:00", "22:00", up to "24:00".
std::optional<std::int64_t> time_of_day(std::string_view word) {
    const std::size_t colon = word.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon > 2 || word.size() != colon + 3) return std::nullopt;
    const auto hour = parse_decimal<int>(word.substr(0, colon));
    const auto minute = parse_decimal<int>(word.substr(colon + 1));
    if (!hour || !minute || *minute > 59 || *hour * 60 + *minute > 24 * 60) return std::nullopt;
    return *hour * 60 + *minute;
}

}  // namespace

std::optional<std::int64_t> parse_duration(std::string_view text) { return with_unit(text, durations); }

std::optional<Literal> parse_bare_literal(std::string_view word) {
    const auto of = [](Literal::Kind kind, std::int64_t number) {
        return Literal{.kind = kind, .text = {}, .number = number, .network = {}};
    };
    if (const auto number = parse_decimal<std::int64_t>(word)) return of(Literal::Kind::integer, *number);
    if (const auto size = with_unit(word, sizes)) return of(Literal::Kind::size, *size);
    if (const auto duration = parse_duration(word)) return of(Literal::Kind::duration, *duration);
    if (const auto time = time_of_day(word)) return of(Literal::Kind::time_of_day, *time);
    if (const auto network = IpNetwork::parse(word)) {
        Literal literal{.kind = Literal::Kind::ip, .text = {}, .number = 0, .network = *network};
        // The other side is unmapped before it is compared, so the same address written mapped must mean the same.
        if (network->prefix() == network->address().bits())
            literal.network = IpNetwork(network->address().unmapped(), network->address().unmapped().bits());
        return literal;
    }
    return std::nullopt;
}

Token Lexer::next() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    const std::size_t start = at_;
    const auto token = [&](Token::Kind kind, std::string text) {
        return Token{.kind = kind, .text = std::move(text), .literal = {}, .position = start};
    };
    if (at_ == text_.size()) return token(Token::Kind::end, {});
    const char c = text_[at_];
    if (c == '"' || c == '\'') return string(c);
    if (is_word(c)) return word();
    if (c == '@') {
        ++at_;
        while (at_ < text_.size() &&
               (is_alpha(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '_' || text_[at_] == '-' || text_[at_] == '.'))
            ++at_;
        if (at_ == start + 1) return token(Token::Kind::bad, "a list's name is expected after @");
        return token(Token::Kind::list, std::string(text_.substr(start + 1, at_ - start - 1)));
    }
    const std::string_view two = text_.substr(at_, 2);
    for (const std::string_view symbol : {"==", "!=", "<=", ">="}) {
        if (two == symbol) {
            at_ += 2;
            return token(Token::Kind::symbol, std::string(symbol));
        }
    }
    constexpr std::array<std::pair<std::string_view, std::string_view>, 3> foreign{{{"&&", "and"}, {"||", "or"}, {"=~", "matches"}}};
    for (const auto& [symbol, ours] : foreign)
        if (two == symbol) return token(Token::Kind::bad, fmt::format("`{}` is written `{}` here", symbol, ours));
    if (c == '=') return token(Token::Kind::bad, "`=` is written `==` here");
    if (c == '!') return token(Token::Kind::bad, "`!` is written `not` here");
    if (c == '~') return token(Token::Kind::bad, "`~` is written `matches` here");
    if (c == '-') return token(Token::Kind::bad, "no value is negative");
    if (std::string_view("<>(){}[],").contains(c)) {
        ++at_;
        return token(Token::Kind::symbol, std::string(1, c));
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f)
        return token(Token::Kind::bad, fmt::format("the byte 0x{:02x} stands here; text belongs into quotes", byte));
    return token(Token::Kind::bad, fmt::format("`{}` means nothing here", c));
}

// '…' has no escapes. In "…" a backslash stands for itself but before a quote or another backslash, so that regular expressions read well.
Token Lexer::string(char quote) {
    Token token{.kind = Token::Kind::literal, .text = {}, .literal = {}, .position = at_};
    token.literal.kind = Literal::Kind::string;
    token.literal.position = at_;
    for (++at_; at_ < text_.size(); ++at_) {
        char c = text_[at_];
        if (c == quote) {
            ++at_;
            return token;
        }
        if (quote == '"' && c == '\\' && at_ + 1 < text_.size() && (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\')) c = text_[++at_];
        token.literal.text += c;
    }
    token.kind = Token::Kind::bad;
    token.text = "this string has no end";
    return token;
}

Token Lexer::word() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    const std::string_view word = text_.substr(start, at_ - start);
    Token token{.kind = Token::Kind::name, .text = std::string(word), .literal = {}, .position = start};
    const bool name = (is_alpha(word[0]) || word[0] == '_') && !word.contains(':') && !word.contains('/');
    if (name) {
        if (word == "true" || word == "false") {
            token.kind = Token::Kind::literal;
            token.literal = {
                .kind = Literal::Kind::boolean, .text = {}, .number = word == "true" ? 1 : 0, .network = {}, .position = start};
        }
        return token;
    }
    if (auto literal = parse_bare_literal(word)) {
        token.kind = Token::Kind::literal;
        token.literal = std::move(*literal);
        token.literal.position = start;
        return token;
    }
    token.kind = Token::Kind::bad;
    token.text =
        fmt::format("`{}` is no number, size (10MiB), duration (30s), time (22:00), address or network; text stands in quotes", word);
    return token;
}

}  // namespace sluice::policy
