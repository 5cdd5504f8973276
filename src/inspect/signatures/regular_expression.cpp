// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/regular_expression.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <optional>
#include <utility>

namespace sluice::inspect {

namespace {

using Bytes = std::bitset<256>;
constexpr std::size_t unbounded = RegularExpression::unbounded;

Bytes range(unsigned first, unsigned last) {
    Bytes out;
    for (unsigned byte = first; byte <= last; ++byte) out.set(byte);
    return out;
}

Bytes listed(std::string_view bytes) {
    Bytes out;
    for (const char c : bytes) out.set(static_cast<unsigned char>(c));
    return out;
}

const Bytes digits = range('0', '9');
const Bytes letters = range('a', 'z') | range('A', 'Z');
const Bytes word = digits | letters | listed("_");

// RE2's: Vectorscan's \s also holds the vertical tab.
const Bytes space = listed("\t\n\f\r ");

struct NamedClass {
    std::string_view name;
    Bytes bytes;
};
const std::array named_classes{
    NamedClass{"alnum", digits | letters},
    NamedClass{"alpha", letters},
    NamedClass{"ascii", range(0, 127)},
    NamedClass{"blank", listed("\t ")},
    NamedClass{"cntrl", range(0, 31) | range(127, 127)},
    NamedClass{"digit", digits},
    NamedClass{"graph", range('!', '~')},
    NamedClass{"lower", range('a', 'z')},
    NamedClass{"print", range(' ', '~')},
    NamedClass{"punct", range('!', '~') & ~(digits | letters)},
    NamedClass{"space", space | listed("\v")},
    NamedClass{"upper", range('A', 'Z')},
    NamedClass{"word", word},
    NamedClass{"xdigit", digits | range('a', 'f') | range('A', 'F')},
};

Bytes in_both_cases(Bytes bytes) {
    for (unsigned lower = 'a'; lower <= 'z'; ++lower) {
        const unsigned upper = lower - ('a' - 'A');
        const bool either = bytes[lower] || bytes[upper];
        bytes.set(lower, either);
        bytes.set(upper, either);
    }
    return bytes;
}

std::string rendered(const Bytes& bytes) {
    const auto one = [](unsigned byte) {
        return (digits | letters)[byte] ? std::string(1, static_cast<char>(byte)) : fmt::format("\\x{:02x}", byte);
    };
    std::string out;
    for (unsigned first = 0; first < 256; ++first) {
        if (!bytes[first]) continue;
        unsigned last = first;
        while (last < 255 && bytes[last + 1]) ++last;
        out += one(first);
        if (last > first) out.append(last > first + 1 ? "-" : "").append(one(last));
        first = last;
    }
    return bytes.count() == 1 ? out : "[" + out + "]";
}

std::size_t plus(std::size_t a, std::size_t b) { return a == unbounded || b == unbounded ? unbounded : a + b; }
std::size_t times(std::size_t a, std::size_t b) {
    if (a == 0 || b == 0) return 0;
    return a == unbounded || b == unbounded ? unbounded : a * b;
}

// What is known of the matches of a part of an expression.
struct Extent {
    std::size_t shortest = 0, longest = 0;
    double bits = 0;
    std::size_t fewest_digits = 0, most_digits = 0;
    std::size_t repeats = 1;            // the largest product of nested counts
    std::size_t positions = 0;          // with the repeats of groups written out; those of a single byte cost Vectorscan little

    void then(const Extent& next) {
        shortest += next.shortest;
        longest = plus(longest, next.longest);
        bits += next.bits;
        fewest_digits += next.fewest_digits;
        most_digits = plus(most_digits, next.most_digits);
        repeats = std::max(repeats, next.repeats);
        positions += next.positions;
    }
    void otherwise(const Extent& other) {
        shortest = std::min(shortest, other.shortest);
        longest = std::max(longest, other.longest);
        bits = std::min(bits, other.bits);
        fewest_digits = std::min(fewest_digits, other.fewest_digits);
        most_digits = std::max(most_digits, other.most_digits);
        repeats = std::max(repeats, other.repeats);
        positions += other.positions;
    }
    void repeat(std::size_t least, std::size_t most) {
        shortest *= least;
        longest = times(longest, most);
        bits *= static_cast<double>(least);
        fewest_digits *= least;
        most_digits = times(most_digits, most);
        const std::size_t copies = std::max<std::size_t>(most == unbounded ? least : most, 1);
        repeats *= copies;
        if (positions > 1) positions *= copies;
    }
};

Extent one_byte(const Bytes& bytes) {
    const std::size_t count = bytes.count();
    return {.shortest = 1,
            .longest = 1,
            .bits = count <= 2 ? 8 : 8 - std::log2(static_cast<double>(count)),
            .fewest_digits = (bytes & ~digits).none() ? 1U : 0U,
            .most_digits = (bytes & digits).any() ? 1U : 0U,
            .positions = 1};
}

// By recursive descent; what is understood is written to `out_` at once. Each function returns nullopt after it set the fault.
class Parser {
public:
    Parser(std::string_view text, bool ignoring_case, const Limits& limits) : text_(text), ignoring_case_(ignoring_case), limits_(limits) {}

