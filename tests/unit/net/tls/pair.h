// SPDX-License-Identifier: Apache-2.0
// The two ends of one TLS connection, with the streams in memory that are below them.
#pragma once

#include "unit/net/support.h"
#include "unit/net/tls/support.h"

namespace sluice::net::tls {

// The client's end has the server behind it, and so `Side::server`.
struct Pair {
    MemoryStream* client_below = nullptr;
    MemoryStream* server_below = nullptr;
    std::unique_ptr<TlsStream> client;
    std::unique_ptr<TlsStream> server;

    Pair(Worker& worker, SSL_CTX& of_client, SSL_CTX& of_server) {
        auto [theirs, ours] = memory_pair(worker);
        client_below = ours.get();
        server_below = theirs.get();
        client = open_client(of_client, std::move(ours));
        server = open_server(of_server, std::move(theirs));
        set_deadline(std::chrono::seconds(20));
    }
    void set_capacity(std::size_t octets) const {
        client_below->set_capacity(octets);
        server_below->set_capacity(octets);
    }
    void set_faults(const std::shared_ptr<Faults>& faults) const {
        client_below->set_faults(faults);
        server_below->set_faults(faults);
    }
    void set_deadline(Limits::Duration duration) const {
        client->expires_in(duration);
        server->expires_in(duration);
    }
};

class PairTest : public testing::Test {
public:
    ~PairTest() override { EXPECT_EQ(worker_.buffers().lent(), 0U); }

protected:
    using Body = Task<void> (*)(PairTest&, Pair&);
    // After both handshakes.
    void with_pair(Body body) { with_pair(body, *client_, *server_); }
    void with_pair(Body body, SSL_CTX& client, SSL_CTX& server) {
        worker_.run([](PairTest& self, Body use, SSL_CTX& of_client, SSL_CTX& of_server) -> Task<void> {
            Pair pair(self.worker_, of_client, of_server);
            const Shaken shaken = co_await shake(*pair.client, *pair.server);
            EXPECT_TRUE(shaken.client);
            EXPECT_TRUE(shaken.server);
            if (shaken.client && shaken.server) co_await use(self, pair);
        }(*this, body, client, server));
    }

public:
    Worker worker_;
    const Identity leaf_ = make_certificate({});
    SslContextPtr server_ = server_context(leaf_);
    SslContextPtr client_ = client_context();
};

}  // namespace sluice::net::tls
