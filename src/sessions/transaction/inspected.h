// SPDX-License-Identifier: Apache-2.0
// A payload that goes one way through a session, before the policy: its names, what the rules of `payload` and `verdict` say of it and of its
// members, and what the record says. How its bytes come and go is the protocol's business (`payload`).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/event.h"
#include "audit/metrics.h"
#include "inspect/payload.h"
#include "net/task.h"
#include "sessions/transaction/judgement.h"

namespace sluice::sessions {

class Inspected {
public:
    explicit Inspected(policy::Direction where) : direction(where) {}

    const policy::Direction direction;
    std::optional<inspect::Payload> payload;  // kept for the next one, once it was made
    bool is_on = false;
    std::vector<std::string_view> released;  // what came out at the last step
    std::string name;  // file.name
    std::string extension;
    std::vector<std::string> other_names;  // that some receivers take instead
    std::optional<inspect::MediaType> known_type;  // the protocol knows what it is; else what its content looks like
    std::optional<inspect::Outcome> inside;  // what payloads within it came to, which were inspected by themselves: the worst counts

    // Not where settings.inspect is null or the transaction is trusted.
    static bool is_wanted(const Settings& settings, const Judgement& judgement) { return settings.inspect && !judgement.trusted; }
    // The next one comes. Where it is not wanted `is_on` is false afterwards, and nothing else may be called.
    void begin(net::Worker& worker, inspect::Bench& bench, inspect::Shared& shared, const Settings& settings, const Judgement& judgement,
               const inspect::Declared& declared);
    void set_names(std::vector<std::string> names);  // the first is file.name

    // Phase `payload`: its first bytes are known, and none has gone on. `declared_size`: 0 where it is not known.
    std::optional<Denial> judge_type(Judgement& judgement, std::uint64_t declared_size);
    // Then: what the rules want done with it. nullopt: no engine is for it; the caller lets it go on (Payload::skip), and it is recorded as skipped.
    std::optional<policy::InspectOptions> options(const Judgement& judgement);
    // Engines, whole and name, as rules and settings say; the protocol adds what it knows.
    inspect::Examination examination(const Settings& settings, const policy::InspectOptions& options) const;

    // Phase `verdict`, where the payload has news: for each member, then for the whole, under each of its names. nullopt: the caller lets go what waits
    // (Payload::accept_news). `of_whole`: what the protocol knows of the whole, and of no member.
    using Number = std::pair<policy::Field, std::uint64_t>;
    std::optional<Denial> judge_verdict(Judgement& judgement, std::span<const Number> of_whole = {});

    const inspect::MediaType& type() const { return known_type ? *known_type : payload->type(); }
    // The scanner's trouble, not the payload's: another time it may be inspected.
    bool has_scanner_failed() const;
    // It is cut: what was not looked at to its end is `truncated`.
    inspect::Outcome outcome(bool is_cut) const;
    // file.* and scan.*; views of this object.
    void record(audit::Event& event, bool is_cut);
    void count(audit::MetricsShard& metrics, bool is_cut) const;

    // Before anybody hears of a denial whose action is `quarantine`: a copy is kept, or why not is returned (empty: kept). `event`: as it will be recorded.
    net::Task<std::string_view> keep_sample(net::Worker& worker, inspect::Shared& shared, const EventId& id, const std::string& event_json);
    static constexpr std::string_view no_quarantine = "there is no quarantine";

private:
    std::optional<Denial> judge_members(Judgement& judgement);
    std::optional<Denial> judge_whole(Judgement& judgement, std::span<const Number> of_whole);
    std::optional<Denial> judge_other_names(Judgement& judgement, policy::Phase phase, std::string_view threat);
    std::optional<Denial> deny(Judgement& judgement, policy::Phase phase, std::string_view threat);
    void fill_file_facts(policy::Facts& facts, std::string_view file_name, std::string_view file_extension,
                         const inspect::MediaType& type) const;
    static void fill_name_facts(policy::Facts& facts, std::string_view file_name, std::string_view file_extension);
    static void fill_scan_facts(policy::Facts& facts, const inspect::Outcome& outcome, std::string_view sha256, std::uint64_t size);
    void set_body_found(Judgement& judgement, const inspect::BodyFound& found);

    std::string_view planned_type_;  // by which phase `payload` was judged
    std::string_view skipped_by_;  // the rule that left out all engines
    std::string reason_;  // of a denial, with the threat's name
    std::vector<std::uint64_t> body_found_;
    std::vector<std::string_view> scan_matches_;
    inspect::Outcome judged_outcome_;  // what facts have views of
    inspect::Outcome recorded_outcome_;  // what the event has views of
};

}  // namespace sluice::sessions
