// SPDX-License-Identifier: Apache-2.0
#include "inspect/verdict.h"

#include <algorithm>

namespace sluice::inspect {

namespace {

// Of what cannot be scanned: the built-in rules refuse the first two for every payload.
int gravity(const Outcome& outcome) {
    if (outcome.reason == Reason::too_large || outcome.reason == Reason::too_deep) return 1;
    if (is_failure(outcome.reason)) return 3;
    return outcome.engine == structure_engine ? 2 : 0;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::skipped: return "skipped";
        case Verdict::clean: return "clean";
        case Verdict::unscannable: return "unscannable";
        case Verdict::infected: return "infected";
    }
    return "";
}

std::string_view to_string(Reason reason) {
    switch (reason) {
        case Reason::none: return "";
        case Reason::timeout: return "timeout";
        case Reason::crashed: return "crashed";
        case Reason::overloaded: return "overloaded";
        case Reason::no_space: return "no-space";
        case Reason::engine_down: return "engine-down";
        case Reason::too_large: return "too-large";
        case Reason::too_deep: return "too-deep";
        case Reason::bomb: return "bomb";
        case Reason::encrypted: return "encrypted";
        case Reason::corrupt: return "corrupt";
        case Reason::undecodable: return "undecodable";
        case Reason::truncated: return "truncated";
        case Reason::tunnel: return "tunnel";
        case Reason::upgrade: return "upgrade";
        case Reason::no_engine: return "no-engine";
    }
    return "";
}

bool is_failure(Reason reason) { return reason >= Reason::timeout && reason <= Reason::bomb; }

void Outcome::add(const Outcome& other) {
    for (const std::string& match : other.matches)
        if (std::ranges::find(matches, match) == matches.end()) matches.push_back(match);
    const bool is_graver = verdict == Verdict::unscannable && other.verdict == verdict && gravity(other) > gravity(*this);
    if (other.verdict <= verdict && !is_graver) return;
    verdict = other.verdict;
    reason = other.reason;
    threat = other.threat;
    engine = other.engine;
}

}  // namespace sluice::inspect
