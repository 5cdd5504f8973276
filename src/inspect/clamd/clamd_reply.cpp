// SPDX-License-Identifier: Apache-2.0
#include "inspect/clamd/clamd_reply.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <string>

namespace sluice::inspect {

namespace {

// Of a clamd that reloads, or that is being stopped: it loses sight of its connections' descriptors then, whoever sent none (clamd 1.4).
constexpr std::array<std::string_view, 3> passing_errors{"Can't allocate memory", "PROTOCOL ERROR: ancillary data sent without FILDES.",
                                                         "Error processing command."};

bool take_prefix(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

bool take_suffix(std::string_view& text, std::string_view suffix) {
    if (!text.ends_with(suffix)) return false;
    text.remove_suffix(suffix.size());
    return true;
}

// "stream: " or "fd[11]: ", at the front. False: the text does not begin so, and nothing is taken.
bool take_object(std::string_view& text) {
    if (take_prefix(text, "stream: ")) return true;
    std::string_view rest = text;
    if (!take_prefix(rest, "fd[")) return false;
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    rest.remove_prefix(digits);
    if (digits == 0 || !take_prefix(rest, "]: ")) return false;
    text = rest;
    return true;
}

std::string printable(std::string_view name) {
    std::string text(name.substr(0, clamd_threat_bytes));
    for (char& c : text)
        if (c < 0x20 || c > 0x7e) c = '?';
    return text;
}

// Names that tell of a limit or a lock instead of a threat: AlertExceedsMax and AlertEncrypted of clamd.conf(5).
Outcome found(std::string_view name) {
    if (name.starts_with("Heuristics.Limits.Exceeded")) return Outcome::unscannable(Reason::too_large, clamd_engine);
    if (name.starts_with("Heuristics.Encrypted.")) return Outcome::unscannable(Reason::encrypted, clamd_engine);
    return Outcome::infected(printable(name), clamd_engine);
}

}  // namespace

std::optional<Outcome> outcome_of_clamd_reply(std::string_view reply) {
    const Outcome down = Outcome::unscannable(Reason::engine_down, clamd_engine);
    const std::size_t end = reply.find('\0');
    if (end == std::string_view::npos || end >= clamd_reply_bytes) return down;
    const bool is_alone = end + 1 == reply.size();
    std::string_view text = reply.substr(0, end);
    const bool has_object = take_object(text);
    if (has_object && text == "OK") {
        if (!is_alone) return down;
        Outcome clean = Outcome::clean();
        clean.engine = clamd_engine;
        return clean;
    }
    // With HeuristicScanPrecedence clamd tells of finds one by one: what follows the first takes nothing back.
    if (has_object && take_suffix(text, " FOUND")) return trim(text).empty() ? down : found(text);
    if (!take_suffix(text, " ERROR")) return down;
    if (std::ranges::find(passing_errors, text) != passing_errors.end()) return std::nullopt;
    if (text == "INSTREAM size limit exceeded.") return Outcome::unscannable(Reason::too_large, clamd_engine);
    return down;
}

}  // namespace sluice::inspect
