// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/xclient.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "protocols/smtp/envelope.h"

namespace sluice::smtp {

namespace {

constexpr std::string_view unavailable = "[UNAVAILABLE]";
constexpr std::size_t longest_value = 255;
constexpr std::size_t longest_line = 512;

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::client, what); }

bool is_printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; });
}

Result<void> set(const std::string& name, const std::string& value, ClientAttributes& out) {
    const bool is_known = !equals_ignoring_case(value, unavailable) && !equals_ignoring_case(value, "[TEMPUNAVAIL]");
    if (name == "NAME") {
        out.name = is_known ? value : std::string();
    } else if (name == "HELO") {
        out.helo = is_known ? value : std::string();
    } else if (name == "LOGIN") {
        out.login = is_known ? value : std::string();
    } else if (name == "PROTO") {
        if (is_known && !equals_ignoring_case(value, "SMTP") && !equals_ignoring_case(value, "ESMTP"))
            return malformed("PROTO is no protocol");
        out.protocol = is_known ? upper(value) : std::string();
    } else if (name == "ADDR") {
        out.address.reset();
        if (!is_known) return {};
        std::string_view text = value;
        if (equals_ignoring_case(text.substr(0, 5), "IPV6:")) text.remove_prefix(5);
        const auto address = IpAddress::parse(text);
        if (!address) return malformed("ADDR is no address");
        out.address = address->unmapped();
    } else if (name == "PORT") {
        const auto port = parse_decimal<std::uint16_t>(value);
        if (is_known && !port) return malformed("PORT is no port");
        out.port = port.value_or(0);
    } else if (name != "DESTADDR" && name != "DESTPORT" && name != "IDENT" && name != "SOURCE") {
        return malformed("an attribute that is not known");
    }
    return {};
}

}  // namespace

Result<void> parse_attributes(std::string_view argument, ClientAttributes& out) {
    ClientAttributes said = out;
    bool has_any = false;
    for (const std::string_view word : split(argument, ' ')) {
        if (word.empty()) continue;
        const std::size_t equals = word.find('=');
        if (equals == std::string_view::npos) return malformed("an attribute without a value");
        const auto value = decode_xtext(word.substr(equals + 1));
        if (!value || value->size() > longest_value || !is_printable(*value)) return malformed("an attribute's value is bad");
        TRY(set(upper(word.substr(0, equals)), *value, said));
        has_any = true;
    }
    if (!has_any) return malformed("no attribute");
    out = std::move(said);
    return {};
}

std::vector<std::string> encode_attributes(std::string_view verb, const ClientAttributes& client, const std::vector<std::string>& names) {
    const auto is_taken = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
    std::vector<std::string> lines;
    std::string line;
    const auto add = [&](std::string_view name, std::string_view value) {
        if (!is_taken(name)) return;
        const auto word_of = [name](std::string_view said) { return " " + std::string(name) + "=" + encode_xtext(said); };
        std::string word = word_of(value.empty() || value.size() > longest_value ? unavailable : value);
        if (verb.size() + word.size() + 2 > longest_line) word = word_of(unavailable);
        if (line.empty() || verb.size() + line.size() + word.size() + 2 > longest_line) {
            if (!line.empty()) lines.push_back(std::string(verb) + line + "\r\n");
            line.clear();
        }
        line += word;
    };
    // Name and address last: a server looks at access rules when it has them.
    add("HELO", client.helo);
    add("PROTO", client.protocol);
    add("LOGIN", client.login);
    add("PORT", client.port == 0 ? std::string() : std::to_string(client.port));
    add("NAME", client.name);
    const std::string address = client.address ? client.address->to_string() : std::string();
    add("ADDR", client.address && !client.address->is_v4() ? "IPV6:" + address : address);
    if (!line.empty()) lines.push_back(std::string(verb) + line + "\r\n");
    return lines;
}

}  // namespace sluice::smtp
