// SPDX-License-Identifier: Apache-2.0
// Payloads: looked at as they pass, judged in `payload` and `verdict`, and let go piece by piece.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "audit/event_json.h"
#include "base/text.h"
#include "inspect/quarantine/quarantine.h"
#include "net/timer.h"
#include "protocols/http1/head.h"
#include "protocols/mime/file_names.h"
#include "protocols/mime/multipart.h"
#include "sessions/http/exchange.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http {

using http1::KnownField;
using policy::Direction;
using policy::Field;
using policy::Phase;

namespace {

// A source that gives nothing for so long pauses.
constexpr std::chrono::milliseconds pause_time{200};

std::string_view what_is_refused(Direction direction) {
    return direction == Direction::upload ? "This upload is not allowed on this network." : "This file is not allowed on this network.";
}

std::string_view word(Direction direction) { return direction == Direction::upload ? "upload" : "download"; }

// Files that do something when they are opened, or hold others: their parts are not fetched one by one, so that they can be inspected whole.
bool is_risky_extension(std::string_view extension) {
    static constexpr auto risky = std::to_array<std::string_view>(
        {"7z",   "ace",  "apk",  "appx", "arj",  "bat",  "bz2",  "cab",  "chm",  "cmd", "com", "cpl", "deb", "dll", "dmg",
         "doc",  "docm", "docx", "exe",  "gz",   "hta",  "img",  "iso",  "jar",  "js",  "jse", "lha", "lnk", "lzh", "msi",
         "msix", "one",  "pdf",  "ppt",  "pptm", "pptx", "ps1",  "rar",  "reg",  "rpm", "rtf", "scr", "sh",  "sys", "tar",
         "tgz",  "txz",  "vbe",  "vbs",  "wsf",  "xls",  "xlsb", "xlsm", "xlsx", "xz",  "zip", "zst"});
    static_assert(std::ranges::is_sorted(risky));
    return std::ranges::binary_search(risky, extension);
}

}  // namespace

bool Exchange::will_be_inspected() const { return generation_->settings->inspect && !trusted_; }

// The URL as one whose transfer may have been cut.
std::string Exchange::range_key() const {
    std::string key = host_key_;
    key += url_.raw_target;
    return key;
}

// Of a request with a Range: whether all of it is fetched instead (`ranges`).
bool Exchange::asks_for_the_whole() const {
    if (service_->inspection().cut.has(range_key())) return true;
    switch (policy::inspect_options(effects_, Direction::download).ranges.value_or(generation_->settings->ranges)) {
        case policy::Ranges::whole: return true;
        case policy::Ranges::automatic: return is_risky_extension(extension_);
        case policy::Ranges::pass:
        case policy::Ranges::block: return false;
    }
    return true;
}

Exchange::Refused Exchange::check_range() const {
    if (!will_be_inspected() || !head_.fields.has(KnownField::range)) return std::nullopt;
    const auto ranges = policy::inspect_options(effects_, Direction::download).ranges.value_or(generation_->settings->ranges);
    if (ranges != policy::Ranges::block) return std::nullopt;
    Refusal refusal = refused(403, "http_request_denied", "Parts of a file cannot be fetched through this proxy: please fetch all of it.");
    refusal.action = audit::Action::blocked;
    refusal.reason = "inspect.ranges is \"block\"";
    return refusal;
}

void Exchange::begin_inspection(Inspected& way, const http1::Fields& fields, bool partial) {
    way.is_on = will_be_inspected();
    if (!way.is_on) return;
    way.skipped_by = way.planned_type = {};
    if (!way.payload) way.payload.emplace(worker_, service_->bench(), service_->inspection());
    std::string coding;
    fields.for_each(KnownField::content_encoding, [&](std::string_view value) {
        if (!coding.empty()) coding += ", ";
        coding += value;
    });
    way.payload->begin(generation_->settings->inspect, {.coding = coding, .partial = partial});
    name_file(way, fields);
}

// By what the sender calls it, else by the end of the path.
void Exchange::name_file(Inspected& way, const http1::Fields& fields) {
    way.name.clear();
    way.other_names.clear();
    if (const auto disposition = fields.find(KnownField::content_disposition)) way.other_names = mime::file_names(*disposition, limits());
    if (way.other_names.empty() && !is_connect()) way.other_names = mime::file_names_of_path(url_.path);
    if (!way.other_names.empty()) {
        way.name = std::move(way.other_names.front());
        way.other_names.erase(way.other_names.begin());
    }
    way.extension = file_extension(way.name);
}

