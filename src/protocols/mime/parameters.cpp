// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/parameters.h"

#include "base/text.h"

#include <algorithm>
#include <optional>

namespace sluice::mime {
namespace {

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::client, what); }

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == '\x7f'; }

void skip_blanks(std::string_view& in) {
    while (!in.empty() && is_blank(in.front())) in.remove_prefix(1);
}

std::string_view take_token(std::string_view& in) {
    const auto end = std::ranges::find_if_not(in, is_token_octet);
    const std::string_view token = in.substr(0, static_cast<std::size_t>(end - in.begin()));
    in.remove_prefix(token.size());
    return token;
}

// The octet that a form's writer escaped at the front of `in`.
std::optional<char> form_escape(std::string_view in) {
    const std::string_view escape = in.substr(0, 3);
    if (escape == "%22") return '"';
    if (equals_ignoring_case(escape, "%0d")) return '\r';
    if (equals_ignoring_case(escape, "%0a")) return '\n';
    return std::nullopt;
}

// `in` stands behind the opening quote, and is left behind the closing one.
Result<std::string> take_quoted(std::string_view& in, Quoting quoting) {
    std::string out;
    while (!in.empty()) {
        char c = in.front();
        if (c == '"') {
            in.remove_prefix(1);
            return out;
        }
        std::size_t taken = 1;
        if (quoting == Quoting::form) {
            if (const std::optional<char> escaped = form_escape(in)) {
                out += *escaped;
                in.remove_prefix(3);
                continue;
            }
            if (c == '\\' && in.size() > 1 && (in[1] == '"' || in[1] == '\\')) taken = 2;
        } else if (c == '\\') {
            if (in.size() == 1) break;
            taken = 2;
        }
        c = in[taken - 1];
        if (is_control(c)) return malformed("control character in a parameter");
        out += c;
        in.remove_prefix(taken);
    }
    return malformed("quoted parameter without an end");
}

void append_utf8_of_latin1(std::string& out, char c) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x80) {
        out += c;
        return;
    }
    out += static_cast<char>(0xc0U | (octet >> 6U));
    out += static_cast<char>(0x80U | (octet & 0x3fU));
}

// attr-char of RFC 8187 3.2.1: a token octet, but for those that mean something here.
bool is_attribute_octet(char c) { return is_token_octet(c) && c != '*' && c != '\'' && c != '%'; }

// charset "'" [ language ] "'" value-chars
Result<std::string> take_extended(std::string_view& in) {
    const std::size_t charset_end = std::min(in.find('\''), in.size());
    const std::string_view charset = in.substr(0, charset_end);
    const bool is_latin1 = equals_ignoring_case(charset, "iso-8859-1");
    if (charset_end == in.size()) return malformed("extended parameter without a charset");
    if (!is_latin1 && !equals_ignoring_case(charset, "utf-8"))
        return fail(Errc::unsupported, Side::client, "extended parameter in an unknown charset");
    in.remove_prefix(charset_end + 1);
    while (!in.empty() && (is_alpha(in.front()) || is_digit(in.front()) || in.front() == '-')) in.remove_prefix(1);
    if (!in.starts_with('\'')) return malformed("bad extended parameter");
    in.remove_prefix(1);
    std::string out;
    while (!in.empty() && (in.front() == '%' || is_attribute_octet(in.front()))) {
        char c = in.front();
        std::size_t taken = 1;
        if (c == '%') {
            if (in.size() < 3 || hex_value(in[1]) < 0 || hex_value(in[2]) < 0) return malformed("bad escape in an extended parameter");
            c = static_cast<char>(hex_value(in[1]) * 16 + hex_value(in[2]));
            if (c == '\0') return malformed("control character in a parameter");
            taken = 3;
        }
        if (is_latin1) append_utf8_of_latin1(out, c);
        else out += c;
        in.remove_prefix(taken);
    }
    return out;
}

// `in` begins with the parameter's name, and is left behind its value.
Result<Parameter> take_parameter(std::string_view& in, Quoting quoting) {
    std::string_view name = take_token(in);
    if (name.empty()) return malformed("parameter without a name");
    if (!in.starts_with('=')) return malformed("parameter without a value");
    in.remove_prefix(1);
    Parameter out;
    if (name.ends_with('*')) {
        name.remove_suffix(1);
        out.is_extended = true;
    }
    if (name.contains('*')) return malformed("continued parameter");
    if (name.empty()) return malformed("parameter without a name");
    out.name = lower(name);
    if (out.is_extended) {
        out.value = TRY(take_extended(in));
    } else if (in.starts_with('"')) {
        in.remove_prefix(1);
        out.value = TRY(take_quoted(in, quoting));
    } else {
        out.value = take_token(in);
        if (out.value.empty()) return malformed("parameter without a value");
    }
    return out;
}

}  // namespace

bool is_token_octet(char c) { return is_alpha(c) || is_digit(c) || (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").contains(c)); }

const Parameter* ValueWithParameters::find(std::string_view name, bool is_extended) const {
    const auto at =
        std::ranges::find_if(parameters, [&](const Parameter& one) { return one.is_extended == is_extended && one.name == name; });
    return at == parameters.end() ? nullptr : &*at;
}

Result<ValueWithParameters> parse_with_parameters(std::string_view text, Quoting quoting, const Limits& limits) {
    std::string_view in = trim(text);
    ValueWithParameters out;
    out.value = lower(take_token(in));
    if (out.value.empty()) return malformed("no value before the parameters");
    if (in.starts_with('/')) {
        in.remove_prefix(1);
        const std::string_view subtype = take_token(in);
        if (subtype.empty()) return malformed("media type without a subtype");
        out.value.append("/").append(lower(subtype));
    }
    for (skip_blanks(in); !in.empty(); skip_blanks(in)) {
        if (in.front() != ';') return malformed("unexpected octets between parameters");
        in.remove_prefix(1);
        skip_blanks(in);
        if (in.empty() || in.front() == ';') continue;         // an empty one (RFC 9110 5.6.6)
        if (out.parameters.size() == limits.header_parameters) return fail(Errc::too_large, Side::client, "too many parameters");
        Parameter parameter = TRY(take_parameter(in, quoting));
        if (out.find(parameter.name, parameter.is_extended) != nullptr) return malformed("two parameters of one name");
        out.parameters.push_back(std::move(parameter));
    }
    return out;
}

}  // namespace sluice::mime