    std::expected<RegularExpression, ExpressionFault> parse() {
        if (text_.size() > limits_.signature_pattern)
            return std::unexpected(ExpressionFault{0, fmt::format("an expression has at most {} bytes", limits_.signature_pattern)});
        const auto whole = alternatives();
        if (whole && !done()) fault(at_, "`)` without its `(`; a literal one is `\\)`");
        if (fault_) return std::unexpected(std::move(*fault_));
        if (whole->shortest == 0)
            return std::unexpected(ExpressionFault{0, "this expression matches the empty string, and so every payload"});
        return RegularExpression{std::move(out_), whole->shortest, whole->longest, whole->bits, whole->fewest_digits, whole->most_digits};
    }

private:
    bool done() const { return at_ == text_.size(); }
    char peek() const { return done() ? '\0' : text_[at_]; }
    bool take(std::string_view prefix) {
        if (!text_.substr(at_).starts_with(prefix)) return false;
        at_ += prefix.size();
        return true;
    }
    std::nullopt_t fault(std::size_t position, std::string message) {
        if (!fault_) fault_ = ExpressionFault{position, std::move(message)};
        return std::nullopt;
    }

    std::optional<Extent> alternatives() {
        auto whole = sequence();
        while (whole && take("|")) {
            out_ += '|';
            const auto next = sequence();
            if (!next) return std::nullopt;
            whole->otherwise(*next);
        }
        return whole;
    }

    std::optional<Extent> sequence() {
        Extent whole;
        while (!done() && peek() != '|' && peek() != ')') {
            const auto part = repeated();
            if (!part) return std::nullopt;
            whole.then(*part);
        }
        return whole;
    }

    std::optional<Extent> repeated() {
        const std::size_t start = at_;
        repeatable_ = true;
        auto part = atom();
        if (!part) return std::nullopt;
        const bool repeatable = repeatable_;
        const std::size_t sign = at_;
        std::size_t least = 0;
        std::size_t most = unbounded;
        if (take("+")) least = 1;
        else if (take("?")) most = 1;
        else if (peek() == '{') {
            if (!counts(least, most)) return std::nullopt;
        } else if (!take("*")) {
            return part;
        }
        if (!repeatable) return fault(sign, "there is nothing here to repeat");
        if (static_cast<unsigned char>(text_[sign - 1]) >= 0x80)
            return fault(start, "a character beyond ASCII is several bytes: put it in a group, `(?:…)`, to repeat it");
        out_ += text_.substr(sign, at_ - sign);
        if (take("?")) {}                                // whether there is a match does not depend on it
        if (peek() == '+') return fault(at_, "possessive repeats are not taken");
        if (peek() == '*' || peek() == '?' || peek() == '{') return fault(at_, "a repeat of a repeat needs a group: `(?:…)`");
        part->repeat(least, most);
        if (part->repeats > limits_.expression_repeat)
            return fault(sign, fmt::format("repeats more than {} times; nested repeats are multiplied", limits_.expression_repeat));
        if (part->repeats > 1 && part->positions > limits_.expression_positions)
            return fault(sign,
                         fmt::format("this makes the expression too large: written out, the group has {} positions, and {} are possible",
                                     part->positions, limits_.expression_positions));
        return part;
    }

    // {n}, {n,}, {n,m}
    bool counts(std::size_t& least, std::size_t& most) {
        const std::size_t start = at_;
        const std::size_t end = text_.find('}', at_);
        const std::string_view inside = end == std::string_view::npos ? "" : text_.substr(at_ + 1, end - at_ - 1);
        const std::size_t comma = inside.find(',');
        const auto first = parse_decimal<std::uint16_t>(inside.substr(0, comma));
        const auto second = comma == std::string_view::npos    ? first
                            : inside.substr(comma + 1).empty() ? std::optional<std::uint16_t>(0)
                                                               : parse_decimal<std::uint16_t>(inside.substr(comma + 1));
        if (!first || !second) {
            fault(start, "this is no repeat: it is written {n}, {n,} or {n,m}, and a literal brace `\\{`");
            return false;
        }
        const bool open = comma != std::string_view::npos && inside.substr(comma + 1).empty();
        least = *first;
        most = open ? unbounded : *second;
        if (most == 0) fault(start, "repeating at most 0 times matches nothing: leave it out");
        else if (least > most) fault(start, "the smaller count comes first");
        at_ = end + 1;
        return !fault_;
    }

