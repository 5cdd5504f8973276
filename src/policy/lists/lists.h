// SPDX-License-Identifier: Apache-2.0
// All lists of one policy: immutable, shared by all workers. Those of one type share one index, so that one lookup answers for all of them.
#pragma once

#include "base/diagnostic.h"
#include "base/ip.h"
#include "policy/lists/domain_index.h"
#include "policy/lists/ip_index.h"
#include "policy/lists/list.h"
#include "policy/lists/reader.h"
#include "policy/lists/string_index.h"
#include "policy/lists/url_index.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sluice::policy {

// One key of [lists]: a file or values.
struct ListSpec {
    std::string name;
    ListType type = ListType::string;
    std::string file;  // a path; empty: `values`
    std::vector<std::string> values;
    Place place;  // where diagnostics point
    std::string source_line;  // the line that `place` names; may be empty
};

class Lists {
public:
    // Never null, whatever is wrong: a list with an error has its previous content or none. Reads each file once, and not at all where it is
    // the same as in `previous` (may be null); an index of which no list changed is shared with it.
    //   error: a file that cannot be read; over 5 % bad lines and nothing to keep; a value that is not of the list's type; a name given twice.
    //   warning: over 5 % bad lines, or less than a tenth of the entries left: the list keeps its content of `previous`. It does so, and says so,
    //   at every load until the file is good again or Sluice starts anew.
    static std::shared_ptr<const Lists> load(std::span<const ListSpec> specs, Diagnostics& diagnostics, const Lists* previous);

    std::size_t size() const { return lists_.size(); }
    std::size_t words() const { return bitmap_words(lists_.size()); }  // of a bitmap for `lookup`
    std::optional<ListId> find(std::string_view name) const;
    std::string_view name(ListId list) const { return lists_[list].spec.name; }
    ListType type(ListId list) const { return lists_[list].spec.type; }
    const LoadReport& report(ListId list) const { return lists_[list].report; }

    // Each answers for all lists of its type; see `lookup` there.
    const DomainIndex& domains() const { return *domains_; }
    const IpIndex& networks() const { return *networks_; }
    const StringIndex& hashes() const { return *hashes_; }  // keys: 32 bytes
    const UrlIndex& urls() const { return *urls_; }
    const StringIndex& strings() const { return *strings_; }

    bool contains_domain(ListId list, std::string_view name) const { return domains_->contains(name, list); }
    bool contains_ip(ListId list, const IpAddress& address) const { return networks_->contains(address, list); }
    // `hex`: 64 hexadecimal digits; anything else is in no list.
    bool contains_sha256(ListId list, std::string_view hex) const;
    // Marks every hash list that holds it.
    bool lookup_sha256(std::string_view hex, std::span<std::uint64_t> out) const;
    // `host` and `path` of the canonical URL; `port` 0: entries that name a port do not hold.
    bool contains_url(ListId list, std::string_view host, std::string_view path, std::uint16_t port = 0) const {
        return urls_->contains(host, path, port, list);
    }
    bool contains_string(ListId list, std::string_view text) const { return strings_->contains(text, list); }

private:
    struct List {
        ListSpec spec;
        LoadReport report;
        FileIdentity identity;  // not known: read again at the next load
    };
    friend class Loader;

    std::vector<List> lists_;
    std::unordered_map<std::string_view, ListId> names_;  // views into lists_
    std::shared_ptr<const DomainIndex> domains_ = std::make_shared<DomainIndex>();
    std::shared_ptr<const IpIndex> networks_ = std::make_shared<IpIndex>();
    std::shared_ptr<const StringIndex> hashes_ = std::make_shared<StringIndex>();
    std::shared_ptr<const UrlIndex> urls_ = std::make_shared<UrlIndex>();
    std::shared_ptr<const StringIndex> strings_ = std::make_shared<StringIndex>();
};

}  // namespace sluice::policy
