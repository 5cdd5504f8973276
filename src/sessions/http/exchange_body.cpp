// SPDX-License-Identifier: Apache-2.0
// Bodies, both ways: decoded by the framing that they came in, and framed anew. A side reads when the other has taken what it had.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "net/timer.h"
#include "protocols/http1/encoder.h"
#include "sessions/http/alarm.h"
#include "sessions/http/exchange.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http {

using http1::ChunkedDecoder;
using http1::Framing;
using http1::KnownField;

namespace {

// A body that moves, but hardly, keeps a server's worker busy for nothing: over each `window` it must come up to a rate.
class Pace {
public:
    Pace(const Limits& limits, std::int64_t now_ns)
        : window_ns_(std::chrono::nanoseconds(limits.body_idle).count()),
          least_(limits.body_bytes_per_second * static_cast<std::uint64_t>(limits.body_idle.count()) / 1000),
          start_ns_(now_ns) {}

    bool is_too_slow(std::size_t bytes, std::int64_t now_ns) {
        bytes_ += bytes;
        if (now_ns - start_ns_ < window_ns_) return false;
        const bool too_slow = bytes_ < least_;
        start_ns_ = now_ns;
        bytes_ = 0;
        return too_slow;
    }

private:
    std::int64_t window_ns_;
    std::uint64_t least_;
    std::int64_t start_ns_;
    std::uint64_t bytes_ = 0;
};

// How often a client that waits for a verdict gets a few bytes, where they may go.
constexpr std::chrono::milliseconds trickle_pace{2000};

// Whether it is less than all of the object (RFC 9110 14.4, 15.3.7): "bytes 0-99/100" is all of it.
bool is_partial(const http1::ResponseHead& response) {
    if (response.status != 206) return false;
    const auto range = response.fields.find(KnownField::content_range);
    if (!range || !range->starts_with("bytes 0-")) return true;
    const std::string_view rest = range->substr(8);
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return true;
    const auto last = parse_decimal<std::uint64_t>(rest.substr(0, slash));
    const auto size = parse_decimal<std::uint64_t>(rest.substr(slash + 1));
    return !last || !size || *size == 0 || *last != *size - 1;
}

}  // namespace

Result<void> Exchange::Body::take(std::string_view& unread) {
    content.clear();
    switch (kind) {
        case Framing::Kind::none: return {};
        case Framing::Kind::until_close:
        case Framing::Kind::length: {
            const std::size_t taken =
                kind == Framing::Kind::length ? static_cast<std::size_t>(std::min<std::uint64_t>(left, unread.size())) : unread.size();
            if (taken > 0) content.push_back(unread.substr(0, taken));
            unread.remove_prefix(taken);
            bytes += taken;
            left -= kind == Framing::Kind::length ? taken : 0;
            ended = ended || (kind == Framing::Kind::length && left == 0);
            return {};
        }
        case Framing::Kind::chunked: break;
    }
    while (!ended) {
        const auto piece = decoder->next(unread);
        if (!piece) {
            // Without its framing, what stood before the fault would be read as framing of the sender's choice.
            content.clear();
            return std::unexpected(piece.error());
        }
        if (piece->kind == ChunkedDecoder::Piece::Kind::need_more) break;
        if (piece->kind == ChunkedDecoder::Piece::Kind::end) {
            ended = true;
        } else {
            content.push_back(piece->data);
            bytes += piece->data.size();
        }
    }
    return {};
}

void Exchange::Body::frame(std::span<const std::string_view> views, bool last) {
    pieces.clear();
    const std::size_t size = net::total_size(views);
    if (chunked_out && size > 0) pieces.emplace_back(prefix, http1::chunk_prefix(size, prefix));
    pieces.insert(pieces.end(), views.begin(), views.end());
    if (!chunked_out) return;
    if (size > 0) pieces.push_back(http1::chunk_suffix);
    if (!last) return;
    last_chunk.clear();
    http1::write_last_chunk(last_chunk,
                            decoder && kind == Framing::Kind::chunked ? decoder->trailers().all() : std::span<const NameValue>{});
    pieces.push_back(last_chunk);
}