Exchange::Refused Exchange::pass(Inspected& way, Body& body) {
    if (!way.is_on) {
        body.frame(body.content, body.ended);
        return std::nullopt;
    }
    inspect::Payload& payload = *way.payload;
    payload.step();
    way.released.clear();
    for (std::size_t i = 0; i < body.content.size(); ++i)
        payload.push(body.content[i], body.ended && i + 1 == body.content.size(), way.released);
    if (body.ended) payload.end(true);
    return follow_up(way, body);
}

Exchange::Refused Exchange::pass_in_place(Inspected& way, Body& body, std::size_t size) {
    inspect::Payload& payload = *way.payload;
    body.count(size);
    way.released.clear();
    payload.push_in_place(size);
    if (body.ended) payload.end(true);
    return follow_up(way, body);
}

Exchange::Refused Exchange::pause(Inspected& way, Body& body) {
    inspect::Payload& payload = *way.payload;
    payload.step();
    way.released.clear();
    if (!payload.is_planned() && payload.is_identified_by_pause())
        if (const Refused refused = plan_payload(way, body)) return refused;
    payload.pause(way.released);
    body.frame(way.released, false);
    return std::nullopt;
}

net::Task<Result<Exchange::Refused>> Exchange::work_on(Inspected& way, Body& body) {
    way.released.clear();
    CO_TRY(co_await way.payload->work(way.released));
    co_return follow_up(way, body);
}

// What is known by now is judged, and what may go on is framed.
Exchange::Refused Exchange::follow_up(Inspected& way, Body& body) {
    inspect::Payload& payload = *way.payload;
    const auto is_expected = [&] {  // an event stream tells by its first bytes that it is none
        return payload.looked_at() > 0 &&
               inspect::agrees(way.direction == Direction::upload ? request_type_ : response_type_, payload.type());
    };
    if (!payload.is_planned() && (payload.is_identified() || payload.has_news() || is_expected()))
        if (const Refused refused = plan_payload(way, body)) return refused;
    if (payload.has_news())
        if (const Refused refused = judge_payload(way)) return refused;
    body.frame(way.released, is_done(way, body));
    return std::nullopt;
}

// Of the payload, or of a member of it.
void Exchange::fill_file_facts(const Inspected& way, std::string_view name, std::string_view extension, const inspect::MediaType& type) {
    for (const Field field : {Field::file_mime_type, Field::file_size, Field::file_sha256, Field::scan_verdict, Field::scan_threat,
                              Field::scan_engine, Field::scan_reason, Field::scan_match, Field::body})
        facts_.clear(field);
    facts_.set(Field::payload_direction, word(way.direction));
    fill_name_facts(name, extension);
    facts_.set(Field::file_mime_type, type.mime);
    facts_.set_program(type.kind == inspect::MediaClass::program || type.kind == inspect::MediaClass::script);
}

void Exchange::fill_scan_facts(const inspect::Outcome& outcome, std::string_view sha256, std::uint64_t size) {
    facts_.set(Field::file_size, size);
    if (!sha256.empty()) facts_.set(Field::file_sha256, sha256);
    facts_.set(Field::scan_verdict, to_string(outcome.verdict));
    if (!outcome.threat.empty()) facts_.set(Field::scan_threat, std::string_view(outcome.threat));
    if (!outcome.engine.empty()) facts_.set(Field::scan_engine, outcome.engine);
    if (outcome.reason != inspect::Reason::none) facts_.set(Field::scan_reason, to_string(outcome.reason));
}

inspect::Examination Exchange::examination_of(const Inspected& way, const policy::InspectOptions& options) const {
    const inspect::Setup& setup = *generation_->settings->inspect;
    inspect::Examination out;
    out.engines = options.engines ? options.engines->among(setup.engines) : setup.engines;
    out.whole = options.whole.value_or(generation_->settings->whole);
    out.keeps_content = setup.keeps_content;
    if (setup.icap && out.engines.has(policy::Engine::icap)) {
        out.message.emplace();
        out.message->is_request = way.direction == Direction::upload;
        out.message->method = head_.method;
        // Without its query, where secrets stand.
        out.message->url = fmt::format("{}://{}{}", url_.scheme, host_key_, url_.path);
        out.message->authority = host_key_;
        out.message->content_type = way.direction == Direction::upload ? request_type_ : response_type_;
    }
    out.name = way.name;
    const auto type = way.direction == Direction::upload ? head_.fields.find(KnownField::content_type) : std::nullopt;
    if (!type || !mime::is_multipart(*type)) return out;
    auto parts = mime::multipart_type(*type);
    if (parts) out.multipart = std::move(*parts);
    out.hides_parts = !parts;
    return out;
}

