// SPDX-License-Identifier: Apache-2.0
// One client connection: who it is, what it sent that nobody read, and the loop over its requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/buffer.h"
#include "net/connection_limits.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/tls/acceptor.h"
#include "policy/policy.h"
#include "sessions/http/refusal.h"
#include "sessions/http/settings.h"
#include "sessions/transaction/roster.h"

namespace sluice::http {

class Service;

// What is known of the TLS around the requests.
struct TlsAround {
    std::string server_name;                         // of the ClientHello
    std::string ja4;
    bool has_ech = false;                            // server_name is the outer one
    std::string version;
    std::string cipher;
    std::string server_issuer;
    bool resumed = false;
    std::string_view unverified;                     // what could not be verified of the server; a literal
    std::shared_ptr<const net::tls::Identity> leaf;  // that was shown: requests for other names do not belong here
    std::string covered;                             // a name that the leaf was found to cover
};

class Session final : public sessions::RosterEntry {
public:
    Session(Service& service, net::Accepted accepted);
    // For tests: any stream.
    Session(Service& service, std::unique_ptr<net::Stream> client, net::ConnectionPermit permit, std::string listener);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Until the client leaves, or an answer ended the connection. An idle connection holds no buffer.
    net::Task<void> run();
    // Called by a draining service: an idle connection ends now, a busy one after its answer.
    void drain() override;

    // For the exchange that is under way.
    Service& service() { return service_; }
    net::Stream& client() { return *client_; }
    // Where TLS is put on top of it. Never left null.
    std::unique_ptr<net::Stream>& client_stream() { return client_; }
    const IpPort& peer() const { return client_->peer(); }
    std::string_view listener() const { return listener_; }
    std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
    void consume(std::size_t bytes) { begin_ += bytes; }
    // Appends to what is unread, which may move (a larger buffer). 0: the client's end. too_large: no more fits.
    net::Task<Result<std::size_t>> read_more();
    // Bytes read elsewhere that belong to the next request; how many more the largest buffer has room for.
    std::size_t room_to_push_back() const { return net::BufferPool::large_size - unread().size() - pushed_back_.size(); }
    void push_back(std::string_view bytes) { pushed_back_.append(bytes); }
    std::string take_pushed_back() { return std::exchange(pushed_back_, {}); }

    // Phase `connect` at accept, judged once a connection and policy.
    struct AtAccept {
        std::shared_ptr<const Generation> generation;    // by which it was judged; keeps the views below
        policy::Decision decision;
        policy::Effects effects;
        std::vector<std::string_view> tags;
    };
    AtAccept& at_accept() { return at_accept_; }
    const std::optional<Refusal>& refused_at_accept() const { return refused_; }

    // Inside a CONNECT that carries HTTP, decrypted or plain: requests in origin-form for that authority, by the identity that the CONNECT proved.
    struct Inside {
        std::string host;
        std::uint16_t port = 0;
        std::string authority;  // both, as a Host field has them
        bool trusted = false;  // a rule trusted the tunnel: no further rule for what is in it, until a reload
        std::weak_ptr<const Generation> trusted_by;  // whose rule
        std::optional<TlsAround> tls;
        std::optional<Refusal> refusal;  // of the CONNECT: shown to the first request
        std::shared_ptr<const Generation> refused_by;  // whose words it has
    };
    std::optional<Inside>& inside() { return inside_; }
    std::string& user() { return user_; }
    // Not 0: connections to servers that are this client's alone, by that number.
    std::uint64_t binding() const { return binding_; }
    void bind(std::uint64_t number) { binding_ = number; }
    // Of the certificate that the client showed to a listener in TLS; empty: none.
    std::string_view client_issuer() const { return client_issuer_; }

private:
    net::Task<bool> open();
    void judge_client();
    void record_refused(std::string_view error, std::string_view reason, std::int64_t begun_ns, std::size_t bytes);
    net::Task<bool> read_proxy_header();
    net::Task<bool> begin_tls();
    net::Task<bool> wait_for_request();
    net::Task<void> linger();
    void tidy_buffer();

    Service& service_;
    std::unique_ptr<net::Stream> client_;
    net::ConnectionPermit permit_;
    std::string listener_;
    net::Buffer buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::string pushed_back_;
    AtAccept at_accept_;
    std::optional<Refusal> refused_;
    std::optional<Inside> inside_;
    std::string user_;
    std::string client_issuer_;
    std::uint64_t binding_ = 0;
    bool is_tls_listener_ = false;
    bool idle_ = false;
    std::uint64_t judged_at_ = 0;  // the service's count of reloads when http.clients was asked
};

}  // namespace sluice::http