void Exchange::Body::begin(const Framing& framing, bool chunked, const Limits& limits, Side side) {
    kind = framing.kind;
    left = framing.length;
    chunked_out = chunked;
    ended = kind == Framing::Kind::none || (kind == Framing::Kind::length && left == 0);
    bytes = 0;
    if (kind != Framing::Kind::chunked) return;
    if (decoder) decoder->reset();
    else decoder.emplace(limits, side);
}

// Before a server is asked: a body that is wrong in what has come of it is refused, and nothing of it reaches the server.
Result<void> Exchange::take_buffered_upload() {
    upload_out_.clear();
    upload_taken_ = true;
    upload_body_.begin(head_.body, head_.body.kind == Framing::Kind::chunked, limits(), Side::client);
    if (upload_ == Upload::complete) return {};
    std::string_view unread = session_->unread();
    const std::size_t before = unread.size();
    TRY(upload_body_.take(unread));
    session_->consume(before - unread.size());
    client_bytes_ += before - unread.size();
    if (upload_body_.ended) upload_ = Upload::complete;  // but for what an inspection keeps back
    return {};
}

// What has come of the upload; all of it, where nothing may go on before the verdict.
net::Task<Exchange::Refused> Exchange::receive_upload() {
    begin_inspection(upload_payload_, head_.fields, head_.fields.has(KnownField::content_range));
    if (const Refused refused = pass(upload_payload_, upload_body_)) co_return refused;
    if (!upload_payload_.is_on) {
        for (const std::string_view piece : upload_body_.pieces) upload_out_ += piece;
        upload_body_.pieces.clear();
        co_return std::nullopt;
    }
    const auto options = policy::inspect_options(judgement_.effects, policy::Direction::upload);
    const bool is_always_held = options.deliver.value_or(generation_->settings->deliver) == policy::Deliver::hold;
    if (head_.expects_continue && upload_ != Upload::complete && upload_body_.bytes == 0) {
        // Only the server knows whether it wants the body; but where nothing reaches it before the body is judged, it cannot be asked.
        if (!is_always_held) co_return std::nullopt;
        answers_expectation_ = true;
        std::array<std::string_view, 1> go_on{"HTTP/1.1 100 Continue\r\n\r\n"};
        client_sent_ += go_on[0].size();
        if (const auto sent = co_await session_->client().write(go_on, 0, limits().body_idle); !sent)
            co_return refusal_of(sent.error(), http::Stage::reading_body);
    }
    // Until the first bytes say whether it is held, it waits, though not for a client that pauses.
    while (upload_body_.pieces.empty() && !is_done(upload_payload_, upload_body_)) {
        if (has_work(upload_payload_)) {
            session_->client().expires_never();
            auto worked = co_await work_on(upload_payload_, upload_body_);
            if (!worked) co_return refusal_of(worked.error(), http::Stage::reading_body);
            if (*worked) co_return *worked;
            continue;
        }
        const auto read = co_await read_upload();
        if (!read) co_return refusal_of(read.error(), http::Stage::reading_body);
        if (*read == 0 && !upload_payload_.payload->is_held() && !is_always_held) break;
        if (const Refused refused = *read == 0 ? pause(upload_payload_, upload_body_) : pass(upload_payload_, upload_body_))
            co_return refused;
    }
    upload_ = is_done(upload_payload_, upload_body_) ? Upload::complete : Upload::none;
    upload_pauses_ = false;
    session_->client().expires_never();
    co_return std::nullopt;
}