// Phase `payload`: its first bytes are known, and none has gone on.
Exchange::Refused Exchange::plan_payload(Inspected& way, const Body& body) {
    inspect::Payload& payload = *way.payload;
    const policy::Policy& policy = *generation_->policy;
    const bool is_upload = way.direction == Direction::upload;
    way.planned_type = payload.type().mime;
    const std::uint64_t declared = body.kind == http1::Framing::Kind::length ? body.bytes + body.left : body.ended ? body.bytes : 0;
    if (policy.has_rules(Phase::payload, policy::Protocol::http)) {
        fill_file_facts(way, way.name, way.extension, payload.type());
        if (declared > 0) facts_.set(Field::file_size, declared);
        if (Refused refused = settle(evaluate(Phase::payload), Phase::payload)) {
            refused->what = what_is_refused(way.direction);
            return refused;
        }
        if (Refused refused = judge_other_names(way, Phase::payload, {})) return refused;
    }
    const auto options = policy::inspect_options(effects_, way.direction);
    if (trusted_ || (options.engines && options.engines->empty())) {
        way.skipped_by = trusted_ ? rule_ : options.engines_rule ? std::string_view(options.engines_rule->name) : std::string_view();
        payload.skip(way.released);
        return std::nullopt;
    }
    if (options.max_size) payload.set_max_size(*options.max_size);
    inspect::Examination examination = examination_of(way, options);
    inspect::Delivery delivery = inspect::choose_delivery(options.deliver.value_or(generation_->settings->deliver), payload.type(),
                                                          is_upload ? request_type_ : response_type_, declared);
    // Its parts may be anything.
    if (examination.has_parts() && delivery.automatic && declared <= inspect::automatic_hold)
        delivery = {.mode = inspect::Mode::hold, .automatic = true};
    // A client that cannot tell a cut from an end gets nothing before the verdict.
    const bool is_cut_seen = is_upload || body_out_.kind != BodyOut::Kind::until_close;
    if (!is_cut_seen) delivery = {.mode = inspect::Mode::hold};
    // A server does not wait for an upload: it is asked once the upload is there.
    if (!is_upload && is_cut_seen && delivery.mode == inspect::Mode::hold)
        delivery.trickles = options.trickle.value_or(generation_->settings->trickle);
    payload.deliver(delivery, std::move(examination), way.released);
    return std::nullopt;
}

// Phase `verdict`, for what is in it and then for the whole. nullopt: what waits goes on.
Exchange::Refused Exchange::judge_payload(Inspected& way) {
    inspect::Payload& payload = *way.payload;
    if (!trusted_) {
        if (Refused refused = judge_members(way)) return refused;
        // What it seemed to be at first was judged before; what it is, is judged too.
        if (payload.type().mime != way.planned_type && generation_->policy->has_rules(Phase::payload, policy::Protocol::http)) {
            fill_file_facts(way, way.name, way.extension, payload.type());
            if (Refused refused = refuse_payload(way, Phase::payload, {})) return refused;
            if (Refused refused = judge_other_names(way, Phase::payload, {})) return refused;
        }
        const inspect::Outcome& outcome = payload.outcome();
        fill_file_facts(way, way.name, way.extension, payload.type());
        fill_scan_facts(outcome, payload.sha256(), payload.size());
        // What nobody can tell may be one.
        if (outcome.engine == inspect::structure_engine) facts_.set_program(true);
        facts_.set(way.direction == Direction::upload ? Field::request_body_bytes : Field::response_body_bytes, payload.size());
        facts_.set(Field::client_bytes, client_bytes_);
        facts_.set(Field::server_bytes, server_bytes_);
        const std::vector<std::string_view> matches(outcome.matches.begin(), outcome.matches.end());
        facts_.set_many(Field::scan_match, matches);
        const inspect::BodyFound found = payload.body_found();
        set_body_found(found);
        Refused refused = refuse_payload(way, Phase::verdict, outcome.threat);
        if (!refused) refused = judge_other_names(way, Phase::verdict, outcome.threat);
        facts_.clear(Field::scan_match);  // views of what ends here
        facts_.clear(Field::body);
        if (refused) return refused;
    }
    payload.accept_news(way.released);
    return std::nullopt;
}

