// SPDX-License-Identifier: Apache-2.0
// Payloads: looked at as they pass, judged in `payload` and `verdict`, and let go piece by piece.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "audit/event_json.h"
#include "base/text.h"
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

namespace {

// A source that gives nothing for so long pauses.
constexpr std::chrono::milliseconds pause_time{200};

std::string_view what_is_refused(Direction direction) {
    return direction == Direction::upload ? "This upload is not allowed on this network." : "This file is not allowed on this network.";
}

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

bool Exchange::will_be_inspected() const { return Inspected::is_wanted(*generation_->settings, judgement_); }

// The URL as one whose transfer may have been cut.
std::string Exchange::range_key() const {
    std::string key = host_key_;
    key += url_.raw_target;
    return key;
}

// Of a request with a Range: whether all of it is fetched instead (`ranges`).
bool Exchange::asks_for_the_whole() const {
    if (service_->inspection().cut.has(range_key())) return true;
    switch (policy::inspect_options(judgement_.effects, Direction::download).ranges.value_or(generation_->settings->ranges)) {
        case policy::Ranges::whole: return true;
        case policy::Ranges::automatic: return is_risky_extension(extension_);
        case policy::Ranges::pass:
        case policy::Ranges::block: return false;
    }
    return true;
}

Exchange::Refused Exchange::check_range() const {
    if (!will_be_inspected() || !head_.fields.has(KnownField::range)) return std::nullopt;
    const auto ranges = policy::inspect_options(judgement_.effects, Direction::download).ranges.value_or(generation_->settings->ranges);
    if (ranges != policy::Ranges::block) return std::nullopt;
    Refusal refusal = refused(403, "http_request_denied", "Parts of a file cannot be fetched through this proxy: please fetch all of it.");
    refusal.action = audit::Action::blocked;
    refusal.reason = "inspect.ranges is \"block\"";
    return refusal;
}

void Exchange::begin_inspection(Inspected& way, const http1::Fields& fields, bool partial) {
    std::string coding;
    if (will_be_inspected()) {
        fields.for_each(KnownField::content_encoding, [&](std::string_view value) {
            if (!coding.empty()) coding += ", ";
            coding += value;
        });
    }
    way.begin(worker_, service_->bench(), service_->inspection(), *generation_->settings, judgement_,
              {.coding = coding, .partial = partial, .has_network_lines = url_.scheme == "ftp" && ftp_type_ == 'a'});
    if (way.is_on) name_file(way, fields);
}

// By what the sender calls it, else by the end of the path.
void Exchange::name_file(Inspected& way, const http1::Fields& fields) {
    std::vector<std::string> names;
    if (const auto disposition = fields.find(KnownField::content_disposition)) names = mime::file_names(*disposition, limits());
    if (names.empty() && !is_connect()) names = mime::file_names_of_path(url_.path);
    way.set_names(std::move(names));
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

inspect::Examination Exchange::examination_of(const Inspected& way, const policy::InspectOptions& options) const {
    const inspect::Setup& setup = *generation_->settings->inspect;
    inspect::Examination out = way.examination(*generation_->settings, options);
    if (setup.icap && out.engines.has(policy::Engine::icap)) {
        out.message.emplace();
        out.message->is_request = way.direction == Direction::upload;
        out.message->method = head_.method;
        // Without its query, where secrets stand.
        out.message->url = fmt::format("{}://{}{}", url_.scheme, host_key_, url_.path);
        out.message->authority = host_key_;
        out.message->content_type = way.direction == Direction::upload ? request_type_ : response_type_;
    }
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
    const bool is_upload = way.direction == Direction::upload;
    const std::uint64_t declared = body.kind == http1::Framing::Kind::length ? body.bytes + body.left : body.ended ? body.bytes : 0;
    if (const auto denial = way.judge_type(judgement_, declared)) {
        if (!denial->other_name.empty()) note_cut(way);
        return refuse_payload(way, *denial);
    }
    const auto options = way.options(judgement_);
    if (!options) {
        payload.skip(way.released);
        return std::nullopt;
    }
    if (options->max_size) payload.set_max_size(*options->max_size);
    inspect::Examination examination = examination_of(way, *options);
    inspect::Delivery delivery = inspect::choose_delivery(options->deliver.value_or(generation_->settings->deliver), payload.type(),
                                                          is_upload ? request_type_ : response_type_, declared);
    // Its parts may be anything.
    if (examination.has_parts() && delivery.automatic && declared <= inspect::automatic_hold)
        delivery = {.mode = inspect::Mode::hold, .automatic = true};
    // A client that cannot tell a cut from an end gets nothing before the verdict.
    const bool is_cut_seen = is_upload || body_out_.kind != BodyOut::Kind::until_close;
    if (!is_cut_seen) delivery = {.mode = inspect::Mode::hold};
    // A server does not wait for an upload: it is asked once the upload is there.
    if (!is_upload && is_cut_seen && delivery.mode == inspect::Mode::hold)
        delivery.trickles = options->trickle.value_or(generation_->settings->trickle);
    payload.deliver(delivery, std::move(examination), way.released);
    return std::nullopt;
}

// Phase `verdict`. nullopt: what waits goes on.
Exchange::Refused Exchange::judge_payload(Inspected& way) {
    const Field body_bytes = way.direction == Direction::upload ? Field::request_body_bytes : Field::response_body_bytes;
    const std::array<Inspected::Number, 3> of_whole{
        {{body_bytes, way.payload->size()}, {Field::client_bytes, client_bytes_}, {Field::server_bytes, server_bytes_}}};
    if (const auto denial = way.judge_verdict(judgement_, of_whole)) {
        note_cut(way);
        return refuse_payload(way, *denial);
    }
    way.payload->accept_news(way.released);
    return std::nullopt;
}

Refusal Exchange::refuse_payload(const Inspected& way, const sessions::Denial& denial) {
    Refusal refusal = refusal_of(denial, head_.method);
    refusal.what = what_is_refused(way.direction);
    // Of uploads and downloads that are refused side by side the first one counts (see `refuses`).
    if (refusal.action == audit::Action::quarantined && !payload_refusal_) quarantined_ = way.direction;
    return refusal;
}

// Who asks for the rest of it gets the whole.
void Exchange::note_cut(const Inspected& way) {
    if (way.direction == Direction::download) service_->inspection().cut.add(range_key());
}

// Before anybody hears of the refusal, so that the event says what has become of the copy. Without one it is a block like any other.
net::Task<void> Exchange::keep_sample(Refusal& refusal) {
    if (refusal.action != audit::Action::quarantined) co_return;
    std::string_view problem = Inspected::no_quarantine;
    if (quarantined_) {
        Inspected& way = *quarantined_ == Direction::upload ? upload_payload_ : download_payload_;
        std::string event;
        const audit::Redaction none;
        audit::write_json(describe(refusal.action, audit::Stage::whole),
                          generation_->settings->redaction ? *generation_->settings->redaction : none, event);
        problem = co_await way.keep_sample(worker_, service_->inspection(), id_, event);
    }
    service_->metrics().add(problem.empty() ? audit::Counter::quarantine_kept : audit::Counter::quarantine_failed);
    if (problem.empty()) co_return;
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
Exchange::Inspected* Exchange::recorded_payload() {
    Inspected& up = upload_payload_;
    Inspected& down = download_payload_;
    if (!up.is_on || !down.is_on) return down.is_on ? &down : up.is_on ? &up : nullptr;
    return up.outcome(is_cut_).verdict > down.outcome(is_cut_).verdict ? &up : &down;
}

// Both, though the event is of one.
void Exchange::count_payloads() {
    audit::MetricsShard& metrics = service_->metrics();
    for (const Inspected* way : {&upload_payload_, &download_payload_})
        if (way->is_on) way->count(metrics, is_cut_);
    // What nobody looks into is counted as well.
    if (!upload_payload_.is_on && !download_payload_.is_on && !scan_reason_.empty())
        metrics.payload("skipped", scan_reason_, {}, client_bytes_ + server_bytes_);
}

}  // namespace sluice::http
