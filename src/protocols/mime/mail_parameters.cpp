// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_parameters.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "protocols/mime/charset.h"
#include "protocols/mime/parameters.h"

namespace sluice::mime {
namespace {

constexpr std::string_view blanks = " \t\r\n\v\f";

bool is_blank(char c) { return blanks.contains(c); }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

std::string without_breaks(std::string_view text) {
    std::string out(text);
    std::erase_if(out, [](char c) { return c == '\r' || c == '\n'; });
    return out;
}

// Without the blanks behind them either.
std::string without_folds(std::string_view text) {
    std::string out;
    bool is_behind_break = false;
    for (const char c : text) {
        is_behind_break = c == '\r' || c == '\n' || (is_behind_break && is_blank(c));
        if (!is_behind_break) out += c;
    }
    return out;
}

bool is_type_octet(char c) { return is_token_octet(c) || c == '/'; }

// What needs no quotes for most readers, though RFC 2045 asks for them.
bool needs_no_quotes(char c) {
    return is_token_octet(c) || std::string_view("=/?:@[]").contains(c) || static_cast<unsigned char>(c) >= 0x80;
}

// name, name*, name*0, name*0*
void split_name(std::string_view text, MailParameter& into) {
    if (text.ends_with('*')) {
        into.is_extended = true;
        text.remove_suffix(1);
    }
    const std::size_t star = text.rfind('*');
    if (star != std::string_view::npos) {
        if (const auto section = parse_decimal<int>(trimmed(text.substr(star + 1)))) {
            into.section = *section;
            text = text.substr(0, star);
        }
    }
    into.name = lower(trimmed(text));
}

std::string without_escapes(std::string_view text, bool& is_broken) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
        is_broken |= text[i] == '%' && !is_escape;
        out += is_escape ? static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])) : text[i];
        if (is_escape) i += 2;
    }
    return out;
}

// charset'language'text. Without its quotes it is text alone.
std::string_view take_charset(std::string_view& text, bool& is_broken) {
    const std::size_t first = text.find('\'');
    const std::size_t second = first == std::string_view::npos ? first : text.find('\'', first + 1);
    if (second == std::string_view::npos) {
        is_broken = true;
        return {};
    }
    const std::string_view charset = text.substr(0, first);
    text.remove_prefix(second + 1);
    return charset;
}

void add(std::vector<std::string>& values, std::string value) {
    if (std::ranges::find(values, value) == values.end()) values.push_back(std::move(value));
}

struct Octets {
    std::string octets;
    std::string_view charset;
};

// The sections in their order; of two with one number the first, or the last.
Octets joined(const std::vector<const MailParameter*>& sections, bool takes_last, bool& is_broken) {
    std::string octets;
    std::string_view charset;
    int next = 0;
    for (auto each = sections.begin(); each != sections.end(); ++each) {
        const auto same = [&](auto other) { return other != sections.end() && (*other)->section == (*each)->section; };
        if (takes_last ? same(each + 1) : each != sections.begin() && same(each - 1)) {
            is_broken = true;
            continue;
        }
        is_broken |= (*each)->section != next;
        next = (*each)->section + 1;
        std::string_view text = (*each)->value;
        if ((*each)->is_extended && each == sections.begin()) charset = take_charset(text, is_broken);
        octets += (*each)->is_extended ? without_escapes(text, is_broken) : std::string(text);
    }
    return {octets, charset};
}

void add(std::vector<std::string>& values, const Octets& value, bool& is_broken) {
    is_broken |= !keeps_ascii(value.charset);
    add(values, to_utf8(value.octets, value.charset));
    if (!has_other_readings(value.charset)) return;
    for (const CharsetReading reading : {CharsetReading::turned, CharsetReading::unknown})
        add(values, to_utf8(value.octets, value.charset, reading));
}

class FieldParser {
public:
    FieldParser(std::string_view text, const Limits& limits, FieldGrammar grammar) : in_(text), limits_(limits), grammar_(grammar) {}

    MailField parse();

private:
    void parse_value();
    void parse_parameter();
    void skip_comment();
    void skip_blanks_and_comments();
    bool take_quoted(std::string& out);
    void take_value(MailParameter& into);
    std::string_view name_within(std::string_view before) const;