// As if it came under each of its other names.
Exchange::Refused Exchange::judge_other_names(const Inspected& way, Phase phase, std::string_view threat) {
    for (const std::string& name : way.other_names) {
        const std::string extension = file_extension(name);
        fill_name_facts(name, extension);
        Refused refused = refuse_payload(way, phase, threat);
        fill_name_facts(way.name, way.extension);
        if (refused) return refused;
    }
    return std::nullopt;
}

void Exchange::fill_name_facts(std::string_view name, std::string_view extension) {
    for (const auto& [field, value] : {std::pair(Field::file_name, name), std::pair(Field::file_extension, extension)}) {
        if (value.empty()) facts_.clear(field);
        else facts_.set(field, value);
    }
}

void Exchange::set_body_found(const inspect::BodyFound& found) {
    const std::size_t words = (generation_->policy->body_patterns().size() + 63) / 64;
    if (words == 0) return;
    body_found_.assign(found.bits().begin(), found.bits().end());
    body_found_.resize(words);
    facts_.set_body_found(body_found_);
}

// Members of an archive, or parts of a form, are judged as if each came by itself: what it is, and what was found in it.
Exchange::Refused Exchange::judge_members(const Inspected& way) {
    for (const inspect::MemberFindings& member : way.payload->members()) {
        const std::string_view name = std::string_view(member.path).substr(member.path.find_last_of("/\\") + 1);
        fill_file_facts(way, name, member.extension, member.type);
        facts_.set(Field::file_size, member.size);
        Refused refused;
        if (generation_->policy->has_rules(Phase::payload, policy::Protocol::http)) refused = refuse_payload(way, Phase::payload, {});
        if (!refused) {
            fill_scan_facts(member.outcome, member.sha256, member.size);
            set_body_found(member.body);
            const std::vector<std::string_view> matches(member.outcome.matches.begin(), member.outcome.matches.end());
            facts_.set_many(Field::scan_match, matches);
            refused = refuse_payload(way, Phase::verdict, member.outcome.threat);
            facts_.clear(Field::scan_match);  // views of what ends here
        }
        facts_.clear(Field::body);
        if (refused) return refused;
    }
    return std::nullopt;
}

Exchange::Refused Exchange::refuse_payload(const Inspected& way, Phase phase, std::string_view threat) {
    Refused refused = settle(evaluate(phase), phase);
    if (!refused) return refused;
    refused->what = what_is_refused(way.direction);
    if (!threat.empty()) {
        payload_reason_ = refused->reason.empty() ? std::string(threat) : fmt::format("{} ({})", refused->reason, threat);
        refused->reason = payload_reason_;
    }
    // Of uploads and downloads that are refused side by side the first one counts (see `refuses`).
    if (refused->action == audit::Action::quarantined && !payload_refusal_) quarantined_ = way.direction;
    if (way.direction == Direction::download) service_->inspection().cut.add(range_key());
    return refused;
}

// Before anybody hears of the refusal, so that the event says what has become of the copy. Without one it is a block like any other.
net::Task<void> Exchange::keep_sample(Refusal& refusal) {
    if (refusal.action != audit::Action::quarantined) co_return;
    inspect::Shared& shared = service_->inspection();
    audit::MetricsShard& metrics = service_->metrics();
    std::string_view problem = "there is no quarantine";
    if (shared.quarantine && quarantined_) {
        Inspected& way = *quarantined_ == Direction::upload ? upload_payload_ : download_payload_;
        const auto content = co_await way.payload->content();
        if (!content) {
            problem = content.error() == inspect::Reason::truncated ? "most of it was not held" : "there was no room to read it again";
        } else {
            std::string event;
            const audit::Redaction none;
            audit::write_json(describe(refusal.action, audit::Stage::whole),
                              generation_->settings->redaction ? *generation_->settings->redaction : none, event);
            const inspect::Object object{.descriptor = content->descriptor.get(), .size = content->size, .name = way.name};
            Result<void> stored = fail(Errc::overloaded, Side::self, "too much waits for the disk");
            if (shared.storage.is_disk_full) stored = fail(Errc::overloaded, Side::self, "the disk is full");
            else co_await shared.files.run(worker_, [&] { stored = shared.quarantine->store(id_.view(), object, event); });
            if (stored) {
                metrics.add(audit::Counter::quarantine_kept);
                co_return;
            }
            problem = stored.error().what;
        }
    }
    metrics.add(audit::Counter::quarantine_failed);
    refusal.action = audit::Action::blocked;
    event_reason_ = fmt::format("{}{}no copy was kept: {}", refusal.reason, refusal.reason.empty() ? "" : "; ", problem);
    reason_ = event_reason_;  // whoever is refused need not know
}

