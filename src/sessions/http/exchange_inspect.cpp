// SPDX-License-Identifier: Apache-2.0
// Payloads: looked at as they pass, judged in `payload` and `verdict`, and let go piece by piece.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "net/timer.h"
#include "protocols/http1/head.h"
#include "protocols/mime/parameters.h"
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

std::string_view word(Direction direction) { return direction == Direction::upload ? "upload" : "download"; }

std::string_view extension_of(std::string_view name) {
    const std::size_t dot = name.rfind('.');
    return dot == std::string_view::npos || dot == 0 ? std::string_view() : name.substr(dot + 1);
}

// Files that do something when they are opened, or hold others: their parts are not fetched one by one, so that they can be inspected whole.
bool is_risky_extension(std::string_view extension) {
    static constexpr auto risky = std::to_array<std::string_view>(
        {"7z",   "ace",  "apk", "appx", "arj", "bat",  "bz2",  "cab",  "chm",  "cmd", "com", "cpl",  "deb",  "dll",  "dmg",  "doc",  "docm",
         "docx", "exe",  "gz",  "hta",  "img", "iso",  "jar",  "js",   "jse",  "lha", "lnk", "lzh",  "msi",  "msix", "one",  "pdf",  "ppt",
         "pptm", "pptx", "ps1", "rar",  "reg", "rpm",  "rtf",  "scr",  "sh",   "sys", "tar", "tgz",  "txz",  "vbe",  "vbs",  "wsf",  "xls",
         "xlsb", "xlsm", "xlsx", "xz",  "zip", "zst"});
    static_assert(std::ranges::is_sorted(risky));
    return std::ranges::binary_search(risky, extension);
}

}  // namespace

bool Exchange::will_be_inspected() const { return generation_->settings->inspect && !trusted_; }

// Whether parts of what is asked for are not to be had (`ranges`).
bool Exchange::asks_for_the_whole() const {
    switch (policy::inspect_options(effects_, Direction::download).ranges.value_or(generation_->settings->ranges)) {
        case policy::Ranges::whole: return true;
        case policy::Ranges::automatic: return is_risky_extension(extension_);
        case policy::Ranges::pass:
        case policy::Ranges::block: return false;
    }
    return true;
}

void Exchange::begin_inspection(Inspected& way, const http1::Fields& fields, bool partial) {
    way.is_on = will_be_inspected();
    if (!way.is_on) return;
    way.is_held = false;
    way.skipped_by = {};
    if (!way.payload) way.payload.emplace(service_->bench());
    std::string coding;
    fields.for_each(KnownField::content_encoding, [&](std::string_view value) {
        if (!coding.empty()) coding += ", ";
        coding += value;
    });
    way.payload->begin(*generation_->settings->inspect, {.coding = coding, .partial = partial}, service_->held());
    name_file(way, fields);
}

// By what the sender calls it, else by the end of the path.
void Exchange::name_file(Inspected& way, const http1::Fields& fields) {
    way.name.clear();
    if (const auto disposition = fields.find(KnownField::content_disposition)) {
        if (const auto parsed = mime::parse_with_parameters(*disposition, mime::Quoting::http, limits())) {
            const mime::Parameter* name = parsed->find("filename", true);
            if (!name) name = parsed->find("filename");
            if (name) way.name = name->value.substr(name->value.find_last_of("/\\") + 1);
        }
    }
    if (way.name.empty() && !is_connect()) way.name = url_.path.substr(url_.path.rfind('/') + 1);
    way.extension.assign(extension_of(way.name));
    for (char& c : way.extension) c = to_lower(c);
}

