// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/pattern_stream.h"

#include "inspect/signatures/luhn.h"

#include <hs.h>

#include <algorithm>
#include <bitset>
#include <limits>
#include <string>
#include <utility>

namespace sluice::inspect {

namespace {

constexpr std::size_t longest_piece = std::size_t{1} << 30;   // Vectorscan counts in unsigned int

std::unexpected<Error> failed(hs_error_t cause) {
    return fail(Errc::overloaded, Side::self, "Vectorscan could not search a payload", cause);
}

}  // namespace

struct PatternStream::State {
    State(PatternScratch& owner, std::shared_ptr<const PatternSet> of)
        : scratch(owner),
          set(std::move(of)),
          rules((set->rules() + 63) / 64) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (stream != nullptr) hs_close_stream(stream, nullptr, nullptr, nullptr);
    }

    static int on_match(unsigned id, unsigned long long, unsigned long long end, unsigned, void* state) {
        static_cast<State*>(state)->found(id, end);
        return 0;                                             // go on: later patterns are of interest too
    }
    void found(unsigned id, std::uint64_t end);
    std::string_view before(std::uint64_t end);
    void keep(std::string_view piece);
    void forget();

    PatternScratch& scratch;
    std::shared_ptr<const PatternSet> set;
    hs_stream_t* stream = nullptr;
    bool in_use = false;                                      // fed since it was reset
    bool broken = false;
    std::bitset<PatternSet::archive_signatures> archive;      // signatures of a zip that were found

    std::uint64_t piece_start = 0;                            // the payload's bytes before `piece`
    std::string_view piece;                                   // being searched
    std::string kept;                                         // the last bytes before it, for checks
    std::string joined;                                       // what before() gives, where it lies in both

    std::uint64_t infected_end = std::numeric_limits<std::uint64_t>::max();
    std::uint32_t infected = 0;                               // if infected_end says so
    std::vector<std::uint32_t> matches;
    std::vector<std::uint64_t> rules;                         // a bit each
};

void PatternStream::State::found(unsigned id, std::uint64_t end) {
    using Kind = PatternSet::Meaning::Kind;
    const PatternSet::Meaning& meaning = set->meanings_[id];
    if (meaning.luhn && !luhn_ends(before(end), meaning.fewest_digits, meaning.most_digits)) return;
    if (meaning.kind == Kind::archive) {
        archive.set(meaning.index);
    } else if (meaning.kind == Kind::rule) {
        rules[meaning.index / 64] |= std::uint64_t{1} << (meaning.index % 64);
    } else if (meaning.kind == Kind::infected) {
        if (std::pair(end, meaning.index) >= std::pair(infected_end, infected)) return;
        infected_end = end;
        infected = meaning.index;
    } else if (matches.size() < scratch.limits_.scan_matches && std::ranges::find(matches, meaning.index) == matches.end()) {
        matches.push_back(meaning.index);
    }
}

// The payload's last bytes before `end`, as many as are kept.
std::string_view PatternStream::State::before(std::uint64_t end) {
    const std::size_t most = set->kept_bytes_;
    if (end < piece_start) {                                  // seen only now that what follows is known
        const auto back = static_cast<std::size_t>(piece_start - end);
        return std::string_view(kept).substr(0, kept.size() - std::min(back, kept.size()));
    }
    const std::string_view here = piece.substr(0, static_cast<std::size_t>(end - piece_start));
    if (here.size() >= most) return here.substr(here.size() - most);
    joined.assign(kept).append(here);
    return joined;
}

void PatternStream::State::keep(std::string_view passed) {
    const std::size_t most = set->kept_bytes_;
    piece_start += passed.size();
    piece = {};
    if (most == 0) return;
    if (passed.size() >= most) {
        kept.assign(passed.substr(passed.size() - most));
        return;
    }
    if (kept.size() + passed.size() > most) kept.erase(0, kept.size() + passed.size() - most);
    kept.append(passed);
}