// Uploads and downloads are pumped side by side: what one has refused stays refused, whatever the other says afterwards.
bool Exchange::refuses(Refused refused) {
    if (refused && !payload_refusal_) payload_refusal_ = std::move(refused);
    return payload_refusal_.has_value();
}

net::Task<Result<std::optional<std::size_t>>> Exchange::read_or_pause(net::Stream& stream, std::span<char> into) {
    auto got = stream.read_or_arm(into);
    if (!got || *got) co_return got;
    bool pauses = false;
    net::Timer timer(worker_.timers(), [&] {
        pauses = true;
        stream.wake_reader();
    });
    timer.set(pause_time);
    while (got && !*got && !pauses) {
        co_await stream.until_woken();
        got = stream.read_or_arm(into);
    }
    co_return got;
}

// The event is of one payload: the worse one, else what came back.
const Exchange::Inspected* Exchange::recorded_payload() const {
    const Inspected& up = upload_payload_;
    const Inspected& down = download_payload_;
    if (!up.is_on || !down.is_on) return down.is_on ? &down : up.is_on ? &up : nullptr;
    return outcome_of(up).verdict > outcome_of(down).verdict ? &up : &down;
}

// What was cut was not looked into to its end, whatever had been found by then.
inspect::Outcome Exchange::outcome_of(const Inspected& way) const {
    inspect::Outcome outcome = way.payload->outcome();
    const bool is_looked_at =
        outcome.verdict == inspect::Verdict::clean || (outcome.verdict == inspect::Verdict::skipped && way.payload->awaits_engines());
    if (is_cut_ && !way.payload->has_ended() && is_looked_at) outcome.add(inspect::Outcome::unscannable(inspect::Reason::truncated));
    return outcome;
}

void Exchange::record_payload(const Inspected& way, audit::Event& event) {
    const inspect::Payload& payload = *way.payload;
    recorded_outcome_ = outcome_of(way);
    const inspect::Outcome& outcome = recorded_outcome_;
    event.file_name = way.name;
    event.file_extension = way.extension;
    if (payload.looked_at() > 0) event.file_mime_type = payload.type().mime;
    event.file_size = payload.size();
    event.sha256 = payload.sha256();
    event.scan_verdict = to_string(outcome.verdict);
    event.scan_threat = outcome.threat;
    event.scan_engine = outcome.engine;
    event.scan_reason = way.skipped_by.empty() ? to_string(outcome.reason) : way.skipped_by;
    event.scan_partial = payload.has_trickled();
    event.scan_ns = payload.scan_ns();
    scan_matches_.assign(outcome.matches.begin(), outcome.matches.end());
    event.scan_match = scan_matches_;
}

// Both, though the event is of one.
void Exchange::count_payloads() {
    audit::MetricsShard& metrics = service_->metrics();
    for (const Inspected* way : {&upload_payload_, &download_payload_}) {
        if (!way->is_on) continue;
        const inspect::Payload& payload = *way->payload;
        const inspect::Outcome outcome = outcome_of(*way);
        metrics.payload(to_string(outcome.verdict), to_string(outcome.reason), outcome.engine, payload.size());
        if (payload.scan_ns() > 0) metrics.observe(audit::Histogram::scan, payload.scan_ns());
        if (payload.asked_cache()) metrics.add(payload.was_cached() ? audit::Counter::scan_cache_hits : audit::Counter::scan_cache_misses);
    }
    // What nobody looks into is counted as well.
    if (!upload_payload_.is_on && !download_payload_.is_on && !scan_reason_.empty())
        metrics.payload("skipped", scan_reason_, {}, client_bytes_ + server_bytes_);
}

}  // namespace sluice::http
