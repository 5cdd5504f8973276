// SPDX-License-Identifier: Apache-2.0
// The session with a server: asked and answered in step, its TLS, and its data connections, one transfer at a time. What is asked is said by whoever
// has it: a client's session, or a URL that is fetched.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/url.h"
#include "net/peer_listener.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/tls/session_cache.h"
#include "net/tls/trust.h"
#include "policy/protect_host.h"
#include "protocols/ftp/login.h"
#include "sessions/ftp/control.h"
#include "sessions/ftp/settings.h"

namespace sluice::ftp {

class Upstream {
public:
    template <class T>
    using Outcome = net::Task<Result<T>>;
    // For whom it is.
    struct For {
        std::shared_ptr<const Settings> settings;
        std::shared_ptr<const policy::ProtectHost> protect_host;  // of data connections; null: turned off
        IpAddress client;
        std::function<std::optional<Error>()> has_left;  // the client, and how: nothing is waited for then
    };
    // `server`: as it was asked for. `news` and what `whose` refers to outlive it.
    Upstream(net::Worker& worker, News& news, std::unique_ptr<net::Stream> stream, const FixedServer& server, For whose);
    Upstream(const Upstream&) = delete;
    Upstream& operator=(const Upstream&) = delete;
    // A reload.
    void use(std::shared_ptr<const Settings> settings);

    // Before it is destroyed. `leave` says QUIT first, whose answer nobody waits for.
    net::Task<void> stop();
    net::Task<void> leave();

    // What it says, reply by reply.
    bool has_reply() const { return control_ && control_->has_reply(); }
    const Reply& front() const { return control_->front(); }
    // Why nothing more comes.
    std::optional<Error> failure() const;
    Control::Traffic traffic() const { return control_ ? control_->traffic() : Control::Traffic(); }
    Outcome<Reply> ask(std::string_view verb, std::string_view argument);
    Outcome<Reply> await_reply(Limits::Duration within);
    Outcome<Reply> await_final(Limits::Duration within);  // past preliminary ones, all of them together in that time
    std::int64_t take_waited_ns() { return std::exchange(waited_ns_, 0); }

    // TLS. The greeting, past preliminary replies; behind a handshake where the port is that of implicit TLS.
    Outcome<Reply> greeting();
    // Then: AUTH, where the settings want it. `is_client_private`: what `match` looks at. What is wanted and not had is an error; so is a handshake that
    // fails, whatever else would have been good enough.
    Outcome<void> secure(bool is_client_private);
    bool is_in_tls() const { return tls_ != nullptr; }
    const std::string& issuer() const { return issuer_; }
    std::string_view problem() const { return problem_; }  // what could not be verified; empty: nothing

    // The data connection, and the command over it: its first reply, preliminary or a refusal. `from`: REST before it. `is_client_private`: of the data.
    Outcome<Reply> begin_transfer(std::string_view verb, std::string_view argument, std::uint64_t from, bool is_client_private);
    // Where there was no data connection: why, if that is not in the server's words; and whether it was protect-host.
    const std::string& no_data() const { return no_data_; }
    bool is_data_prohibited() const { return is_data_prohibited_; }
    // The server has the command, and will say how it ended.
    bool is_transferring() const { return is_transferring_; }
    net::Stream* data() const { return data_.get(); }
    // What the server says last, once all octets have gone.
    Outcome<Reply> end_transfer();
    // It is told to stop, and its data connection breaks. Afterwards replies are in step again; the first refusal among what it said is returned. Of a
    // download that is nearly over the rest is waited for instead.
    Outcome<std::optional<Reply>> abort_transfer(bool is_download);
    void cancel_data();
    void break_data();  // an orderly end would make a whole file of it
    void forget_data();

private:
    Outcome<void> tell(std::string_view verb, std::string_view argument);
    Outcome<void> shake_hands();
    Outcome<void> agree_on_protection(bool is_client_private);
    Outcome<void> secure_data();
    Outcome<std::optional<Reply>> connect_passively();  // a reply: why there is none
    Outcome<std::optional<Reply>> listen();
    net::Task<void> hear_data_out();
    net::Task<bool> drain_data();
    Reply refuse_data(std::string_view why);
    bool is_implicit() const;
    net::tls::ServerName name() const { return {server_.host.host, server_.host.address.has_value()}; }
    std::string key() const;
    const Settings& settings() const { return *whose_.settings; }
    const Limits& limits() const { return settings().limits; }

    net::Worker& worker_;
    News& news_;
    const FixedServer server_;
    For whose_;
    std::optional<ServerControl> control_;  // none: a handshake failed
    std::int64_t waited_ns_ = 0;

    // The stream is the control connection's own; with what it was opened, data connections are, whatever a reload has brought since.
    const net::tls::TlsStream* tls_ = nullptr;  // null: in the clear
    std::shared_ptr<const net::tls::Trust> trust_;
    net::tls::SessionCache sessions_{8};  // of this session alone: data connections resume the control connection's
    std::string issuer_;
    std::string_view problem_;
    bool has_pbsz_ = false;
    bool is_private_ = false;  // PROT P
    bool is_always_private_ = false;  // else as the client's are

    std::unique_ptr<net::Stream> data_;
    std::unique_ptr<net::PeerListener> listener_;
    bool is_transferring_ = false;
    std::string no_data_;
    bool is_data_prohibited_ = false;
};

}  // namespace sluice::ftp