    std::string_view in_;
    const Limits& limits_;
    FieldGrammar grammar_;
    MailField out_;
};

// `in_` begins with "(": behind the comment, or at the end where it has none.
void FieldParser::skip_comment() {
    std::size_t depth = 0;
    std::size_t at = 0;
    for (; at < in_.size(); ++at) {
        if (in_[at] == '\\') ++at;
        else if (in_[at] == '(') ++depth;
        else if (in_[at] == ')' && --depth == 0) break;
    }
    const bool is_open = at >= in_.size();
    const std::string_view comment = in_.substr(0, is_open ? in_.size() : at + 1);
    out_.has_comment |= is_open || comment.find_first_of("=;") != std::string_view::npos;
    in_.remove_prefix(comment.size());
}

void FieldParser::skip_blanks_and_comments() {
    const auto is_comment = [&] { return in_.front() == '(' && grammar_ == FieldGrammar::full; };
    while (!in_.empty() && (is_blank(in_.front()) || is_comment())) {
        if (is_comment()) skip_comment();
        else in_.remove_prefix(1);
    }
}

// A quoted string at the front; false: it has no end, and all stays.
bool FieldParser::take_quoted(std::string& out) {
    for (std::size_t at = 1; at < in_.size(); ++at) {
        if (in_[at] == '"') {
            in_.remove_prefix(at + 1);
            return true;
        }
        if (in_[at] == '\\' && at + 1 < in_.size() && grammar_ == FieldGrammar::full) ++at;
        if (in_[at] != '\r' && in_[at] != '\n') out += in_[at];
    }
    out.clear();
    return false;
}

// The value at the front; `in_` is left at the semicolon or at the end.
void FieldParser::take_value(MailParameter& into) {
    skip_blanks_and_comments();
    const std::string_view begin = in_;
    if (in_.starts_with('"') && take_quoted(into.value)) {
        into.is_quoted = true;
        const std::string_view quoted = begin.substr(0, begin.size() - in_.size());
        into.is_folded = quoted.find_first_of("\r\n") != std::string_view::npos;
        if (into.is_folded) into.joined = without_folds(quoted.substr(1, quoted.size() - 2));
        skip_blanks_and_comments();
        into.is_odd = !in_.empty() && in_.front() != ';';
        if (into.is_odd) {
            // `boundary="a" charset=x`: what looks like the next parameter is one.
            const std::string_view rest = in_.substr(0, in_.find(';'));
            if (rest.contains('=') && is_blank(in_.data()[-1])) {
                into.is_odd = false;
                return;
            }
            in_.remove_prefix(rest.size());
        }
        const std::string_view raw = begin.substr(0, begin.size() - in_.size());
        if (into.is_odd || raw.contains('\\')) into.raw = without_breaks(trimmed(raw));
        return;
    }
    into.is_odd = in_.starts_with('"');
    const std::string_view raw = trimmed(in_.substr(0, in_.find(';')));
    in_.remove_prefix(std::min(in_.find(';'), in_.size()));
    std::string_view value = raw;
    if (into.is_odd) value.remove_prefix(1);
    // A comment behind a token is none of it.
    if (const std::size_t comment = grammar_ == FieldGrammar::full ? value.find('(') : std::string_view::npos;
        comment != std::string_view::npos && comment > 0 && value.ends_with(')') && is_blank(value[comment - 1]))
        value = trimmed(value.substr(0, comment));
    const bool is_commented = value.size() + (into.is_odd ? 1 : 0) < raw.size();
    into.is_odd |= !std::ranges::all_of(value, needs_no_quotes);
    into.is_folded = value.find_first_of("\r\n") != std::string_view::npos;
    if (into.is_folded) into.joined = without_folds(value);
    into.value = without_breaks(value);
    if (into.is_odd || is_commented) into.raw = without_breaks(raw);
}

// The name of a parameter in what stands before its "=".
std::string_view FieldParser::name_within(std::string_view before) const {
    if (grammar_ == FieldGrammar::bare) {
        const std::string_view behind = trimmed(before.substr(before.find_last_of("()") + 1));  // npos + 1: all
        if (!behind.empty()) return behind;
    }
    return trimmed(before.substr(0, before.find('(')));
}