    std::optional<Extent> atom() {
        const std::size_t start = at_;
        const char c = text_[at_++];
        switch (c) {
            case '(': return group(start);
            case '[': return bracket(start);
            case '\\': return escape(start);
            case '.': return bytes(any_but_line_feed_ ? ~listed("\n") : ~Bytes());
            case '^': return place("\\A");
            case '$': return place("\\z");
            case '*':
            case '+':
            case '?': return fault(start, "there is nothing here to repeat");
            case '{': return fault(start, "a literal brace is written `\\{`");
            default: return literal(start, static_cast<unsigned char>(c));
        }
    }

    std::optional<Extent> place(std::string_view in_vectorscan) {
        out_ += in_vectorscan;
        repeatable_ = false;
        return Extent{};
    }

    std::optional<Extent> bytes(const Bytes& set) {
        if (set.none()) return fault(at_ - 1, "no byte is in this class");
        out_ += rendered(set);
        return one_byte(set);
    }

    std::optional<Extent> literal(std::size_t start, unsigned byte) {
        if (!ignoring_case_) return bytes(range(byte, byte));
        if (byte >= 0x80) return fault(start, "case can be ignored in ASCII only: put what is beyond it into `(?-i:…)`");
        return bytes(in_both_cases(range(byte, byte)));
    }

    std::optional<Extent> group(std::size_t start) {
        const bool outer_case = ignoring_case_;
        const bool outer_dot = any_but_line_feed_;
        bool only_flags = false;
        if (take("?") && !group_head(start, only_flags)) return std::nullopt;
        if (only_flags) {
            repeatable_ = false;
            return Extent{};
        }
        if (++depth_ > limits_.expression_depth)
            return fault(start, fmt::format("groups are nested more than {} deep", limits_.expression_depth));
        out_ += "(?:";
        auto inside = alternatives();
        if (!inside) return std::nullopt;
        if (!take(")")) return fault(start, "`(` without its `)`; a literal one is `\\(`");
        out_ += ')';
        --depth_;
        ignoring_case_ = outer_case;
        any_but_line_feed_ = outer_dot;
        repeatable_ = inside->longest != 0;
        return inside;
    }

    // After "(?": up to and with the colon, or the parenthesis that closes (?i).
    bool group_head(std::size_t start, bool& only_flags) {
        const auto refused = [&](std::string message) {
            fault(start, std::move(message));
            return false;
        };
        if (take("=") || take("!") || take("<=") || take("<!")) return refused("look-around is not taken");
        if (take(">")) return refused("atomic groups are not taken");
        if (take("P<")) {
            const std::size_t end = text_.find('>', at_);
            if (end == std::string_view::npos || end == at_) return refused("this group's name has no end");
            const std::string_view name = text_.substr(at_, end - at_);
            if (!std::ranges::all_of(name, [](char c) { return word[static_cast<unsigned char>(c)]; }))
                return refused("a group's name has letters, digits and `_`");
            at_ = end + 1;
            return true;
        }
        bool on = true;
        bool wants_flag = peek() != ':';
        for (; !done(); ++at_) {
            const char c = peek();
            if (c == '-' && on) on = false;
            else if (c == 'i') ignoring_case_ = on;
            else if (c == 's') any_but_line_feed_ = !on;
            else break;
            wants_flag = c == '-';
        }
        only_flags = peek() == ')';
        if (!wants_flag && (take(":") || take(")"))) return true;
        return refused("of the kinds of groups only (…), (?:…), (?P<name>…), (?i), (?s), (?i:…) and the like are taken");
    }

    // What an escape stands for, in a class or outside; nullopt after a fault.
    std::optional<Bytes> escaped_bytes(std::size_t start) {
        if (done()) return fault(start, "a backslash at the end; a literal one is `\\\\`");
        const char c = text_[at_++];
        switch (c) {
            case 'd': return digits;
            case 'D': return ~digits;
            case 's': return space;
            case 'S': return ~space;
            case 'w': return word;
            case 'W': return ~word;
            case 't': return listed("\t");
            case 'n': return listed("\n");
            case 'r': return listed("\r");
            case 'f': return listed("\f");
            case 'a': return listed("\a");
            case 'x': return hex_escape(start);
            default: break;
        }
        if (c >= '1' && c <= '9') return fault(start, "back references are not taken");
        const auto byte = static_cast<unsigned char>(c);
        if ((letters | digits)[byte] || byte >= 0x80)
            return fault(start,
                         fmt::format("the escape `\\{}` is not taken", byte >= 0x80 ? std::string_view("…") : std::string_view(&c, 1)));
        return range(byte, byte);
    }

