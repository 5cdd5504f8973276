// SPDX-License-Identifier: Apache-2.0
#include "policy/program.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "base/text.h"

namespace sluice::policy {
namespace {

std::uint64_t next_serial() {
    static std::atomic<std::uint64_t> last = 0;
    return ++last;
}

constexpr std::size_t words_for(std::size_t bits) { return (bits + 63) / 64; }

bool includes(Protocol protocol, Moment moment, Occasion occasion) {
    if (moment == Moment::never) return false;
    const bool named_http = protocol == Protocol::http && moment == Moment::named;
    switch (occasion) {
        case Occasion::accept: return moment == Moment::accept;
        case Occasion::named: return moment == Moment::named;
        case Occasion::tls: return moment == Moment::tls;
        case Occasion::request: return moment == Moment::request || named_http;
        case Occasion::connected: return moment == Moment::request;
        case Occasion::recipient: return protocol == Protocol::smtp && (moment == Moment::request || moment == Moment::recipient);
        case Occasion::dial: return moment == Moment::dial;
        case Occasion::response: return moment == Moment::response;
        case Occasion::payload: return moment == Moment::payload;
        case Occasion::verdict: return moment == Moment::verdict;
    }
    return false;
}

}  // namespace

Occasion occasion_of(Phase phase, Protocol protocol, const Facts& facts) {
    switch (phase) {
        case Phase::connect: {
            const Field name = protocol == Protocol::smtp ? Field::smtp_helo : Field::url_domain;
            return facts.has(name) ? Occasion::named : Occasion::accept;
        }
        case Phase::tls: return Occasion::tls;
        case Phase::request: {
            if (protocol == Protocol::smtp && facts.has(Field::smtp_rcpt_to)) return Occasion::recipient;
            const bool connect =
                protocol == Protocol::http && facts.has(Field::request_method) && facts.text(Field::request_method) == "CONNECT";
            return connect ? Occasion::connected : Occasion::request;
        }
        case Phase::dial: return Occasion::dial;
        case Phase::response: return Occasion::response;
        case Phase::payload: return Occasion::payload;
        case Phase::verdict: return Occasion::verdict;
    }
    return Occasion::verdict;
}

Program::Program(AtomTable table, std::vector<Condition> conditions, std::span<const Moments> moments, std::shared_ptr<const Lists> lists)
    : table_(std::move(table)),
      conditions_(std::move(conditions)),
      lists_(std::move(lists)),
      serial_(next_serial()) {
    for (const Slot& slot : table_.slots()) indexes_.emplace_back(slot);
    for (AtomId id = 0; id < table_.atoms().size(); ++id) {
        const Atom& atom = table_.atoms()[id];
        Look look = Look::computed;
        if (atom.kind == Atom::Kind::always) look = Look::always;
        else if (atom.indexed()) look = atom.kind == Atom::Kind::matches ? Look::hinted : Look::indexed;
        hot_.push_back({atom.slot, look});
        if (look == Look::indexed || look == Look::hinted) indexes_[atom.slot].add(id, atom);
    }
    list_words_ = lists_->words();
    for (SlotId id = 0; id < indexes_.size(); ++id) {
        indexes_[id].build();
        const Slot& slot = indexes_[id].slot();
        if (slot.field == Field::tags) tags_slots_.push_back(id);
        if (slot.header.empty()) continue;
        Headers& headers = headers_[slot.field == Field::request_header ? 0 : 1];
        headers.names.add(slot.header, id);
        headers.slots.push_back(id);
        headers.first_bytes |= std::uint64_t{1} << (static_cast<unsigned char>(slot.header[0]) & 63);
        headers.longest = std::max(headers.longest, slot.header.size());
    }
    for (Headers& headers : headers_) headers.names.build();
    build_judged(moments);
}

void Program::build_judged(std::span<const Moments> moments) {
    for (std::size_t p = 0; p < protocol_count; ++p) {
        for (std::size_t o = 0; o < occasion_count; ++o) {
            Judged& judged = judged_[p][o];
            for (std::uint32_t rule = 0; rule < moments.size(); ++rule)
                if (includes(static_cast<Protocol>(p), moments[rule][p], static_cast<Occasion>(o))) judged.rules.push_back(rule);
            if (judged.rules.empty()) continue;
            judged.always.assign(words_for(judged.rules.size()), 0);
            judged.post_starts.assign(table_.atoms().size() + 1, 0);
            std::set<SlotId> slots;
            std::vector<std::pair<AtomId, std::uint32_t>> pairs;
            for (std::uint32_t place = 0; place < judged.rules.size(); ++place) {
                const Condition& condition = conditions_[judged.rules[place]];
                if (!condition.selective) judged.always[place / 64] |= std::uint64_t{1} << (place % 64);
                for (const AtomId atom : condition.access) {
                    pairs.emplace_back(atom, place);
                    slots.insert(table_.atoms()[atom].slot);
                }
            }
            std::ranges::sort(pairs);
            for (const auto& [atom, place] : pairs) {
                ++judged.post_starts[atom + 1];
                judged.posts.push_back(place);
            }
            for (std::size_t i = 1; i < judged.post_starts.size(); ++i) judged.post_starts[i] += judged.post_starts[i - 1];
            // One look at the headers of a direction answers for all their names.
            bool request_headers = false;
            bool response_headers = false;
            for (const SlotId id : slots) {
                const Field field = table_.slots()[id].field;
                if (field == Field::request_header && std::exchange(request_headers, true)) continue;
                if (field == Field::response_header && std::exchange(response_headers, true)) continue;
                judged.slots.push_back(id);
            }
        }
    }
}

std::string_view Program::missing_field(std::uint32_t rule, const Facts& facts) const {
    for (const FieldInfo& field : fields())
        if (conditions_[rule].reads.test(static_cast<std::size_t>(field.field)) && !facts.has(field.field)) return field.name;
    return {};
}

Program::Run::Run(const Program& program, const Judged& judged, const Facts& facts, Workspace& space)
    : program_(program),
      judged_(judged),
      facts_(facts),
      space_(space) {
    const std::size_t atom_words = words_for(program.hot_.size());
    const std::size_t slot_words = words_for(program.indexes_.size());
    const std::size_t cleared = 3 * atom_words + slot_words;
    if (space.bits.size() < cleared + judged.always.size()) space.bits.resize(cleared + judged.always.size());
    truth_ = space.bits.data();
    known_ = truth_ + atom_words;
    possible_ = known_ + atom_words;
    probed_ = possible_ + atom_words;
    candidates_ = probed_ + slot_words;
    std::fill_n(truth_, cleared, 0);
    std::ranges::copy(judged.always, candidates_);
    if (space.list_bits.size() != program.list_words_) space.list_bits.resize(program.list_words_);
    for (const SlotId slot : judged.slots) probe(slot);
}

std::optional<std::uint32_t> Program::Run::next(std::uint32_t from) {
    const auto first = static_cast<std::size_t>(std::ranges::lower_bound(judged_.rules, from) - judged_.rules.begin());
    for (std::size_t word = first / 64; word < judged_.always.size(); ++word) {
        std::uint64_t allowed = word == first / 64 ? ~std::uint64_t{0} << (first % 64) : ~std::uint64_t{0};
        for (std::uint64_t rest = candidates_[word] & allowed; rest != 0; rest &= rest - 1) {
            const std::uint32_t rule = judged_.rules[word * 64 + static_cast<std::size_t>(__builtin_ctzll(rest))];
            if (holds(rule)) return rule;
        }
    }
    return std::nullopt;
}

bool Program::Run::holds(std::uint32_t rule) {
    const std::vector<Step>& steps = program_.conditions_[rule].steps;
    auto at = static_cast<std::uint32_t>(steps.size() - 1);
    while (at < Step::reject) at = holds_atom(steps[at].atom) ? steps[at].on_true : steps[at].on_false;
    return at == Step::accept;
}

bool Program::Run::holds_atom(AtomId id) {
    const Hot hot = program_.hot_[id];
    const std::size_t word = id / 64;
    const std::uint64_t bit = std::uint64_t{1} << (id % 64);
    if (hot.look == Look::always) return true;
    if (hot.look != Look::computed && (probed_[hot.slot / 64] >> (hot.slot % 64) & 1) == 0) probe(hot.slot);
    if (hot.look == Look::indexed) return (truth_[word] & bit) != 0;
    if (hot.look == Look::hinted && (possible_[word] & bit) == 0) return false;
    if ((known_[word] & bit) != 0) return (truth_[word] & bit) != 0;
    const bool holds = compute(id);
    // Tags are still being added: what is false now may hold for the next rule.
    if (program_.indexes_[hot.slot].slot().field == Field::tags) return holds;
    known_[word] |= bit;
    if (holds) truth_[word] |= bit;
    return holds;
}

void Program::Run::fire(AtomId id) {
    std::uint64_t* const words = program_.hot_[id].look == Look::hinted ? possible_ : truth_;
    const std::uint64_t bit = std::uint64_t{1} << (id % 64);
    if ((words[id / 64] & bit) != 0) return;
    words[id / 64] |= bit;
    if (judged_.posts.empty()) return;
    for (std::uint32_t i = judged_.post_starts[id]; i < judged_.post_starts[id + 1]; ++i)
        candidates_[judged_.posts[i] / 64] |= std::uint64_t{1} << (judged_.posts[i] % 64);
}

void Program::Run::tags_changed() {
    for (const SlotId slot : program_.tags_slots_) probe(slot);
}

void Program::Run::probe(SlotId id) {
    const SlotIndex& index = program_.indexes_[id];
    const Slot& slot = index.slot();
    if (!slot.header.empty()) {
        if ((probed_[id / 64] >> (id % 64) & 1) == 0) probe_headers(slot.field);
        return;
    }
    probed_[id / 64] |= std::uint64_t{1} << (id % 64);
    if (index.empty() || !facts_.has(slot.field)) return;
    const auto fire_one = [this](AtomId atom) { fire(atom); };
    if (slot.field == Field::body) return index.probe_patterns(facts_.body_found(), fire_one);
    switch (index.type()) {
        case Type::string:
            each_text(slot, [&](std::string_view value) {
                probe_value(index, value);
                return true;
            });
            break;
        case Type::ip: probe_address(id, index); break;
        case Type::boolean: index.probe_boolean(facts_.boolean(slot.field), fire_one); break;
        default: index.probe_number(facts_.number(slot.field), fire_one);
    }
}

void Program::Run::probe_value(const SlotIndex& index, std::string_view value) {
    const auto fire_one = [this](AtomId atom) { fire(atom); };
    const Slot& slot = index.slot();
    if (slot.length) index.probe_number(static_cast<std::int64_t>(value.size()), fire_one);
    else index.probe_text(as_slot(slot, value), *program_.lists_, space_.list_bits, fire_one);
}

void Program::Run::probe_address(SlotId id, const SlotIndex& index) {
    const IpAddress& address = facts_.ip(index.slot().field);
    Workspace::Remembered& remembered = space_.remembered[index.slot().field == Field::client_ip ? 0 : 1];
    if (remembered.program != program_.serial_ || remembered.slot != id || remembered.address != address) {
        remembered.program = program_.serial_;
        remembered.slot = id;
        remembered.address = address;
        remembered.atoms.clear();
        index.probe_ip(address, *program_.lists_, space_.list_bits, [&](AtomId atom) { remembered.atoms.push_back(atom); });
    }
    for (const AtomId atom : remembered.atoms) fire(atom);
}

// One pass over the fields of a head for all rules that ask for any of them.
void Program::Run::probe_headers(Field field) {
    const Headers& headers = program_.headers_[field == Field::request_header ? 0 : 1];
    for (const SlotId id : headers.slots) probed_[id / 64] |= std::uint64_t{1} << (id % 64);
    std::array<char, header_name_limit> lowered;
    for (const NameValue& line : facts_.headers(field)) {
        if (line.name.empty() || line.name.size() > headers.longest) continue;
        if ((headers.first_bytes >> (static_cast<unsigned char>(to_lower(line.name[0])) & 63) & 1) == 0) continue;
        std::ranges::transform(line.name, lowered.begin(), to_lower);
        for (const SlotId id : headers.names.lookup({lowered.data(), line.name.size()}))
            if (!program_.indexes_[id].empty()) probe_value(program_.indexes_[id], line.value);
    }
}

// Calls each(value) for every value of the slot's field, until one returns false; returns whether all were visited.
template <class F>
bool Program::Run::each_text(const Slot& slot, F&& each) {
    const auto all_of = [&](std::span<const std::string_view> values) { return std::ranges::all_of(values, each); };
    if (slot.field == Field::tags) return all_of(facts_.tags());
    if (!slot.header.empty()) {
        return std::ranges::all_of(facts_.headers(slot.field), [&](const NameValue& line) {
            return !equals_ignoring_case(line.name, slot.header) || each(line.value);
        });
    }
    if (!facts_.has(slot.field)) return true;
    if (facts_.is_many(slot.field)) return all_of(facts_.many(slot.field));
    return each(facts_.text(slot.field));
}

std::string_view Program::Run::as_slot(const Slot& slot, std::string_view value) {
    if (!slot.lowered) return value;
    space_.lowered.resize(value.size());
    std::ranges::transform(value, space_.lowered.begin(), to_lower);
    return space_.lowered;
}

bool Program::Run::compute(AtomId id) {
    const Atom& atom = program_.table_.atoms()[id];
    const Slot& slot = program_.table_.slots()[atom.slot];
    bool any = false;                                    // computed atoms look at strings: all others are indexed
    const bool every = each_text(slot, [&](std::string_view value) {
        const bool holds = test(atom, slot, value);
        any |= holds;
        return holds == atom.all;                        // until one decides
    });
    return atom.all ? every && any : any;
}

bool Program::Run::test(const Atom& atom, const Slot& slot, std::string_view raw) {
    using Kind = Atom::Kind;
    if (atom.kind == Kind::number) {
        const auto length = static_cast<std::int64_t>(raw.size());
        return std::ranges::any_of(atom.ranges, [&](const auto& range) { return range.first <= length && length <= range.second; });
    }
    const std::string_view value = as_slot(slot, raw);
    switch (atom.kind) {
        case Kind::exists: return true;
        case Kind::equals:
            return std::ranges::binary_search(atom.values, value, std::ranges::less{}, [](const auto& v) { return std::string_view(v); });
        case Kind::contains: return value.contains(atom.values[0]);
        case Kind::starts_with: return value.starts_with(atom.values[0]);
        case Kind::ends_with: return value.ends_with(atom.values[0]);
        case Kind::matches: return RE2::PartialMatch(re2::StringPiece(value.data(), value.size()), *atom.expression);
        case Kind::string_list:
        case Kind::sha256_list:
        case Kind::url_list:
        case Kind::domain_list: return SlotIndex::in_list(atom, slot, value, *program_.lists_);
        default: return false;
    }
}

}  // namespace sluice::policy