Exchange::Refused Exchange::pass(Inspected& way, Body& body) {
    if (!way.is_on) {
        body.frame(body.content, body.ended);
        return std::nullopt;
    }
    inspect::Payload& payload = *way.payload;
    payload.step();
    way.released.clear();
    for (std::size_t i = 0; i < body.content.size(); ++i) {
        const bool last = body.ended && i + 1 == body.content.size();
        payload.push(body.content[i], last, way.released);
        if (last || !payload.has_news()) continue;
        if (!payload.is_planned())
            if (const Refused refused = plan_payload(way, body)) return refused;
        if (payload.has_news())
            if (const Refused refused = judge_payload(way)) return refused;
    }
    if (body.ended) payload.end(true);
    if (!payload.is_planned() && payload.is_identified())
        if (const Refused refused = plan_payload(way, body)) return refused;
    if (payload.has_news())
        if (const Refused refused = judge_payload(way)) return refused;
    body.frame(way.released, body.ended);
    return std::nullopt;
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

void Exchange::fill_payload_facts(const Inspected& way) {
    const inspect::Payload& payload = *way.payload;
    for (const Field field : {Field::file_name, Field::file_extension, Field::file_mime_type, Field::file_size, Field::file_sha256,
                              Field::scan_verdict, Field::scan_threat, Field::scan_engine, Field::scan_reason, Field::scan_match})
        facts_.clear(field);
    facts_.set(Field::payload_direction, word(way.direction));
    if (!way.name.empty()) facts_.set(Field::file_name, std::string_view(way.name));
    if (!way.extension.empty()) facts_.set(Field::file_extension, std::string_view(way.extension));
    facts_.set(Field::file_mime_type, payload.type().mime);
    facts_.set_program(payload.type().kind == inspect::MediaClass::program || payload.type().kind == inspect::MediaClass::script);
}

// Phase `payload`: its first bytes are known, and none has gone on.
Exchange::Refused Exchange::plan_payload(Inspected& way, const Body& body) {
    inspect::Payload& payload = *way.payload;
    const policy::Policy& policy = *generation_->policy;
    const bool is_upload = way.direction == Direction::upload;
    const std::uint64_t declared = body.kind == http1::Framing::Kind::length ? body.bytes + body.left : body.ended ? body.bytes : 0;
    if (policy.has_rules(Phase::payload, policy::Protocol::http)) {
        fill_payload_facts(way);
        if (declared > 0) facts_.set(Field::file_size, declared);
        if (Refused refused = settle(evaluate(Phase::payload), Phase::payload)) {
            refused->what = is_upload ? "This upload is not allowed on this network." : "This file is not allowed on this network.";
            return refused;
        }
    }
    const auto options = policy::inspect_options(effects_, way.direction);
    if (trusted_ || (options.engines && options.engines->empty())) {
        way.skipped_by = trusted_ ? rule_ : options.engines_rule ? std::string_view(options.engines_rule->name) : std::string_view();
        payload.skip(way.released);
        return std::nullopt;
    }
    if (options.engines && !options.engines->has(policy::Engine::signatures)) payload.leave_out_signatures();
    inspect::Delivery delivery = inspect::choose_delivery(options.deliver.value_or(generation_->settings->deliver), payload.type(),
                                                          is_upload ? request_type_ : response_type_, declared);
    // A client that cannot tell a cut from an end gets nothing before the verdict.
    if (!is_upload && body_out_.kind == BodyOut::Kind::until_close) delivery = {.mode = inspect::Mode::hold};
    way.is_held = delivery.mode == inspect::Mode::hold;
    payload.deliver(delivery, way.released);
    return std::nullopt;
}

// Phase `verdict`, for the whole of it. nullopt: all that waits comes out.
Exchange::Refused Exchange::judge_payload(Inspected& way) {
    inspect::Payload& payload = *way.payload;
    const inspect::Inspection& inspection = payload.inspection();
    const inspect::Outcome& outcome = payload.outcome();
    const policy::Policy& policy = *generation_->policy;
    if (!trusted_) {
        fill_payload_facts(way);
        facts_.set(Field::file_size, payload.size());
        facts_.set(way.direction == Direction::upload ? Field::request_body_bytes : Field::response_body_bytes, payload.size());
        facts_.set(Field::client_bytes, client_bytes_);
        facts_.set(Field::server_bytes, server_bytes_);
        if (!inspection.sha256().empty()) facts_.set(Field::file_sha256, inspection.sha256());
        facts_.set(Field::scan_verdict, to_string(outcome.verdict));
        if (!outcome.threat.empty()) facts_.set(Field::scan_threat, std::string_view(outcome.threat));
        if (!outcome.engine.empty()) facts_.set(Field::scan_engine, outcome.engine);
        if (outcome.reason != inspect::Reason::none) facts_.set(Field::scan_reason, to_string(outcome.reason));
        const std::vector<std::string_view> matches(outcome.matches.begin(), outcome.matches.end());
        facts_.set_many(Field::scan_match, matches);
        std::vector<std::uint64_t> found((policy.body_patterns().size() + 63) / 64);
        for (std::size_t i = 0; i < policy.body_patterns().size(); ++i)
            if (inspection.holds(i)) found[i / 64] |= std::uint64_t{1} << (i % 64);
        if (!found.empty()) facts_.set_body_found(found);
        Refused refused = settle(evaluate(Phase::verdict), Phase::verdict);
        facts_.clear(Field::scan_match);                 // views of what ends here
        facts_.clear(Field::body);
        if (refused) {
            refused->what = way.direction == Direction::upload ? "This upload is not allowed on this network."
                                                               : "This file is not allowed on this network.";
            if (!outcome.threat.empty()) {
                payload_reason_ = fmt::format("{} ({})", refused->reason, outcome.threat);
                refused->reason = payload_reason_;
            }
            return refused;
        }
    }
    payload.release(way.released);
    return std::nullopt;
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
    return up.payload->outcome().verdict > down.payload->outcome().verdict ? &up : &down;
}

void Exchange::record_payload(const Inspected& way, audit::Event& event) {
    const inspect::Payload& payload = *way.payload;
    const inspect::Outcome& outcome = payload.outcome();
    event.file_name = way.name;
    event.file_extension = way.extension;
    if (payload.inspection().looked_at() > 0) event.file_mime_type = payload.type().mime;
    event.file_size = payload.size();
    event.sha256 = payload.inspection().sha256();
    event.scan_verdict = to_string(outcome.verdict);
    event.scan_threat = outcome.threat;
    event.scan_engine = outcome.engine;
    event.scan_reason = way.skipped_by.empty() ? to_string(outcome.reason) : way.skipped_by;
    scan_matches_.assign(outcome.matches.begin(), outcome.matches.end());
    event.scan_match = scan_matches_;
}

}  // namespace sluice::http
