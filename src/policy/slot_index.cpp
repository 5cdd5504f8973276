// SPDX-License-Identifier: Apache-2.0
#include "policy/slot_index.h"

#include <limits>

#include "base/text.h"

namespace sluice::policy {
namespace {

struct UrlParts {
    std::string_view host, path;
    std::uint16_t port = 0;
};

// Of a canonical URL: no default port, a host without brackets.
UrlParts split_url(std::string_view url) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string_view::npos) return {};
    UrlParts parts;
    parts.port = url.starts_with("https:") ? 443 : url.starts_with("ftp:") ? 21 : 80;
    url.remove_prefix(scheme + 3);
    url = url.substr(0, url.find_first_of("?#"));
    const std::size_t slash = url.find('/');
    parts.path = slash == std::string_view::npos ? "/" : url.substr(slash);
    parts.host = url.substr(0, slash);
    parts.host.remove_prefix(parts.host.rfind('@') + 1);  // npos + 1 is 0
    const std::size_t colon = parts.host.rfind(':');
    if (colon != std::string_view::npos && !parts.host.ends_with(']')) {
        parts.port = parse_decimal<std::uint16_t>(parts.host.substr(colon + 1)).value_or(0);
        parts.host = parts.host.substr(0, colon);
    }
    if (parts.host.starts_with('[') && parts.host.ends_with(']')) parts.host = parts.host.substr(1, parts.host.size() - 2);
    return parts;
}

}  // namespace

void SlotIndex::add(AtomId id, const Atom& atom) {
    used_ = true;
    using Kind = Atom::Kind;
    switch (atom.kind) {
        case Kind::exists: exists_ = id; break;
        case Kind::truth: truth_ = id; break;
        case Kind::equals:
            for (const std::string& value : atom.values) equals_.add(value, id);
            break;
        case Kind::contains: grams_.add(atom.values[0], GramIndex::Anchor::anywhere, false, id); break;
        case Kind::starts_with: grams_.add(atom.values[0], GramIndex::Anchor::start, false, id); break;
        case Kind::ends_with: grams_.add(atom.values[0], GramIndex::Anchor::end, false, id); break;
        case Kind::matches:
            for (const std::string& hint : atom.hints) grams_.add(hint, GramIndex::Anchor::anywhere, true, id);
            break;
        case Kind::number:
            for (const auto& [low, high] : atom.ranges) {
                const std::int64_t after = high == std::numeric_limits<std::int64_t>::max() ? high : high + 1;
                numbers_.add(low, after == high ? nullptr : &after, id);
            }
            break;
        case Kind::network:
            for (const IpNetwork& network : atom.networks) {
                if (network.address().is_v4()) {
                    const std::uint32_t low = network.address().to_v4();
                    const std::uint32_t after = low + static_cast<std::uint32_t>(std::uint64_t{1} << (32 - network.prefix()));
                    v4_.add(low, after == 0 || network.prefix() == 0 ? nullptr : &after, id);
                    continue;
                }
                auto after = network.address().bytes();  // + 1 at the last bit of the prefix
                int carry = network.prefix() == 0 ? 0 : 1;
                for (int byte = (network.prefix() - 1) / 8; byte >= 0 && carry != 0; --byte) {
                    const int unit = byte == (network.prefix() - 1) / 8 ? 1 << (7 - (network.prefix() - 1) % 8) : 1;
                    const int sum = after[static_cast<std::size_t>(byte)] + unit;
                    after[static_cast<std::size_t>(byte)] = static_cast<std::uint8_t>(sum);
                    carry = sum >> 8;
                }
                v6_.add(network.address().bytes(), network.prefix() == 0 || carry != 0 ? nullptr : &after, id);
            }
            break;
        case Kind::domain_list: put(domain_lists_, atom.list, id); break;
        case Kind::ip_list: put(ip_lists_, atom.list, id); break;
        case Kind::string_list:
        case Kind::url_list:
        case Kind::sha256_list: put(other_lists_, atom.list, id); break;
        case Kind::body: put(patterns_, atom.pattern, id); break;
        default: break;
    }
}

void SlotIndex::build() {
    equals_.build();
    grams_.build();
    numbers_.build();
    v4_.build();
    v6_.build();
}

std::string_view SlotIndex::domain_of(const Slot& slot, std::string_view value) {
    switch (slot.field) {
        case Field::email_from:
        case Field::email_to:
        case Field::smtp_mail_from:
        case Field::smtp_rcpt_to: return value.substr(value.rfind('@') + 1);   // npos + 1 is 0: no domain, the whole
        default: return value;
    }
}

bool SlotIndex::lookup_others(std::string_view value, const Lists& lists, std::span<std::uint64_t> bits) const {
    bool any = lists.strings().lookup(value, bits);
    if (slot_.field == Field::url_full) {
        const UrlParts url = split_url(value);
        any |= lists.urls().lookup(url.host, url.path, url.port, bits);
    } else if (slot_.field == Field::file_sha256) {
        any |= lists.lookup_sha256(value, bits);
    }
    return any;
}

bool SlotIndex::in_list(const Atom& atom, const Slot& slot, std::string_view value, const Lists& lists) {
    switch (atom.kind) {
        case Atom::Kind::string_list: return lists.contains_string(atom.list, value);
        case Atom::Kind::sha256_list: return lists.contains_sha256(atom.list, value);
        case Atom::Kind::domain_list: return lists.contains_domain(atom.list, domain_of(slot, value));
        case Atom::Kind::url_list: {
            const UrlParts url = split_url(value);
            return lists.contains_url(atom.list, url.host, url.path, url.port);
        }
        default: return false;
    }
}

void SlotIndex::put(std::vector<AtomId>& atoms, std::size_t at, AtomId id) {
    if (atoms.size() <= at) atoms.resize(at + 1, none);
    atoms[at] = id;
}

}  // namespace sluice::policy