// The next bytes of the upload, into upload_body_.content. 0: the client pauses.
net::Task<Result<std::size_t>> Exchange::read_upload() {
    net::Stream& client = session_->client();
    if (!upload_in_) {
        const bool large = upload_body_.kind == Framing::Kind::length && upload_body_.left > net::BufferPool::small_size;
        upload_in_ = worker_.buffers().borrow(large ? net::BufferSize::large : net::BufferSize::small);
    }
    std::span<char> room = upload_in_.span();
    if (upload_body_.kind == Framing::Kind::length)
        room = room.first(static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), upload_body_.left)));
    if (!upload_pauses_) client.expires_in(limits().body_idle);
    std::size_t got = 0;
    if (upload_payload_.is_on && upload_payload_.payload->gains_from_pause()) {
        const auto read = CO_TRY(co_await read_or_pause(client, room));
        upload_pauses_ = !read;
        if (!read) co_return std::size_t{0};
        got = *read;
    } else {
        upload_pauses_ = false;
        got = CO_TRY(co_await client.read_some(room));
    }
    if (got == 0) co_return fail(Errc::closed, Side::client, "the client closed inside a request body");
    std::string_view unread(upload_in_.data(), got);
    CO_TRY(upload_body_.take(unread));
    client_bytes_ += got - unread.size();
    session_->push_back(unread);
    co_return got;
}

net::Task<void> Exchange::pump_upload() {
    const auto pumped = co_await pump_upload_bytes();
    if (pumped) {
        upload_ = Upload::complete;
        if (!response_started_) {
            upstream_->expires_in(limits().first_byte);
            start_client_watch();
        }
    } else {
        upload_ = Upload::failed;
        upload_error_ = pumped.error();
        // A half request is never ended as if it were whole.
        if (pumped.error().side != Side::server) upstream_->cancel();
        else if (pumped.error().code == Errc::timed_out && !response_started_) upstream_->cancel(Errc::timed_out);
    }
    upload_done_.open();
}

net::Task<Result<void>> Exchange::pump_upload_bytes() {
    Pace pace(limits(), steady_ns());
    while (!is_done(upload_payload_, upload_body_)) {
        if (!response_started_) upstream_->expires_never();
        if (has_work(upload_payload_)) {
            session_->client().expires_never();
            refuses(CO_TRY(co_await work_on(upload_payload_, upload_body_)));
        } else {
            const std::size_t got = CO_TRY(co_await read_upload());
            if (got > 0 && pace.is_too_slow(got, steady_ns()))
                co_return fail(Errc::timed_out, Side::client, "the request body came too slowly");
            refuses(got == 0 ? pause(upload_payload_, upload_body_) : pass(upload_payload_, upload_body_));
        }
        if (payload_refusal_) co_return fail(Errc::refused_by_policy, Side::self, "the upload was refused");
        if (upload_body_.pieces.empty()) continue;
        server_sent_ += net::total_size(upload_body_.pieces);
        CO_TRY(co_await upstream_->write(upload_body_.pieces, 0, limits().body_idle));
    }
    if (!response_started_) session_->client().expires_never();  // else the deadline is that of the response on its way
    co_return Result<void>{};
}

net::Task<void> Exchange::stop_upload() {
    const std::optional<Error> before = upload_error_;
    session_->client().cancel();
    upstream_->cancel();
    co_await upload_done_.wait();
    session_->client().rearm();
    upload_error_ = before;
    if (upload_ == Upload::running) upload_ = Upload::failed;
}

// What may go now, with the head where it has not gone yet: so much of it as the client takes without waiting.
Result<std::size_t> Exchange::try_send_download(bool head_goes) {
    if (head_waits_ && head_goes) {
        download_body_.pieces.insert(download_body_.pieces.begin(), out_);
        head_waits_ = false;
    }
    if (head_waits_ || download_body_.pieces.empty()) {
        download_body_.pieces.clear();
        return 0;
    }
    if (!trickle_left_.empty()) {
        trickle_out_.swap(trickle_left_);
        trickle_left_.clear();
        download_body_.pieces.insert(download_body_.pieces.begin(), trickle_out_);
    }
    net::Stream& client = session_->client();
    if (upload_ == Upload::running) client.expires_in(limits().body_idle);  // a client that is answered may pause in its upload
    else client.expires_never();
    client_sent_ += net::total_size(download_body_.pieces);
    return client.try_write(download_body_.pieces);
}