void FieldParser::parse_value() {
    skip_blanks_and_comments();
    const auto value_end = std::ranges::find_if_not(in_, is_type_octet);
    out_.value = lower(in_.substr(0, static_cast<std::size_t>(value_end - in_.begin())));
    in_.remove_prefix(out_.value.size());
    const std::string_view value = out_.value;
    const std::size_t slash = value.find('/');
    if (slash != std::string_view::npos &&
        (slash == 0 || slash + 1 == value.size() || value.find('/', slash + 1) != std::string_view::npos))
        out_.is_odd = true;
    skip_blanks_and_comments();
    if (value.empty() || (!in_.empty() && in_.front() != ';')) out_.is_odd = true;
    // Behind a value without a semicolon some readers find parameters, others none.
    if (!in_.empty() && in_.front() != ';') {
        const std::string_view rest = in_.substr(0, in_.find(';'));
        if (!rest.contains('=')) in_.remove_prefix(rest.size());
    }
}

void FieldParser::parse_parameter() {
    const std::string_view before = in_.substr(0, in_.find_first_of("=;"));
    in_.remove_prefix(before.size());
    if (!in_.starts_with('=')) {
        const bool is_word = std::ranges::all_of(trimmed(before), is_token_octet);
        out_.has_stray_word |= is_word;
        out_.is_odd |= !is_word;
        return;
    }
    in_.remove_prefix(1);
    MailParameter parameter;
    std::string_view name = name_within(before);
    const auto lacks_name = [&] { return name.empty() || !std::ranges::all_of(parameter.name, is_token_octet); };
    split_name(name, parameter);
    if (lacks_name()) {
        // Some readers take quotes and the like from around it.
        out_.is_odd = true;
        while (!name.empty() && !is_token_octet(name.front())) name.remove_prefix(1);
        while (!name.empty() && !is_token_octet(name.back())) name.remove_suffix(1);
        split_name(name, parameter);
    }
    take_value(parameter);
    out_.parameters.push_back(std::move(parameter));
}

MailField FieldParser::parse() {
    const auto is_odd_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r' && c != '\n'; };
    out_.is_odd = std::ranges::any_of(in_, is_odd_control);
    parse_value();
    for (skip_blanks_and_comments(); !in_.empty(); skip_blanks_and_comments()) {
        if (in_.front() == ';') {
            in_.remove_prefix(1);
            continue;
        }
        if (out_.parameters.size() == limits_.mail_parameters) {
            out_.is_odd = true;
            break;
        }
        parse_parameter();
    }
    return std::move(out_);
}

}  // namespace

ParameterReadings MailField::find(std::string_view name) const {
    ParameterReadings out;
    std::vector<const MailParameter*> sections;
    std::size_t extended = 0;
    for (const MailParameter& one : parameters) {
        if (one.name != name) continue;
        out.is_odd |= one.is_odd;
        if (one.section >= 0) sections.push_back(&one);
        else if (!one.is_extended) add(out.values, one.value);
    }
    out.plain = out.values.size();
    for (const MailParameter& one : parameters) {
        if (one.name != name || one.section >= 0 || !one.is_extended) continue;
        std::string_view text = one.value;
        const std::string_view charset = take_charset(text, out.is_broken);
        const std::size_t before = out.values.size();
        add(out.values, {without_escapes(text, out.is_broken), charset}, out.is_broken);
        extended += out.values.size() > before ? 1 : 0;
    }
    std::ranges::sort(sections, {}, [](const MailParameter* one) { return std::pair(one->section, one); });  // of one vector: by place
    if (!sections.empty()) {
        add(out.values, joined(sections, false, out.is_broken), out.is_broken);
        add(out.values, joined(sections, true, out.is_broken), out.is_broken);
    }
    out.is_duplicate = out.plain > 1 || extended > 1;
    return out;
}

MailField parse_mail_field(std::string_view text, const Limits& limits, FieldGrammar grammar) {
    return FieldParser(text, limits, grammar).parse();
}

}  // namespace sluice::mime