void PatternStream::State::forget() {
    piece_start = 0;
    kept.clear();
    infected_end = std::numeric_limits<std::uint64_t>::max();
    infected = 0;
    matches.clear();
    archive.reset();
    std::ranges::fill(rules, 0);
}

Result<void> PatternStream::feed(std::string_view bytes) {
    State& state = *state_;
    for (; !bytes.empty() && !state.broken; bytes.remove_prefix(std::min(bytes.size(), longest_piece))) {
        state.in_use = true;
        state.piece = bytes.substr(0, longest_piece);
        const hs_error_t result = hs_scan_stream(state.stream, state.piece.data(), static_cast<unsigned>(state.piece.size()), 0,
                                                 state.scratch.scratch_, &State::on_match, &state);
        state.keep(state.piece);
        state.broken = result != HS_SUCCESS;
        if (state.broken) return failed(result);
    }
    if (state.broken) return failed(HS_SUCCESS);
    return {};
}

Result<void> PatternStream::finish() {
    State& state = *state_;
    if (state.broken) return failed(HS_SUCCESS);
    const hs_error_t result = hs_reset_stream(state.stream, 0, state.scratch.scratch_, &State::on_match, &state);
    state.in_use = false;
    state.broken = result != HS_SUCCESS;
    if (state.broken) return failed(result);
    return {};
}

std::string_view PatternStream::infected() const {
    const bool any = state_->infected_end != std::numeric_limits<std::uint64_t>::max();
    return any ? state_->set->name(state_->infected) : std::string_view();
}

std::vector<std::string_view> PatternStream::matches() const {
    std::vector<std::uint32_t> sorted = state_->matches;
    std::ranges::sort(sorted);
    std::vector<std::string_view> out;
    for (const std::uint32_t index : sorted) out.push_back(state_->set->name(index));
    return out;
}

bool PatternStream::has_archive() const { return state_->archive.test(0); }

bool PatternStream::has_whole_archive() const { return state_->archive.all(); }

bool PatternStream::holds(std::size_t rule) const { return (state_->rules[rule / 64] >> (rule % 64) & 1) != 0; }

const PatternSet& PatternStream::set() const { return *state_->set; }

void PatternStream::Return::operator()(State* state) const {
    std::unique_ptr<State> owned(state);
    PatternScratch& scratch = owned->scratch;
    if (owned->broken || owned->set != scratch.set_ || scratch.idle_.size() >= scratch.limits_.idle_pattern_streams) return;
    if (owned->in_use && hs_reset_stream(owned->stream, 0, nullptr, nullptr, nullptr) != HS_SUCCESS) return;
    owned->in_use = false;
    owned->forget();
    scratch.idle_.push_back(std::move(owned));
}

PatternScratch::PatternScratch(const Limits& limits) : limits_(limits) {}

PatternScratch::~PatternScratch() {
    idle_.clear();
    hs_free_scratch(scratch_);
}

Result<void> PatternScratch::change_to(const std::shared_ptr<const PatternSet>& set) {
    // Grows; streams of the sets before still search with it.
    if (const hs_error_t result = hs_alloc_scratch(set->database_.get(), &scratch_); result != HS_SUCCESS) return failed(result);
    idle_.clear();
    set_ = set;
    return {};
}

Result<PatternStream> PatternScratch::open(const std::shared_ptr<const PatternSet>& set) {
    if (set != set_) TRY(change_to(set));
    if (!idle_.empty()) {
        PatternStream stream(std::unique_ptr<PatternStream::State, PatternStream::Return>(idle_.back().release()));
        idle_.pop_back();
        return stream;
    }
    auto state = std::make_unique<PatternStream::State>(*this, set);
    if (const hs_error_t result = hs_open_stream(set->database_.get(), 0, &state->stream); result != HS_SUCCESS) return failed(result);
    return PatternStream(std::unique_ptr<PatternStream::State, PatternStream::Return>(state.release()));
}

}  // namespace sluice::inspect