net::Task<Result<void>> Exchange::finish_send_download(std::size_t sent) {
    is_sending_ = true;
    const auto done = co_await session_->client().write(download_body_.pieces, sent, limits().body_idle);
    is_sending_ = false;
    co_return done;
}

// Between what is read and what is scanned: nothing waits for it. What the client does not take at once goes with what follows.
void Exchange::send_trickle() {
    if (is_sending_ || !trickle_left_.empty() || payload_refusal_) return;
    const std::array<std::string_view, 1> piece{download_payload_.payload->trickle()};
    if (piece[0].empty()) return;
    download_body_.frame(piece, false);
    std::string bytes;
    if (head_waits_) bytes = out_;
    head_waits_ = false;
    for (const std::string_view each : download_body_.pieces) bytes += each;
    download_body_.pieces.clear();
    const std::array<std::string_view, 1> all{bytes};
    const auto sent = session_->client().try_write(all);
    client_sent_ += sent.value_or(0);
    trickle_left_ = bytes.substr(sent.value_or(0));  // after an error, who writes next meets it again
}

net::Task<Result<void>> Exchange::pump_download() {
    const auto type = response_.fields.find(KnownField::content_type);
    const bool is_stream = type && inspect::is_event_stream(*type);
    const Limits::Duration idle = is_stream ? limits().tunnel_idle : limits().body_idle;
    download_body_.begin(response_.body, body_out_.kind == BodyOut::Kind::chunked, limits(), Side::server);
    response_started_ = true;
    head_waits_ = true;
    if (response_.body.kind != Framing::Kind::none) begin_inspection(download_payload_, response_.fields, is_partial(response_));
    std::optional<net::Timer> trickling;
    for (Came came;;) {
        const Result<void> taken = take_download(came);
        if (payload_refusal_) co_return fail(Errc::refused_by_policy, Side::self, "the payload was refused");
        // The head goes with the first bytes, so that a page can still take its place; but not later than a client would wonder.
        const bool is_held = download_payload_.is_on && download_payload_.payload->is_held();
        const bool head_goes = !download_payload_.is_on || !download_body_.pieces.empty() || is_done(download_payload_, download_body_) ||
                               is_stream || (came.kind == Came::Kind::pause && !is_held);
        const std::size_t sent = CO_TRY(try_send_download(head_goes));
        if (sent < net::total_size(download_body_.pieces)) CO_TRY(co_await finish_send_download(sent));
        if (!taken) co_return std::unexpected(taken.error());
        if (is_held && !trickling && download_payload_.payload->may_trickle()) {
            trickling.emplace(worker_.timers(), [this, &trickling] {
                send_trickle();
                trickling->set(trickle_pace);
            });
            trickling->set(trickle_pace);
        }
        while (has_work(download_payload_)) {
            session_->client().expires_never();
            if (download_body_.ended) upstream_->expires_never();
            if (refuses(CO_TRY(co_await work_on(download_payload_, download_body_))))
                co_return fail(Errc::refused_by_policy, Side::self, "the payload was refused");
            const std::size_t went =
                CO_TRY(try_send_download(!download_body_.pieces.empty() || is_done(download_payload_, download_body_)));
            if (went < net::total_size(download_body_.pieces)) CO_TRY(co_await finish_send_download(went));
        }
        if (download_body_.ended) co_return Result<void>{};
        came = CO_TRY(co_await read_download(idle, came.kind == Came::Kind::pause));
    }
}

// What has come of the body, as far as it may go on, into its pieces; or why nothing more does, into payload_refusal_.
Result<void> Exchange::take_download(const Came& came) {
    switch (came.kind) {
        case Came::Kind::pause: refuses(pause(download_payload_, download_body_)); return {};
        case Came::Kind::in_place: refuses(pass_in_place(download_payload_, download_body_, came.size)); return {};
        case Came::Kind::bytes: break;
    }
    std::string_view unread(in_.data() + in_begin_, in_end_ - in_begin_);
    const std::size_t before = unread.size();
    const auto taken = download_body_.take(unread);
    in_begin_ += before - unread.size();
    if (taken) refuses(pass(download_payload_, download_body_));
    else download_body_.pieces.clear();
    return taken;
}

