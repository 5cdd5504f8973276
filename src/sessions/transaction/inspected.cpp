// SPDX-License-Identifier: Apache-2.0
// From the payload's beginning to how it is examined, and what the record says in the end.
#include "sessions/transaction/inspected.h"

#include "base/text.h"
#include "inspect/quarantine/quarantine.h"
#include "net/worker.h"

namespace sluice::sessions {

void Inspected::begin(net::Worker& worker, inspect::Bench& bench, inspect::Shared& shared, const Settings& settings,
                      const Judgement& judgement, const inspect::Declared& declared) {
    is_on = is_wanted(settings, judgement);
    if (!is_on) return;
    skipped_by_ = planned_type_ = {};
    known_type.reset();
    inside.reset();
    if (!payload) payload.emplace(worker, bench, shared);
    payload->begin(settings.inspect, declared);
}

void Inspected::set_names(std::vector<std::string> names) {
    name.clear();
    other_names = std::move(names);
    if (!other_names.empty()) {
        name = std::move(other_names.front());
        other_names.erase(other_names.begin());
    }
    extension = file_extension(name);
}

std::optional<policy::InspectOptions> Inspected::options(const Judgement& judgement) {
    const auto wanted = policy::inspect_options(judgement.effects, direction);
    if (!judgement.trusted && !(wanted.engines && wanted.engines->empty())) return wanted;
    skipped_by_ = judgement.trusted     ? judgement.rule
                  : wanted.engines_rule ? std::string_view(wanted.engines_rule->name)
                                        : std::string_view();
    return std::nullopt;
}

inspect::Examination Inspected::examination(const Settings& settings, const policy::InspectOptions& options) const {
    const inspect::Setup& setup = *settings.inspect;
    inspect::Examination out;
    out.engines = options.engines ? options.engines->among(setup.engines) : setup.engines;
    out.whole = options.whole.value_or(settings.whole);
    out.keeps_content = setup.keeps_content;
    out.name = name;
    return out;
}

bool Inspected::has_scanner_failed() const {
    using inspect::Reason;
    const Reason reason = outcome(false).reason;
    return reason == Reason::timeout || reason == Reason::crashed || reason == Reason::overloaded || reason == Reason::no_space ||
           reason == Reason::engine_down;
}

inspect::Outcome Inspected::outcome(bool is_cut) const {
    inspect::Outcome found = payload->outcome();
    if (inside) found.add(*inside);
    const bool is_looked_at =
        found.verdict == inspect::Verdict::clean || (found.verdict == inspect::Verdict::skipped && payload->awaits_engines());
    // Not to its end, whatever had been found by then.
    if (is_cut && !payload->has_ended() && is_looked_at) found.add(inspect::Outcome::unscannable(inspect::Reason::truncated));
    return found;
}

void Inspected::record(audit::Event& event, bool is_cut) {
    recorded_outcome_ = outcome(is_cut);
    event.file_name = name;
    event.file_extension = extension;
    if (payload->looked_at() > 0) event.file_mime_type = type().mime;
    event.file_size = payload->size();
    event.sha256 = payload->sha256();
    event.scan_verdict = to_string(recorded_outcome_.verdict);
    event.scan_threat = recorded_outcome_.threat;
    event.scan_engine = recorded_outcome_.engine;
    event.scan_reason = skipped_by_.empty() ? to_string(recorded_outcome_.reason) : skipped_by_;
    event.scan_partial = payload->has_trickled();
    event.scan_ns = payload->scan_ns();
    scan_matches_.assign(recorded_outcome_.matches.begin(), recorded_outcome_.matches.end());
    event.scan_match = scan_matches_;
}

void Inspected::count(audit::MetricsShard& metrics, bool is_cut) const {
    const inspect::Outcome counted = outcome(is_cut);
    metrics.payload(to_string(counted.verdict), to_string(counted.reason), counted.engine, payload->size());
    if (payload->scan_ns() > 0) metrics.observe(audit::Histogram::scan, payload->scan_ns());
    if (payload->asked_cache()) metrics.add(payload->was_cached() ? audit::Counter::scan_cache_hits : audit::Counter::scan_cache_misses);
}

net::Task<std::string_view> Inspected::keep_sample(net::Worker& worker, inspect::Shared& shared, const EventId& id,
                                                   const std::string& event_json) {
    if (shared.quarantine == nullptr) co_return no_quarantine;
    const auto content = co_await payload->content();
    if (!content)
        co_return content.error() == inspect::Reason::truncated ? "most of it was not held" : "there was no room to read it again";
    const inspect::Object object{.descriptor = content->descriptor.get(), .size = content->size, .name = name};
    Result<void> stored = fail(Errc::overloaded, Side::self, "too much waits for the disk");
    if (shared.storage.is_disk_full) stored = fail(Errc::overloaded, Side::self, "the disk is full");
    else co_await shared.files.run(worker, [&] { stored = shared.quarantine->store(id.view(), object, event_json); });
    co_return stored ? std::string_view() : stored.error().what;
}

}  // namespace sluice::sessions
