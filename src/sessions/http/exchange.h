// SPDX-License-Identifier: Apache-2.0
// One transaction: a request, judged, forwarded and answered, or refused. A linear walk, one file a stage:
//   exchange.cpp           the request's head; what it asks for
//   exchange_judge.cpp     facts, phases, credentials
//   exchange_upstream.cpp  a connection to the server: from the pool, or a new one
//   exchange_forward.cpp   the request out, the response's head back
//   exchange_body.cpp      bodies, both ways
//   exchange_inspect.cpp   payloads, looked at as they pass
//   exchange_tunnel.cpp    CONNECT and WebSockets
//   exchange_intercept.cpp TLS inside a CONNECT
//   exchange_answer.cpp    answers of our own
//   exchange_record.cpp    the event
// What other protocols have as well (the walk through the rules, addresses, payloads) is in sessions/transaction.
// Borrowed from the service for one transaction and given back: what it has allocated serves the next one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/event.h"
#include "base/url.h"
#include "net/gate.h"
#include "net/relay.h"
#include "net/stream.h"
#include "protocols/http1/chunked.h"
#include "protocols/http1/encoder.h"
#include "protocols/http1/head.h"
#include "protocols/http1/head_parser.h"
#include "protocols/tls/client_hello.h"
#include "sessions/http/refusal.h"
#include "sessions/http/session.h"
#include "sessions/http/settings.h"
#include "sessions/transaction/inspected.h"
#include "sessions/transaction/judgement.h"

namespace sluice::http {

class Service;

class Exchange {
public:
    explicit Exchange(Service& service);
    ~Exchange();
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    // From the head, of which at least one byte is there, to the event. Whether another request may follow on the connection; if not,
    // `must_linger` says whether the client may still be sending.
    net::Task<bool> run(Session& session);
    bool must_linger() const { return linger_; }
    // Whether another transaction may have it: not where it would pin a former policy, or much memory.
    bool is_worth_keeping(const std::shared_ptr<const Generation>& current) const;

    // A tunnel is open, and a reload brought this policy: ends the tunnel where it says no.
    void judge_tunnel_again(std::shared_ptr<const Generation> generation);

private:
    using Refused = std::optional<Refusal>;

    // exchange.cpp
    void begin(Session& session);
    Result<bool> take_head();
    net::Task<Result<void>> read_head();
    Refused check_head();
    Refused take_target();
    Refused take_ftp_target();
    net::Task<bool> route();

    // exchange_judge.cpp
    void fill_client_facts(sessions::Judgement& judgement) const;
    void fill_request_facts();
    void fill_request_facts(sessions::Judgement& judgement);
    void fill_response_facts();
    Refused judge_accept();
    net::Task<Refused> judge(policy::Phase phase);
    net::Task<Refused> authenticate(const policy::Decision& decision);
    Refused settle(const policy::Decision& decision, policy::Phase phase);

    // exchange_upstream.cpp
    net::Task<Refused> connect();
    void open_ftp();
    bool take_pooled();
    void drop_upstream();
    void keep_upstream();

    // exchange_forward.cpp
    net::Task<bool> forward();
    void write_request_head();
    void write_response_head();
    net::Task<Result<void>> send_request();
    net::Task<Result<void>> read_response_head();
    net::Task<Result<void>> relay_interim();
    bool may_retry(const Error& error) const;
    net::Task<bool> relay_response();
    std::string_view via(http1::Version received);

    // exchange_body.cpp
    // A body on its way: how it came, how it goes on, and the pieces of it that can go now.
    struct Body {
        void begin(const http1::Framing& framing, bool chunked, const Limits& limits, Side side);
        // What is there of it, from the front of `unread`, without its framing: into `content`.
        Result<void> take(std::string_view& unread);
        // So much of it came unframed, and is elsewhere.
        void count(std::uint64_t size) {
            bytes += size;
            if (kind != http1::Framing::Kind::length) return;
            left -= size;
            ended = ended || left == 0;
        }
        // Views of content as they go on, into `pieces`. `last`: nothing follows them.
        void frame(std::span<const std::string_view> views, bool last);

