// SPDX-License-Identifier: Apache-2.0
// The session with a server that mail goes to (RFC 5321, LMTP: RFC 2033), asked and answered in step: its greeting, who we and our client are,
// TLS, envelopes, and messages, which go on as they come and end only when somebody says so.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/task.h"
#include "net/tls/session_cache.h"
#include "net/tls/tls_stream.h"
#include "net/tls/trust.h"
#include "net/worker.h"
#include "protocols/smtp/content.h"
#include "protocols/smtp/extensions.h"
#include "protocols/smtp/reply.h"
#include "protocols/smtp/xclient.h"
#include "sessions/smtp/channel.h"
#include "sessions/smtp/settings.h"

namespace sluice::smtp {

class Upstream {
public:
    template <class T>
    using Outcome = net::Task<Result<T>>;

    // `server`: as it is configured; `sessions`: TLS sessions with it, of the worker. Both outlive it.
    Upstream(std::shared_ptr<const Settings> settings, const UpstreamServer& server, std::unique_ptr<net::Stream> stream,
             net::tls::SessionCache& sessions);
    Upstream(const Upstream&) = delete;
    Upstream& operator=(const Upstream&) = delete;

    // From the connection to the answer to EHLO. `client`: for XCLIENT and the PROXY protocol, its `helo` for EHLO. `local`: where the client came in.
    Outcome<void> open(const ClientAttributes& client, const IpPort& local);
    // The client says EHLO again, maybe with another name.
    Outcome<void> greet_again(const ClientAttributes& client);
    // QUIT, whose answer nobody waits for. Of a message that has begun: the connection breaks, so that no server takes it for whole.
    void leave();

    const Extensions& extensions() const { return extensions_; }
    bool is_lmtp() const { return server_.kind == UpstreamServer::Kind::lmtp; }
    bool is_in_tls() const { return tls_ != nullptr; }
    bool is_loopback() const;
    const std::string& issuer() const { return issuer_; }
    std::string_view problem() const { return problem_; }  // what could not be verified; empty: nothing
    std::string_view tls_version() const { return tls_ ? tls_->version() : std::string_view(); }

    // One command, one reply. A line without CRLF. An error is final: nothing more can be asked.
    Outcome<Reply> ask(std::string_view line, Limits::Duration within);
    // The same where the server may ask back (3xx): AUTH, and what it is answered; DATA.
    Outcome<Reply> ask_step(std::string_view line, Limits::Duration within);
    // XFORWARD, before a MAIL, where that is how the server learns the client. Nothing else may fail by it.
    Outcome<void> introduce(const ClientAttributes& client);
    // Where nothing was asked for long: NOOP, so that the server's patience begins anew.
    Outcome<void> keep_alive();

    // A message: `begin` says DATA where the server has no BDAT, and what it refuses is the outcome; then nothing is sent but through `put`.
    Outcome<std::optional<Reply>> begin_message();
    // `pieces` of its content, without the dots of DATA. What waits to make a chunk worth its reply is copied.
    Outcome<void> put(std::span<const std::string_view> pieces);
    // Its end, and what the server says. The outcome is an error also where nobody knows whether the server has it.
    Outcome<Reply> end_message();
    // It is not to be delivered. Afterwards the session goes on where RSET could say so; else it is broken.
    net::Task<void> abort_message();
    bool is_in_message() const { return is_in_message_; }
    bool is_broken() const { return is_broken_; }

    std::uint64_t received() const { return channel_ ? channel_->received() : 0; }
    std::int64_t take_waited_ns() { return std::exchange(waited_ns_, 0); }

private:
    static constexpr std::size_t chunk_size = 256 * 1024;  // octets of one BDAT
    static constexpr std::size_t most_unanswered = 16;  // chunks whose replies have not come

    Outcome<void> talk(const ClientAttributes& client, const IpPort& local);
    Outcome<Reply> await_reply(Limits::Duration within);
    Result<Reply> only_final(Result<Reply> reply);
    Outcome<void> hello(std::string_view name);
    Outcome<void> secure();
    Outcome<void> shake_hands();
    Outcome<void> tell_client(const ClientAttributes& client);
    Outcome<void> put_stuffed(std::span<const std::string_view> pieces);
    Outcome<void> put_chunk(bool is_last);
    Outcome<void> await_chunks(std::size_t unanswered_at_most);
    bool has_spoken_unasked();
    std::unexpected<Error> broken(const Error& error);
    const Limits& limits() const { return settings_->limits; }

    std::shared_ptr<const Settings> settings_;
    const UpstreamServer& server_;
    net::tls::SessionCache& sessions_;
    std::optional<Channel> channel_;  // none: a handshake failed
    ReplyReader replies_;
    Extensions extensions_;
    std::string name_;  // said in EHLO
    std::int64_t waited_ns_ = 0;
    std::chrono::steady_clock::time_point last_asked_{};
    bool is_broken_ = false;

    const net::tls::TlsStream* tls_ = nullptr;  // null: in the clear
    std::shared_ptr<const net::tls::Trust> trust_;
    std::string issuer_;
    std::string_view problem_;

    // The message under way.
    bool is_in_message_ = false;
    bool is_chunked_ = false;  // by BDAT
    DotStuffer stuffer_;
    Views stuffed_;
    std::string chunk_;  // what waits to become one
    std::size_t unanswered_ = 0;
    std::optional<Reply> chunk_refused_;
};

}  // namespace sluice::smtp
