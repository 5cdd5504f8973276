// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/lists.h"

#include "policy/lists/entry_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace sluice::policy {

namespace {

constexpr std::size_t first_bad_lines = 10;

// Over 5 % of the lines that should have been entries.
bool is_junk(const LoadReport& report, std::size_t good_lines) { return report.bad * 20 > report.bad + good_lines; }
bool has_shrunk(std::size_t entries, std::size_t before) { return entries * 10 <= before && before > 0; }

std::string describe_bad(const LoadReport& report, ListType type) {
    std::string lines;
    for (const std::size_t line : report.first_bad_lines) lines += fmt::format("{}{}", lines.empty() ? "" : ", ", line);
    return fmt::format("{} of {} lines are no {} entries (over 5 %): line {}{}", report.bad, report.lines, to_string(type), lines,
                       report.bad > report.first_bad_lines.size() ? ", …" : "");
}

// A text entry is in one list or more already, an address range in pieces: either way into the builder of the new index.
template <class Builder>
std::size_t add_entries(Builder& builder, const LineParser& line, ListId list) {
    std::size_t added = 0;
    for (const std::string_view entry : line.entries()) added += builder.add(entry, list) ? 1U : 0U;
    return added;
}
std::size_t add_entries(IpIndex::Builder& builder, const LineParser& line, ListId list) {
    builder.add(line.first(), line.last(), list);
    return 0;                                                   // counted at the end, without the doubles
}

template <class Builder>
std::size_t entries_of(const Builder&, ListId, std::size_t added) {
    return added;
}
std::size_t entries_of(const IpIndex::Builder& builder, ListId list, std::size_t) { return builder.count(list); }

// The lists of `taken` (old id -> new id) out of an index into the builder of another.
using Taken = std::unordered_map<ListId, ListId>;
template <class Index>
void take_over(const Index& index, const Taken& taken, typename Index::Builder& builder) {
    if (taken.empty()) return;
    index.for_each([&](std::string_view entry, std::span<const ListId> lists) {
        for (const ListId list : lists)
            if (const auto found = taken.find(list); found != taken.end()) builder.add(entry, found->second);
    });
}
void take_over(const IpIndex& index, const Taken& taken, IpIndex::Builder& builder) {
    if (taken.empty()) return;
    index.for_each([&](const IpAddress& first, const IpAddress& last, std::span<const ListId> lists) {
        for (const ListId list : lists)
            if (const auto found = taken.find(list); found != taken.end()) builder.add(first, last, found->second);
    });
}

}  // namespace

// One load: reads what changed, list by list, into one new index a type.
class Loader {
public:
    Loader(Lists& lists, Diagnostics& diagnostics, const Lists* previous) : lists_(lists), diagnostics_(diagnostics), previous_(previous) {}

    template <class Index>
    void load_index(ListType type, std::shared_ptr<const Index> Lists::* index) {
        std::vector<ListId> own;
        for (std::size_t id = 0; id < lists_.lists_.size(); ++id)
            if (lists_.lists_[id].spec.type == type) own.push_back(static_cast<ListId>(id));
        if (own.empty()) return;

        Taken taken;
        for (const ListId id : own)
            if (const auto old = unchanged(id)) {
                taken.emplace(*old, id);
                lists_.lists_[id].report = previous_->report(*old);
                lists_.lists_[id].identity = previous_->lists_[*old].identity;
            }
        if (can_share(type, own, taken)) {
            lists_.*index = previous_->*index;
            return;
        }

        auto builder = make_builder<Index>(own);
        for (const ListId id : own) {
            const auto old = before(id);
            if (old && taken.contains(*old)) continue;
            if (!read(id, builder) && old) {
                taken.emplace(*old, id);
                LoadReport& report = lists_.lists_[id].report;
                report.kept_previous = true;
                report.entries = previous_->report(*old).entries;
            }
        }
        if (previous_ != nullptr) take_over(*(previous_->*index), taken, builder);
        lists_.*index = std::make_shared<const Index>(std::move(builder).build());
    }

private:
    using List = Lists::List;

    // The list of the same name, type and file that was loaded before.
    std::optional<ListId> before(ListId id) const {
        if (previous_ == nullptr) return std::nullopt;
        const ListSpec& spec = lists_.lists_[id].spec;
        const auto old = previous_->find(spec.name);
        if (!old || previous_->type(*old) != spec.type || previous_->lists_[*old].spec.file != spec.file) return std::nullopt;
        return old;
    }
    std::optional<ListId> unchanged(ListId id) const {
        const auto old = before(id);
        if (!old) return std::nullopt;
        const ListSpec& spec = lists_.lists_[id].spec;
        const List& last = previous_->lists_[*old];
        const bool same =
            spec.file.empty() ? last.spec.values == spec.values : last.identity.known() && last.identity == identify(spec.file);
        return same ? old : std::nullopt;
    }
    bool can_share(ListType type, const std::vector<ListId>& own, const Taken& taken) const {
        if (previous_ == nullptr || taken.size() != own.size()) return false;
        const auto same_id = [](const auto& pair) { return pair.first == pair.second; };
        const auto of_type = std::ranges::count(previous_->lists_, type, [](const List& list) { return list.spec.type; });
        return std::ranges::all_of(taken, same_id) && static_cast<std::size_t>(of_type) == own.size();
    }

