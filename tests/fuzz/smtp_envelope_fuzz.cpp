// SPDX-License-Identifier: Apache-2.0
// MAIL's and RCPT's arguments: what goes to a server is one line that reads the same again, to a reader too that knows no quotes; rules see an address
// in one form, which is its own; and xtext comes back.
#include "protocols/smtp/envelope.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

using namespace sluice;
using namespace sluice::smtp;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

bool are_same(const Parameter& a, const Parameter& b) { return a.keyword == b.keyword && a.value == b.value; }

bool is_domain_octet(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || std::string_view("-._").contains(c); }

void check(const Path& path) {
    require(path.sent.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos && path.sent.empty() == path.address.empty());
    if (path.sent.empty()) return;
    const std::string_view domain = path.domain();
    const bool is_literal = domain.starts_with('[');
    require(!path.local().empty() && path.local().size() <= 514 && domain.size() <= 255);
    require(path.address == std::string(path.local()) + (domain.empty() ? "" : "@") + std::string(domain));
    require(is_literal || std::ranges::all_of(domain, is_domain_octet));
    require(!is_literal || (domain.ends_with(']') && std::ranges::all_of(domain.substr(1, domain.size() - 2),
                                                                         [](char c) { return is_domain_octet(c) || c == ':'; })));
    // A server that ends the path at its first ">", and the local part at an "@" in quotes, sees the same unless it is said that it may not.
    if (!path.may_be_routed)
        require(path.sent.find('>') == std::string::npos && std::ranges::count(path.sent, '@') == (domain.empty() ? 0 : 1));
    // The form that rules see is one: it is an address, and its own.
    const auto again = parse_recipient("TO:<" + path.address + ">");
    require(again && again->path.address == path.address && again->path.local() == path.local() && again->path.domain() == domain);
    require(path.may_be_routed || !again->path.may_be_routed);
}

void check(const Result<EnvelopeCommand>& got, Result<EnvelopeCommand> (*parse)(std::string_view),
           std::string (*encode)(const Path&, const std::vector<Parameter>&)) {
    if (!got) {
        require(got.error().side == Side::client && (got.error().code == Errc::malformed || got.error().code == Errc::too_large));
        return;
    }
    check(got->path);
    require(got->parameters.size() <= 16);
    for (const Parameter& parameter : got->parameters) {
        require(got->find(parameter.keyword) == &parameter && !parameter.keyword.empty() &&
                (!parameter.value || !parameter.value->empty()));
        require(!parameter.value ||
                std::ranges::all_of(*parameter.value, [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; }));
    }
    const std::string text = encode(got->path, got->parameters);
    const auto again = parse(text);
    require(again && again->path.sent == got->path.sent && again->path.address == got->path.address);
    require(again->path.may_be_routed == got->path.may_be_routed && again->path.is_ascii == got->path.is_ascii);
    require(std::ranges::equal(again->parameters, got->parameters, are_same));
    require(encode(again->path, again->parameters) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check(parse_mail(text), parse_mail, encode_mail);
    check(parse_recipient(text), parse_recipient, encode_recipient);
    check(parse_recipient("TO:<" + std::string(text) + ">"), parse_recipient, encode_recipient);
    require(decode_xtext(encode_xtext(text)) == text);
    if (const auto decoded = decode_xtext(text)) require(decoded->size() <= size && decode_xtext(encode_xtext(*decoded)) == *decoded);
    if (const auto octets = parse_size(text)) require(size <= 20 && std::ranges::all_of(text, is_digit));
    return 0;
}
