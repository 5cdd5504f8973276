// SPDX-License-Identifier: Apache-2.0
// Searches one view of one payload, as its bytes pass, for the patterns of a set.
//
//   PatternStream stream = TRY(scratch.open(set));
//   TRY(stream.feed(bytes));          // as often as there are bytes; what is found is known at once
//   TRY(stream.finish());             // the payload's end: patterns with `$` are found now
//   if (!stream.infected().empty()) …
//
// An error means that the payload was not searched: it is unscannable, never clean. The stream is of no more use then.
#pragma once

#include "base/result.h"
#include "inspect/signatures/pattern_set.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

struct hs_scratch;

namespace sluice::inspect {

class PatternScratch;

// Movable. Not outlived by its scratch's end; keeps its set alive.
class PatternStream {
public:
    Result<void> feed(std::string_view bytes);
    Result<void> finish();                                    // no feed after it

    // The signature with effect `infected` whose match ends first (of several there, the first in the set); empty: none. Lives as long as the set.
    std::string_view infected() const;
    // Signatures with effect `match`, each once, in the set's order; not more than Limits::scan_matches. Live as long as the set.
    std::vector<std::string_view> matches() const;
    // Whether a member of a zip seems to begin somewhere, so far: once in some gigabytes by chance.
    bool has_archive() const;
    // And whether there is a directory and its end as well, which is no chance.
    bool has_whole_archive() const;
    // Whether the rule's pattern was found. False is final only after `finish`.
    bool holds(std::size_t rule) const;
    const PatternSet& set() const;

private:
    friend class PatternScratch;
    struct State;
    struct Return {
        void operator()(State* state) const;
    };
    explicit PatternStream(std::unique_ptr<State, Return> state) : state_(std::move(state)) {}

    std::unique_ptr<State, Return> state_;
};

// What a worker searches with: Vectorscan's working memory, and streams kept for the next payloads. One a thread, never shared. Streams of
// a set that is no longer opened go away with their payload; the set is kept alive until another one is opened here.
class PatternScratch {
public:
    explicit PatternScratch(const Limits& limits);
    PatternScratch(const PatternScratch&) = delete;
    PatternScratch& operator=(const PatternScratch&) = delete;
    ~PatternScratch();

    // Fails where memory does.
    Result<PatternStream> open(const std::shared_ptr<const PatternSet>& set);

private:
    friend class PatternStream;
    Result<void> change_to(const std::shared_ptr<const PatternSet>& set);

    Limits limits_;
    hs_scratch* scratch_ = nullptr;
    std::shared_ptr<const PatternSet> set_;  // which `idle_` belong to
    std::vector<std::unique_ptr<PatternStream::State>> idle_;
};

}  // namespace sluice::inspect