// The next bytes of the body, or its end, or that its source pauses. `is_pausing`: the last time as well.
net::Task<Result<Exchange::Came>> Exchange::read_download(Limits::Duration idle, bool is_pausing) {
    if (download_payload_.is_on && !head_in_) {
        // Rules of `payload` and `verdict` see the response's head: it stays where it is.
        head_in_ = std::move(in_);
        in_ = worker_.buffers().borrow();
    }
    in_begin_ = in_end_ = 0;  // where nothing is inspected the views of response_ are gone from here on
    if (upload_ == Upload::complete) start_client_watch();
    if (!is_pausing) upstream_->expires_in(idle);
    const bool is_unframed = download_body_.kind != Framing::Kind::chunked;
    std::span<char> room = is_unframed && download_payload_.is_on ? download_payload_.payload->room() : std::span<char>();
    const bool is_in_place = !room.empty();
    if (!is_in_place) room = in_.span();
    else if (download_body_.kind == Framing::Kind::length)
        room = room.first(static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), download_body_.left)));
    std::size_t got = 0;
    if (download_payload_.is_on && !is_in_place && (head_waits_ || download_payload_.payload->gains_from_pause()) && !is_pausing) {
        const auto read = CO_TRY(co_await read_or_pause(*upstream_, room));
        if (!read) co_return Came{Came::Kind::pause, 0};
        got = *read;
    } else {
        got = CO_TRY(co_await upstream_->read_some(room));
    }
    server_bytes_ += got;
    if (got == 0) {
        if (download_body_.kind != Framing::Kind::until_close)
            co_return fail(Errc::closed, Side::server, "the server closed inside a response body");
        download_body_.ended = true;
    }
    if (is_in_place && got > 0) co_return Came{Came::Kind::in_place, got};
    in_end_ = got;
    if (got == in_.size() && in_.size() < net::BufferPool::large_size) {
        net::Buffer larger = worker_.buffers().borrow(net::BufferSize::large);
        std::copy(in_.data(), in_.data() + got, larger.data());
        in_ = std::move(larger);
    }
    co_return Came{};
}

// While a server is slow, somebody looks whether the client is still there: an answer that nobody waits for is not worth a connection.
void Exchange::start_client_watch() {
    if (!watching_) alarm_->expires_in(limits().client_watch);
}

void Exchange::on_alarm() {
    if (in_tunnel_) {
        start_recorded_ = true;
        record(audit::Action::tunnelled, audit::Stage::start);
        return;
    }
    watching_ = true;
    watch_done_.shut();
    net::spawn(worker_, watch_client());
}

net::Task<void> Exchange::watch_client() {
    const auto ready = co_await session_->client().wait_readable();
    std::array<char, 4096> early;  // the next request, sent ahead
    const std::span<char> room = std::span(early).first(std::min(early.size(), session_->room_to_push_back()));
    if (ready && room.empty()) {  // it has sent so much ahead that it is surely there
        watch_done_.open();
        co_return;
    }
    const auto got = ready ? session_->client().try_read(room) : Result<std::optional<std::size_t>>(std::unexpected(ready.error()));
    if (got && *got && **got > 0) {
        session_->push_back({early.data(), **got});
    } else if (!(got && !*got) && !(!got && (got.error().code == Errc::cancelled || got.error().code == Errc::timed_out))) {
        client_gone_ = true;
        if (upstream_) upstream_->cancel();
    }
    watch_done_.open();
}

net::Task<void> Exchange::stop_client_watch() {
    alarm_->expires_never();
    if (!watching_) co_return;
    if (!watch_done_.is_open()) {
        session_->client().cancel();
        co_await watch_done_.wait();
        session_->client().rearm();
    }
    watching_ = false;
}

}  // namespace sluice::http