        http1::Framing::Kind kind = http1::Framing::Kind::none;
        std::uint64_t left = 0;                          // of a body with a length
        bool chunked_out = false;
        bool ended = false;
        std::uint64_t bytes = 0;                         // without framing
        std::optional<http1::ChunkedDecoder> decoder;
        http1::ChunkPrefix prefix;
        std::string last_chunk;
        std::vector<std::string_view> content;           // views into what was read
        std::vector<std::string_view> pieces;            // and into this object
    };
    struct BodyOut {
        enum class Kind : std::uint8_t { none, length, chunked, until_close };
        Kind kind = Kind::none;
    };
    Result<void> take_buffered_upload();
    net::Task<Refused> receive_upload();
    net::Task<Result<std::size_t>> read_upload();
    net::Task<void> pump_upload();
    net::Task<Result<void>> pump_upload_bytes();
    net::Task<void> stop_upload();
    // What the last wait for more of a download came to.
    struct Came {
        enum class Kind : std::uint8_t { bytes, in_place, pause };
        Kind kind = Kind::bytes;
        std::size_t size = 0;                            // in place
    };
    net::Task<Result<void>> pump_download();
    Result<void> take_download(const Came& came);
    net::Task<Result<Came>> read_download(Limits::Duration idle, bool is_pausing);
    Result<std::size_t> try_send_download(bool head_goes);
    void send_trickle();
    net::Task<Result<void>> finish_send_download(std::size_t sent);

    // exchange_inspect.cpp
    using Inspected = sessions::Inspected;
    void begin_inspection(Inspected& way, const http1::Fields& fields, bool partial);
    // What may go on of body.content, framed, into body.pieces. A refusal: nothing more goes on.
    Refused pass(Inspected& way, Body& body);
    // The same for bytes that were read into `way.payload->room()`.
    Refused pass_in_place(Inspected& way, Body& body, std::size_t size);
    // The same where its source pauses.
    Refused pause(Inspected& way, Body& body);
    // What takes its time before more is read: files, engines. As above.
    net::Task<Result<Refused>> work_on(Inspected& way, Body& body);
    Refused follow_up(Inspected& way, Body& body);
    bool has_work(const Inspected& way) const { return way.is_on && way.payload->has_work(); }
    static bool is_done(const Inspected& way, const Body& body) { return body.ended && (!way.is_on || way.payload->is_over()); }
    Refused plan_payload(Inspected& way, const Body& body);
    Refusal refuse_payload(const Inspected& way, const sessions::Denial& denial);
    void note_cut(const Inspected& way);
    inspect::Examination examination_of(const Inspected& way, const policy::InspectOptions& options) const;
    Refused judge_payload(Inspected& way);
    void name_file(Inspected& way, const http1::Fields& fields);
    // nullopt: nothing came for a moment.
    net::Task<Result<std::optional<std::size_t>>> read_or_pause(net::Stream& stream, std::span<char> into);
    bool refuses(Refused refused);
    net::Task<void> keep_sample(Refusal& refusal);
    Inspected* recorded_payload();
    void count_payloads();
    bool will_be_inspected() const;
    bool asks_for_the_whole() const;
    Refused check_range() const;
    std::string range_key() const;

    // exchange_tunnel.cpp
    net::Task<bool> run_connect();
    net::Task<bool> say_connected();
    enum class Inside : std::uint8_t { http, tls, opaque, gone };
    net::Task<Inside> look_inside(bool must_be_known);
    net::Task<bool> run_tunnel(std::string_view scan_reason);
    net::Task<bool> upgrade();

    // exchange_intercept.cpp
    enum class TlsPlan : std::uint8_t { none, intercept, tunnel };   // none: as `[tls] intercept` says
    bool wants_decryption() const;
    bool may_show_inside(const Refusal& refusal) const;
    net::Task<bool> show_inside(Refusal refusal);
    bool hides_its_name() const;
    bool refuse_opaque();
    bool end_tunnel(const Refusal& refusal);
    void bind_if_authenticated();
    bool is_exempt() const;
    net::Task<bool> run_tls();
    net::Task<Refused> judge_hello();
    net::Task<bool> intercept();
    net::Task<bool> leave_encrypted();
    Session::Inside inside_of_connect() const;
    void refuse_inside(Session::Inside& inside, const Refusal& refusal) const;
    net::Task<bool> begin_inside(Session::Inside inside, X509* server);
    std::string_view tls_name() const;
    void fill_tls_facts(policy::Facts& facts) const;
    net::Task<Refused> begin_tls();
    Refused check_verification() const;
    bool is_covered();
    std::string_view pool_key();

    // exchange_answer.cpp
    net::Task<bool> answer(Refusal refusal);
    net::Task<bool> answer_self();
    net::Task<bool> answer_own_host();
    net::Task<bool> answer_trace();
    bool may_keep_client();
    net::Task<bool> send_own(std::string_view body, audit::Action action);

    // exchange_record.cpp
    void record(audit::Action action, audit::Stage stage = audit::Stage::whole);
    audit::Event describe(audit::Action action, audit::Stage stage);
    void note(const Refusal& refusal);
    void note_error(const Error& error, Stage stage);

