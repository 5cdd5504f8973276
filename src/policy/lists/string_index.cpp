// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/string_index.h"

namespace sluice::policy {

StringIndex StringIndex::Builder::build() && {
    StringIndex out;
    out.table_ = std::move(table_).build();
    return out;
}

bool StringIndex::lookup(std::string_view text, std::span<std::uint64_t> out) const {
    if (table_.empty() || text.size() > EntryTable::longest_entry) return false;
    const SetId set = table_.find(hash_bytes(table_.seed(), text), text);
    table_.sets().mark(set, out);
    return set != 0;
}

bool StringIndex::contains(std::string_view text, ListId list) const {
    if (table_.empty() || text.size() > EntryTable::longest_entry) return false;
    return table_.sets().contains(table_.find(hash_bytes(table_.seed(), text), text), list);
}

}  // namespace sluice::policy
