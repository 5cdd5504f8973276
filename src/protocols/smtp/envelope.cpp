// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/envelope.h"

#include <algorithm>

#include "base/ip.h"
#include "base/text.h"
#include "base/url.h"

namespace sluice::smtp {

namespace {

// RFC 5321 4.5.3.1 has 64 and 255; senders that put their own marks into local parts (VERP, BATV, SRS) go beyond the former.
constexpr std::size_t longest_local = 256;
constexpr std::size_t longest_domain = 255;
constexpr std::size_t most_parameters = 16;

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::client, what); }
std::unexpected<Error> bad_parameter(std::string_view what) { return fail(Errc::unsupported, Side::client, what); }

bool is_plain(char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; }

bool is_xtext_octet(char c) { return c > 0x20 && c < 0x7f && c != '='; }

// RFC 5322 3.2.3, with RFC 6531's octets, and dots wherever they stand: phones and old systems have them in odd places.
bool is_atom(char c) {
    if (static_cast<unsigned char>(c) >= 0x80) return true;
    return is_alpha(c) || is_digit(c) || (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~.").contains(c));
}

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// RFC 3629 4: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto first = static_cast<unsigned char>(text[i]);
        if (first < 0x80) continue;
        const std::size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || text.size() - i <= more) return false;
        const auto second = static_cast<unsigned char>(text[i + 1]);
        if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return false;
        if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return false;
        for (std::size_t left = more; left > 0; --left)
            if ((static_cast<unsigned char>(text[++i]) & 0xc0U) != 0x80) return false;
    }
    return true;
}

// A quoted string at the front of `in`, which is left behind it; what it means goes to `out`.
Result<void> take_quoted(std::string_view& in, std::string& out) {
    in.remove_prefix(1);
    while (!in.empty() && in.front() != '"') {
        if (in.front() == '\\') in.remove_prefix(1);
        if (in.empty()) break;
        if (static_cast<unsigned char>(in.front()) < 0x20 || in.front() == 0x7f) return malformed("a control in a quoted local part");
        out += in.front();
        in.remove_prefix(1);
    }
    if (in.empty()) return malformed("a quoted local part without an end");
    in.remove_prefix(1);
    return {};
}

// RFC 5321 4.1.3, of which there are two: "[192.0.2.1]", "[IPv6:2001:db8::1]". What stands in the brackets is nothing that a server might take
// for the end of a path.
std::optional<std::string> canonical_literal(std::string_view domain) {
    constexpr std::string_view tag = "ipv6:";
    if (!domain.ends_with(']')) return std::nullopt;
    std::string_view inside = domain.substr(1, domain.size() - 2);
    const bool is_tagged = equals_ignoring_case(inside.substr(0, tag.size()), tag);
    if (is_tagged) inside.remove_prefix(tag.size());
    const auto address = IpAddress::parse(inside);
    if (!address || address->is_v6() != is_tagged) return std::nullopt;
    const IpAddress plain = address->unmapped();
    return "[" + std::string(plain.is_v6() ? tag : std::string_view()) + plain.to_string() + "]";
}

bool is_domain_name(std::string_view name) {
    return std::ranges::all_of(split(name, '.'), [](std::string_view label) {
        return !label.empty() && std::ranges::all_of(label, [](char c) {
            return static_cast<unsigned char>(c) >= 0x80 || is_alpha(c) || is_digit(c) || c == '-' || c == '_';
        });
    });
}

Result<std::string> canonical_domain(std::string_view domain) {
    if (domain.size() > longest_domain) return fail(Errc::too_large, Side::client, "the domain is too long");
    if (domain.starts_with('[')) {
        auto literal = canonical_literal(domain);
        if (!literal) return malformed("this is no address literal");
        return *std::move(literal);
    }
    if (domain.ends_with('.')) domain.remove_suffix(1);
    if (!is_domain_name(domain)) return malformed("this is no domain");
    if (is_ascii(domain)) return lower(domain);
    auto name = canonical_host(domain);
    if (!name || !is_domain_name(*name)) return malformed("this is no international domain");
    return name;
}

// Quotes that are needed, and no others.
std::string canonical_local(std::string_view local) {
    if (!local.empty() && std::ranges::all_of(local, is_atom)) return lower(local);
    std::string out = "\"";
    for (const char c : local) {
        if (c == '"' || c == '\\') out += '\\';
        out += to_lower(c);
    }
    return out += '"';
}

// "@a,@b:" before the address (RFC 5321 4.1.2: to be ignored).
Result<std::string_view> skip_source_route(std::string_view text, Path& path) {
    if (!text.starts_with('@')) return text;
    path.may_be_routed = true;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return malformed("a source route without an address");
    for (const std::string_view host : split(text.substr(0, colon), ','))
        if (!host.starts_with('@') || !canonical_domain(host.substr(1))) return malformed("a bad source route");
    return text.substr(colon + 1);
}

// Up to the "@" or the end: atoms and quoted strings with dots between them, without quotes.
Result<std::string> take_local(std::string_view& in) {
    std::string out;
    if (in.empty() || in.front() == '@') return malformed("no local part");
    for (bool is_word_start = true; !in.empty() && in.front() != '@';) {
        if (in.front() == '"') {
            if (!is_word_start) return malformed("quotes in the middle of a local part");
            TRY(take_quoted(in, out));
            if (!in.empty() && in.front() != '@' && in.front() != '.') return malformed("quotes in the middle of a local part");
            is_word_start = false;
        } else if (is_atom(in.front())) {
            is_word_start = in.front() == '.';
            out += in.front();
            in.remove_prefix(1);
        } else {
            return malformed("an octet that no address has");
        }
    }
    if (out.size() > longest_local) return fail(Errc::too_large, Side::client, "the local part is too long");
    return out;
}

