// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_parameters.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "protocols/mime/charset.h"
#include "protocols/mime/parameters.h"

namespace sluice::mime {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

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

// `in` begins with "(": behind the comment, or behind the "(" alone where it has no end.
void skip_comment(std::string_view& in) {
    std::size_t depth = 0;
    for (std::size_t at = 0; at < in.size(); ++at) {
        if (in[at] == '\\') ++at;
        else if (in[at] == '(') ++depth;
        else if (in[at] == ')' && --depth == 0) {
            in.remove_prefix(at + 1);
            return;
        }
    }
    in.remove_prefix(in.size());
}

void skip_blanks_and_comments(std::string_view& in) {
    while (!in.empty() && (is_blank(in.front()) || in.front() == '(')) {
        if (in.front() == '(') skip_comment(in);
        else in.remove_prefix(1);
    }
}

bool is_type_octet(char c) { return is_token_octet(c) || c == '/'; }

// A quoted string at the front of `in`; false: it has no end, and `in` stays.
bool take_quoted(std::string_view& in, std::string& out) {
    for (std::size_t at = 1; at < in.size(); ++at) {
        if (in[at] == '"') {
            in.remove_prefix(at + 1);
            return true;
        }
        if (in[at] == '\\' && at + 1 < in.size()) ++at;
        if (in[at] != '\r' && in[at] != '\n') out += in[at];
    }
    out.clear();
    return false;
}

// What needs no quotes for most readers, though RFC 2045 asks for them.
bool needs_no_quotes(char c) {
    return is_token_octet(c) || std::string_view("=/?:@[]").contains(c) || static_cast<unsigned char>(c) >= 0x80;
}

// The value at the front of `in`, which is left at the semicolon or at the end.
void take_value(std::string_view& in, MailParameter& into) {
    skip_blanks_and_comments(in);
    const std::string_view begin = in;
    if (in.starts_with('"') && take_quoted(in, into.value)) {
        skip_blanks_and_comments(in);
        into.is_odd = !in.empty() && in.front() != ';';
        if (into.is_odd) {
            // `boundary="a" charset=x`: what looks like the next parameter is one.
            const std::string_view rest = in.substr(0, in.find(';'));
            if (rest.contains('=') && is_blank(in.data()[-1])) {
                into.is_odd = false;
                return;
            }
            in.remove_prefix(rest.size());
        }
        const std::string_view raw = begin.substr(0, begin.size() - in.size());
        into.is_folded = into.value.size() + 2 < raw.size() && trimmed(raw).find_first_of("\r\n") != std::string_view::npos;
        if (into.is_odd || raw.contains('\\')) into.raw = without_breaks(trimmed(raw));
        return;
    }
    into.is_odd = in.starts_with('"');
    const std::string_view raw = trimmed(in.substr(0, in.find(';')));
    in.remove_prefix(std::min(in.find(';'), in.size()));
    std::string_view value = raw;
    if (into.is_odd) value.remove_prefix(1);
    // A comment behind a token is none of it.
    if (const std::size_t comment = value.find('(');
        comment != std::string_view::npos && comment > 0 && value.ends_with(')') && is_blank(value[comment - 1]))
        value = trimmed(value.substr(0, comment));
    into.is_odd |= !std::ranges::all_of(value, needs_no_quotes);
    into.is_folded = value.find_first_of("\r\n") != std::string_view::npos;
    into.value = without_breaks(value);
    if (into.is_odd) into.raw = without_breaks(raw);
}

// name, name*, name*0, name*0*
void split_name(std::string_view text, MailParameter& into) {
    if (text.ends_with('*')) {
        into.is_extended = true;
        text.remove_suffix(1);
    }
    const std::size_t star = text.rfind('*');
    if (star != std::string_view::npos) {
        if (const auto section = parse_decimal<int>(text.substr(star + 1))) {
            into.section = *section;
            text = text.substr(0, star);
        }
    }
    into.name = lower(text);
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

// The sections in their order; of two with one number the first, or the last.
std::string joined(const std::vector<const MailParameter*>& sections, bool takes_last, bool& is_broken) {
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
    return to_utf8(octets, charset);
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
        add(out.values, to_utf8(without_escapes(text, out.is_broken), charset));
        extended += out.values.size() - before;
    }
    std::ranges::sort(sections, {}, [](const MailParameter* one) { return std::pair(one->section, one); });  // of one vector: by place
    if (!sections.empty()) {
        add(out.values, joined(sections, false, out.is_broken));
        add(out.values, joined(sections, true, out.is_broken));
    }
    out.is_duplicate = out.plain > 1 || extended > 1;
    return out;
}

MailField parse_mail_field(std::string_view text, const Limits& limits) {
    MailField out;
    std::string_view in = text;
    skip_blanks_and_comments(in);
    const auto value_end = std::ranges::find_if_not(in, is_type_octet);
    out.value = lower(in.substr(0, static_cast<std::size_t>(value_end - in.begin())));
    in.remove_prefix(out.value.size());
    const std::size_t slash = out.value.find('/');
    if (slash != std::string::npos && (slash == 0 || slash + 1 == out.value.size() || out.value.find('/', slash + 1) != std::string::npos))
        out.is_odd = true;
    skip_blanks_and_comments(in);
    if (out.value.empty() || (!in.empty() && in.front() != ';')) out.is_odd = true;
    // Behind a value without a semicolon some readers find parameters, others none.
    if (!in.empty() && in.front() != ';') {
        const std::string_view rest = in.substr(0, in.find(';'));
        if (!rest.contains('=')) in.remove_prefix(rest.size());
    }
    for (skip_blanks_and_comments(in); !in.empty(); skip_blanks_and_comments(in)) {
        if (in.front() == ';') {
            in.remove_prefix(1);
            continue;
        }
        const std::string_view before = in.substr(0, in.find_first_of("=;"));
        in.remove_prefix(before.size());
        if (!in.starts_with('=')) {
            out.is_odd = true;
            continue;
        }
        in.remove_prefix(1);
        if (out.parameters.size() == limits.mail_parameters) {
            out.is_odd = true;
            break;
        }
        MailParameter parameter;
        const std::string_view name = trimmed(before.substr(0, before.find('(')));
        split_name(name, parameter);
        take_value(in, parameter);
        if (parameter.name.empty() || !std::ranges::all_of(parameter.name, is_token_octet)) out.is_odd = true;
        out.parameters.push_back(std::move(parameter));
    }
    return out;
}

}  // namespace sluice::mime