    template <class Index>
    typename Index::Builder make_builder(const std::vector<ListId>& own) const {
        if constexpr (std::is_same_v<Index, DomainIndex>) {
            // About 22 bytes a line; a compressed file has more of them, and the table grows.
            std::int64_t bytes = 0;
            for (const ListId id : own)
                if (const FileIdentity file = identify(lists_.lists_[id].spec.file); file.known())
                    bytes += std::min(file.size, std::int64_t{1} << 30);
            return typename Index::Builder(static_cast<std::size_t>(bytes) / 22);
        } else {
            return {};
        }
    }

    // False: the list is to keep what it had before, or nothing; and was diagnosed.
    template <class Builder>
    bool read(ListId id, Builder& builder) {
        List& list = lists_.lists_[id];
        std::size_t good_lines = 0;
        std::size_t added = 0;
        LineParser parser(list.spec.type);
        const auto take = [&](LineKind kind) {
            ++list.report.lines;
            if (kind == LineKind::entries) {
                ++good_lines;
                added += add_entries(builder, parser, id);
            } else if (kind == LineKind::not_applicable) {
                ++list.report.not_applicable;
            } else if (kind == LineKind::bad) {
                if (++list.report.bad <= first_bad_lines) list.report.first_bad_lines.push_back(list.report.lines);
            }
        };
        const bool ok = list.spec.file.empty() ? read_values(list, parser, take) : read_file(list, parser, take);
        list.report.entries = entries_of(builder, id, added);
        if (ok && (list.spec.file.empty() || passes(id, good_lines))) return true;
        builder.remove(id);
        list.report.entries = 0;
        list.identity = {};
        return false;
    }

    template <class Take>
    bool read_values(const List& list, LineParser& parser, Take take) {
        bool ok = true;
        for (const std::string& value : list.spec.values) {
            const LineKind kind = parser.parse_value(value);
            if (kind == LineKind::bad) {
                say(list, Diagnostic::Severity::error, fmt::format("'{}' is no {} entry", value, to_string(list.spec.type)));
                ok = false;
            }
            take(kind);
        }
        return ok;
    }

    template <class Take>
    bool read_file(List& list, LineParser& parser, Take take) {
        const auto identity = read_lines(list.spec.file, ReadBounds{}, [&](std::string_view line, bool too_long) {
            take(too_long ? LineKind::bad : parser.parse(line));
        });
        if (!identity) {
            const Error& error = identity.error();
            const std::string cause =
                error.code == Errc::io_failed && error.cause != 0 ? fmt::format(": {}", std::strerror(error.cause)) : "";
            say(list, Diagnostic::Severity::error, fmt::format("{} {}{}", list.spec.file, error.what, cause));
            return false;
        }
        list.identity = *identity;
        return true;
    }

    // Whether what the file holds may replace what was there.
    bool passes(ListId id, std::size_t good_lines) {
        List& list = lists_.lists_[id];
        const auto old = before(id);
        if (is_junk(list.report, good_lines)) {
            list.report.why_kept = describe_bad(list.report, list.spec.type);
        } else if (old && has_shrunk(list.report.entries, previous_->report(*old).entries)) {
            list.report.why_kept =
                fmt::format("it shrank from {} entries to {} (by 90 % or more)", previous_->report(*old).entries, list.report.entries);
        } else {
            return true;
        }
        const std::string what = fmt::format("{}: {}", list.spec.file, list.report.why_kept);
        if (old) say(list, Diagnostic::Severity::warning, what + "; the list keeps its previous content");
        else say(list, Diagnostic::Severity::error, what);
        return false;
    }

    void say(const List& list, Diagnostic::Severity severity, std::string_view what) {
        diagnostics_.push_back({list.spec.place, fmt::format("list '{}': {}", list.spec.name, what), list.spec.source_line, severity});
    }

    Lists& lists_;
    Diagnostics& diagnostics_;
    const Lists* previous_;
};

std::shared_ptr<const Lists> Lists::load(std::span<const ListSpec> specs, Diagnostics& diagnostics, const Lists* previous) {
    auto out = std::make_shared<Lists>();
    constexpr std::size_t most = std::numeric_limits<ListId>::max();
    if (specs.size() > most) {
        diagnostics.push_back(
            {specs[most].place, fmt::format("more than {} lists", most), specs[most].source_line, Diagnostic::Severity::error});
        specs = specs.first(most);
    }
    out->lists_.reserve(specs.size());                          // names_ looks into it
    for (const ListSpec& spec : specs) {
        out->lists_.push_back({spec, {}, {}});
        if (!out->names_.emplace(out->lists_.back().spec.name, static_cast<ListId>(out->lists_.size() - 1)).second)
            diagnostics.push_back(
                {spec.place, fmt::format("list '{}' is given twice", spec.name), spec.source_line, Diagnostic::Severity::error});
    }
    Loader loader(*out, diagnostics, previous);
    loader.load_index(ListType::domain, &Lists::domains_);
    loader.load_index(ListType::ip, &Lists::networks_);
    loader.load_index(ListType::sha256, &Lists::hashes_);
    loader.load_index(ListType::url, &Lists::urls_);
    loader.load_index(ListType::string, &Lists::strings_);
    return out;
}

std::optional<ListId> Lists::find(std::string_view name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? std::nullopt : std::optional(found->second);
}

bool Lists::contains_sha256(ListId list, std::string_view hex) const {
    const auto bytes = sha256_bytes(hex);
    return bytes && hashes_->contains({bytes->data(), bytes->size()}, list);
}

bool Lists::lookup_sha256(std::string_view hex, std::span<std::uint64_t> out) const {
    const auto bytes = sha256_bytes(hex);
    return bytes && hashes_->lookup({bytes->data(), bytes->size()}, out);
}

}  // namespace sluice::policy