    std::optional<Bytes> hex_escape(std::size_t start) {
        const bool braces = take("{");
        unsigned value = 0;
        std::size_t count = 0;
        for (; count < 2 && !done() && hex_value(peek()) >= 0; ++count, ++at_)
            value = value * 16 + static_cast<unsigned>(hex_value(peek()));
        if (braces ? count == 0 || !take("}") : count != 2)
            return fault(start, "a byte is written with two hexadecimal digits: `\\x0a` or `\\x{0a}`");
        if (value >= 0x80 && ignoring_case_) return fault(start, "case can be ignored in ASCII only: put what is beyond it into `(?-i:…)`");
        return range(value, value);
    }

    std::optional<Extent> escape(std::size_t start) {
        if (take("A")) return place("\\A");
        if (take("z")) return place("\\z");
        if (take("b")) return place("\\b");
        if (take("B")) return place("\\B");
        auto set = escaped_bytes(start);
        if (!set) return std::nullopt;
        return bytes(ignoring_case_ ? in_both_cases(*set) : *set);
    }

    std::optional<Extent> bracket(std::size_t start) {
        const bool negated = take("^");
        Bytes set;
        for (bool first = true; first || peek() != ']'; first = false) {
            if (done()) return fault(start, "`[` without its `]`; a literal one is `\\[`");
            const std::size_t here = at_;
            const auto low = member(start);
            if (!low) return std::nullopt;
            if (peek() != '-' || text_.substr(at_).starts_with("-]")) {
                set |= *low;
                continue;
            }
            ++at_;
            const auto high = done() ? std::optional<Bytes>() : member(start);
            if (fault_ || !high) return fault(start, "`[` without its `]`; a literal one is `\\[`");
            if (low->count() != 1 || high->count() != 1)
                return fault(here, "a range goes from one byte to another; a literal dash is `\\-`");
            const auto from = static_cast<unsigned>(low->_Find_first());
            const auto to = static_cast<unsigned>(high->_Find_first());
            if (from > to) return fault(here, "the smaller end of a range comes first");
            set |= range(from, to);
        }
        ++at_;
        if (ignoring_case_) set = in_both_cases(set);
        return bytes(negated ? ~set : set);
    }

    // One member of a class: a byte, an escape, or a named class.
    std::optional<Bytes> member(std::size_t bracket_start) {
        const std::size_t start = at_;
        if (take("[:")) {
            const std::size_t end = text_.find(":]", at_);
            const bool negated = take("^");
            const auto found =
                std::ranges::find(named_classes, text_.substr(at_, end == std::string_view::npos ? 0 : end - at_), &NamedClass::name);
            if (found == named_classes.end()) return fault(start, "no such class; a literal `[` is `\\[`");
            at_ = end + 2;
            const Bytes named =
                ignoring_case_ ? in_both_cases(found->bytes) : found->bytes;   // first, as `not a capital` would become any byte
            return negated ? ~named : named;
        }
        const char c = text_[at_++];
        if (c == '\\') return escaped_bytes(start);
        if (static_cast<unsigned char>(c) >= 0x80)
            return fault(bracket_start, "a class holds bytes, and a character beyond ASCII is several: `(?:ä|ö)`");
        return listed({&c, 1});
    }

    std::string_view text_;
    bool ignoring_case_;
    const Limits& limits_;
    bool any_but_line_feed_ = true;
    bool repeatable_ = true;            // what atom() just read
    std::size_t depth_ = 0;
    std::size_t at_ = 0;
    std::string out_;
    std::optional<ExpressionFault> fault_;
};

}  // namespace

std::expected<RegularExpression, ExpressionFault> parse_regular_expression(std::string_view text, bool ignoring_case,
                                                                           const Limits& limits) {
    return Parser(text, ignoring_case, limits).parse();
}

std::string escaped(std::string_view bytes, bool ignoring_case) {
    std::string out;
    for (const char c : bytes) {
        const Bytes one = listed({&c, 1});
        out += rendered(ignoring_case ? in_both_cases(one) : one);
    }
    return out;
}

}  // namespace sluice::inspect