Result<Path> parse_path(std::string_view sent) {
    Path path;
    path.sent = sent;
    path.is_ascii = is_ascii(sent);
    if (sent.empty()) return path;
    std::string_view in = TRY(skip_source_route(sent, path));
    const std::string local = TRY(take_local(in));
    path.may_be_routed = path.may_be_routed || local.find_first_of("@%!:<>") != std::string::npos;
    path.address = canonical_local(local);
    if (in.empty()) return path;  // "postmaster" (RFC 5321 4.1.1.3), and other names that the server completes
    path.address += "@" + TRY(canonical_domain(in.substr(1)));
    return path;
}

// The text between the brackets at the front of `in`, which is left behind them.
Result<std::string_view> take_path(std::string_view& in) {
    if (!in.starts_with('<')) {
        const std::string_view word = in.substr(0, in.find(' '));
        if (word.empty() || !std::ranges::all_of(word, [](char c) { return is_atom(c) || c == '@'; }))
            return malformed("no path in angle brackets");
        in.remove_prefix(word.size());
        return word;
    }
    bool is_quoted = false;
    for (std::size_t i = 1; i < in.size(); ++i) {
        const char c = in[i];
        if (is_quoted && c == '\\') ++i;
        else if (c == '"') is_quoted = !is_quoted;
        else if (!is_quoted && !is_plain(c)) return malformed("a blank or a control in a path");
        else if (!is_quoted && c == '>') {
            const std::string_view inside = in.substr(1, i - 1);
            in.remove_prefix(i + 1);
            return inside;
        }
    }
    return malformed("a path without its closing bracket");
}

Result<void> read_parameters(std::string_view in, EnvelopeCommand& out) {
    if (!in.empty() && in.front() != ' ') return malformed("octets behind a path");
    for (const std::string_view word : split(in, ' ')) {
        if (word.empty()) continue;
        if (out.parameters.size() == most_parameters) return bad_parameter("too many parameters");
        const std::size_t equals = word.find('=');
        const std::string_view keyword = word.substr(0, equals);
        const bool is_keyword = !keyword.empty() && keyword.front() != '-' &&
                                std::ranges::all_of(keyword, [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; });
        if (!is_keyword || !std::ranges::all_of(word, is_plain)) return bad_parameter("this is no parameter");
        Parameter parameter{.keyword = upper(keyword), .value = {}};
        if (out.find(parameter.keyword) != nullptr) return bad_parameter("a parameter is said twice");
        if (equals != std::string_view::npos) {
            parameter.value = word.substr(equals + 1);
            if (parameter.value->empty()) return bad_parameter("a parameter without its value");
        }
        out.parameters.push_back(std::move(parameter));
    }
    return {};
}

Result<EnvelopeCommand> parse(std::string_view argument, std::string_view word) {
    if (!equals_ignoring_case(argument.substr(0, word.size()), word)) return malformed("FROM: or TO: is missing");
    argument.remove_prefix(word.size());
    if (!is_utf8(argument)) return malformed("octets that are no UTF-8");
    argument = trim(argument);  // "FROM: <a@b>", as many clients have it
    EnvelopeCommand out;
    const std::string_view path = TRY(take_path(argument));
    out.path = TRY(parse_path(path));
    TRY(read_parameters(argument, out));
    return out;
}

std::string encode(std::string_view word, const Path& path, const std::vector<Parameter>& parameters) {
    std::string out(word);
    out.append("<").append(path.sent).append(">");
    for (const Parameter& parameter : parameters) {
        out.append(" ").append(parameter.keyword);
        if (parameter.value) out.append("=").append(*parameter.value);
    }
    return out;
}

}  // namespace

std::string_view Path::local() const {
    const std::string_view name = domain();
    return std::string_view(address).substr(0, address.size() - name.size() - (name.empty() ? 0 : 1));
}

std::string_view Path::domain() const {
    const std::size_t at = address.ends_with('"') ? std::string::npos : address.rfind('@');  // in quotes it is the local part's
    return at == std::string::npos ? std::string_view() : std::string_view(address).substr(at + 1);
}

const Parameter* EnvelopeCommand::find(std::string_view keyword) const {
    const auto found = std::ranges::find(parameters, keyword, &Parameter::keyword);
    return found == parameters.end() ? nullptr : &*found;
}

Result<EnvelopeCommand> parse_mail(std::string_view argument) { return parse(argument, "FROM:"); }

Result<EnvelopeCommand> parse_recipient(std::string_view argument) {
    auto out = parse(argument, "TO:");
    if (out && out->path.address.empty()) return malformed("a recipient is missing");
    return out;
}

std::string encode_mail(const Path& path, const std::vector<Parameter>& parameters) { return encode("FROM:", path, parameters); }
std::string encode_recipient(const Path& path, const std::vector<Parameter>& parameters) { return encode("TO:", path, parameters); }

std::optional<std::string> decode_xtext(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!is_xtext_octet(text[i])) return std::nullopt;
        if (text[i] != '+') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0) return std::nullopt;
        out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
        i += 2;
    }
    return out;
}

std::string encode_xtext(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (is_xtext_octet(c) && c != '+') {
            out += c;
            continue;
        }
        const auto octet = static_cast<unsigned char>(c);
        out += '+';
        out += digits[octet >> 4];
        out += digits[octet & 15];
    }
    return out;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    return text.size() > 20 ? std::nullopt : parse_decimal<std::uint64_t>(text);
}

}  // namespace sluice::smtp