    const Limits& limits() const { return generation_->settings->limits; }
    bool is_connect() const { return head_.method == "CONNECT"; }

    net::Worker& worker_;
    Service* const service_;
    Session* session_ = nullptr;
    std::shared_ptr<const Generation> generation_;
    EventId id_{};

    // The request.
    http1::RequestHead head_;
    std::optional<http1::RequestParser> request_parser_;
    Url url_;
    std::string host_key_;                               // "host:port", of the server: the pool's key
    std::string extension_;
    std::string full_url_;                               // canonical, for rules that read url.full
    std::string request_type_;
    std::string response_type_;
    char ftp_type_ = 0;                                  // of an ftp: URL
    bool has_target_ = false;                            // url_ is filled
    bool head_complete_ = false;
    Body upload_body_;
    enum class Upload : std::uint8_t { none, complete, running, failed };
    Upload upload_ = Upload::none;
    std::optional<Error> upload_error_;
    net::Gate upload_done_;
    bool upload_taken_ = false;                          // what was read ahead of the body is in upload_body_
    std::string upload_out_;
    std::string accept_encoding_;
    std::vector<std::string_view> request_pieces_;
    net::Buffer upload_in_;                              // the last of an upload that was held
    Inspected upload_payload_{policy::Direction::upload};
    Inspected download_payload_{policy::Direction::download};
    Refused payload_refusal_;                            // of the payload that was refused first, whichever way it went
    std::optional<policy::Direction> quarantined_;       // of which payload a rule wants a copy
    std::string event_reason_;                           // event.reason, where the page says less
    bool answers_expectation_ = false;                   // the 100 comes from us
    bool upload_pauses_ = false;

    // The policy.
    sessions::Judgement judgement_;
    std::string user_;
    TlsPlan plan_ = TlsPlan::none;
    std::size_t counted_tags_ = 0;                       // of its effects, those that were counted at accept
    std::size_t counted_shadows_ = 0;

    // The server.
    std::unique_ptr<net::Stream> upstream_;
    bool reused_ = false;
    std::optional<IpPort> server_;
    bool doubt_ = false;                                 // an interim response after which the connection must not be used again
    http1::ResponseHead response_;
    std::optional<http1::ResponseParser> response_parser_;
    net::Buffer in_;                                     // from the server
    net::Buffer head_in_;                                // the response's head, while its body is inspected
    bool is_cut_ = false;                                // a body ended before its end
    bool head_waits_ = false;                            // the response's head has not gone to the client yet
    bool is_sending_ = false;                            // a part of the download, which the client takes slowly
    std::string trickle_left_;                           // of a trickle, what the client had no room for
    std::string trickle_out_;                            // the same, on its way
    std::size_t in_begin_ = 0;
    std::size_t in_end_ = 0;
    Body download_body_;
    bool response_started_ = false;                      // bytes of the final response went to the client
    BodyOut body_out_;
    std::string out_;                                    // a head on its way out
    std::string host_;
    std::string via_;
    bool keep_client_ = false;
    bool linger_ = false;

    // Who watches the client while a server is slow, or a tunnel lives long.
    class Alarm;
    std::unique_ptr<Alarm> alarm_;
    net::Gate watch_done_;
    bool watching_ = false;
    bool client_gone_ = false;
    void start_client_watch();
    net::Task<void> watch_client();
    net::Task<void> stop_client_watch();
    void on_alarm();

    // A CONNECT.
    tls::ClientHello hello_;
    std::string ja4_;
    bool has_hello_ = false;
    std::int64_t hello_ns_ = 0;                          // when it was there, steady
    bool is_unreadable_ = false;                         // what began a ClientHello and is none that we know
    std::string pool_key_;
    std::string first_bytes_;                            // of the client, read before the tunnel began
    std::optional<net::RelayControl> relay_;
    bool in_tunnel_ = false;
    bool start_recorded_ = false;

    // The record.
    std::int64_t start_ns_ = 0;                          // steady
    std::int64_t policy_ns_ = 0;
    std::int64_t upstream_ns_ = 0;
    std::uint64_t client_bytes_ = 0;
    std::uint64_t server_bytes_ = 0;
    std::uint64_t client_sent_ = 0;
    std::uint64_t server_sent_ = 0;
    int status_ = 0;                                     // as the client got it
    std::string_view error_type_;
    std::string_view reason_;
    std::string_view scan_reason_;
    std::optional<audit::Action> outcome_;
    std::vector<std::string_view> shadows_;
};

}  // namespace sluice::http
