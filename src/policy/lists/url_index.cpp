// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/url_index.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace sluice::policy {

// The host (with its port) is the first piece, each "/segment" one more.
std::uint64_t UrlIndex::hash(const HashSeed& seed, std::string_view entry) {
    std::uint64_t state = hash_start(seed);
    for (;;) {
        const std::size_t end = std::min(entry.find('/', 1), entry.size());
        state = hash_piece(seed, state, entry.substr(0, end));
        entry.remove_prefix(end);
        if (entry.empty()) return state;
    }
}

bool UrlIndex::Builder::add(std::string_view entry, ListId list) {
    if (!table_.add(entry, list)) return false;
    pieces_ = std::max(pieces_, static_cast<std::size_t>(std::ranges::count(entry, '/')) + 1);
    return true;
}

UrlIndex UrlIndex::Builder::build() && {
    UrlIndex out;
    out.table_ = std::move(table_).build();
    out.pieces_ = pieces_;
    return out;
}

template <class Visit>
bool UrlIndex::visit_sets(std::string_view host, std::string_view path, std::uint16_t port, Visit visit) const {
    std::array<char, EntryTable::longest_entry> text;
    constexpr std::size_t around_host = sizeof "[]:65535";
    if (table_.empty() || host.empty() || host.size() + around_host > text.size()) return false;
    bool any = false;
    for (const bool with_port : {false, true}) {
        if (with_port && port == 0) break;
        const bool bracketed = host.find(':') != std::string_view::npos;
        std::size_t end = 0;
        if (bracketed) text[end++] = '[';
        end += host.copy(text.data() + end, host.size());
        if (bracketed) text[end++] = ']';
        if (with_port) {
            text[end++] = ':';
            end = static_cast<std::size_t>(std::to_chars(text.data() + end, text.data() + text.size(), port).ptr - text.data());
        }
        const std::size_t host_end = end;
        end += path.copy(text.data() + end, text.size() - end);
        const bool cut = end - host_end < path.size();

        std::uint64_t state = hash_start(table_.seed());
        std::size_t from = 0;
        for (std::size_t piece = 0; piece < pieces_ && (from < end || piece == 0); ++piece) {
            const std::size_t to = piece == 0 ? host_end : std::min(std::string_view(text.data(), end).find('/', from + 1), end);
            if (cut && to == end) break;                        // it goes on: not the border of a segment
            state = hash_piece(table_.seed(), state, {text.data() + from, to - from});
            const SetId set = table_.find(state, {text.data(), to});
            if (set != 0 && visit(set)) any = true;
            from = to;
        }
    }
    return any;
}

bool UrlIndex::lookup(std::string_view host, std::string_view path, std::uint16_t port, std::span<std::uint64_t> out) const {
    return visit_sets(host, path, port, [&](SetId set) {
        table_.sets().mark(set, out);
        return true;
    });
}

bool UrlIndex::contains(std::string_view host, std::string_view path, std::uint16_t port, ListId list) const {
    return visit_sets(host, path, port, [&](SetId set) { return table_.sets().contains(set, list); });
}

}  // namespace sluice::policy
