// SPDX-License-Identifier: Apache-2.0
#include "net/tls/tls_stream.h"
#include "net/gate.h"
#include "unit/net/tls/support.h"

#include <algorithm>
#include <array>
#include <vector>

namespace sluice::net::tls {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TlsStreamTest : public testing::Test {
public:
    using Body = Task<void> (*)(TlsStreamTest&, TlsStream&);

    // A client that is connected, and verified the server, whose other end echoes.
    void with_client(Body body, std::size_t capacity = 64 * 1024, std::shared_ptr<Faults> faults = nullptr) {
        worker_.run([](TlsStreamTest& self, Body use, std::size_t room, std::shared_ptr<Faults> wrong) -> Task<void> {
            auto [theirs, ours] = memory_pair(self.worker_);
            theirs->set_capacity(room);
            ours->set_capacity(room);
            if (wrong) ours->set_faults(wrong);
            spawn(self.worker_, echo(std::move(theirs), *self.acceptor_, self.leaf_, "a.test"));
            auto stream = co_await connect(std::move(ours), *self.trust_, self.sessions_, {"a.test", false}, "a.test:443", seconds(20));
            self.error_ = stream ? std::nullopt : std::optional(stream.error());
            if (!stream) co_return;
            self.connected_ = true;
            (*stream)->expires_in(seconds(20));
            co_await use(self, **stream);
        }(*this, body, capacity, std::move(faults)));
    }

    Worker worker_;
    Root root_;
    Identity leaf_ = root_.leaf("a.test");
    std::shared_ptr<const Acceptor> acceptor_ = acceptor();
    std::shared_ptr<const Trust> trust_ = root_.trust();
    SessionCache sessions_{16};
    std::optional<Error> error_;
    bool connected_ = false;
    std::string sent_ = noise(300'000);
};

// All of it there and back, whatever the room between the two.
Task<void> there_and_back(TlsStreamTest&, TlsStream& stream, const std::string& sent) {
    Gate done;
    bool is_written = false;
    spawn(stream.worker(), [](TlsStream& to, const std::string& all, bool& good, Gate& gate) -> Task<void> {
        // Pieces of all sizes, some of them empty.
        std::vector<std::string_view> pieces;
        std::size_t size = 0;
        for (std::string_view rest = all; !rest.empty(); rest.remove_prefix(std::min(size, rest.size()))) {
            size = size == 0 ? 1 : size > 40'000 ? 0 : size * 3;
            pieces.push_back(rest.substr(0, size));
        }
        good = (co_await to.write(pieces)).has_value();
        gate.open();
    }(stream, sent, is_written, done));
    std::string got;
    std::array<char, 10'000> buffer;
    while (got.size() < sent.size()) {
        const auto more = co_await stream.read_some(buffer);
        EXPECT_TRUE(more && *more > 0);
        if (!more || *more == 0) break;
        got.append(buffer.data(), *more);
    }
    co_await done.wait();
    EXPECT_TRUE(is_written);
    EXPECT_TRUE(got == sent);
}

TEST_F(TlsStreamTest, carries_bytes_through_any_room) {
    for (const std::size_t capacity : {100U, 1'000U, 5'000U, 70'000U})
        with_client(
            [](TlsStreamTest& self, TlsStream& stream) { return there_and_back(self, stream, static_cast<TlsStreamTest&>(self).sent_); },
            capacity);
    EXPECT_TRUE(connected_);
}

TEST_F(TlsStreamTest, carries_bytes_in_small_reads_and_writes) {
    sent_.resize(20'000);
    auto faults = std::make_shared<Faults>();
    faults->longest_read = 7;
    faults->longest_write = 11;
    with_client([](TlsStreamTest& self, TlsStream& stream) { return there_and_back(self, stream, self.sent_); }, 1'000, faults);
    EXPECT_TRUE(connected_);
}

// Whichever step fails: it is an error, and nobody hangs.
TEST_F(TlsStreamTest, every_failing_step_ends_it) {
    for (std::size_t step = 1;; ++step) {
        auto faults = std::make_shared<Faults>();
        faults->fail_at = step;
        connected_ = false;
        bool is_over = false;
        worker_.run([](TlsStreamTest& self, std::shared_ptr<Faults> wrong, bool& over) -> Task<void> {
            auto [theirs, ours] = memory_pair(self.worker_);
            ours->set_faults(wrong);
            spawn(self.worker_, echo(std::move(theirs), *self.acceptor_, self.leaf_, "a.test"));
            auto stream = co_await connect(std::move(ours), *self.trust_, self.sessions_, {"a.test", false}, "x", seconds(5));
            if (!stream) {
                EXPECT_EQ(stream.error().code, Errc::reset);
                co_return;
            }
            (*stream)->expires_in(seconds(5));
            const std::string_view text = "hello";
            std::array<char, 5> back;
            if (!co_await (*stream)->write({&text, 1})) co_return;
            std::size_t size = 0;
            while (size < back.size()) {
                const auto got = co_await (*stream)->read_some(std::span(back).subspan(size));
                if (!got || *got == 0) co_return;
                size += *got;
            }
            over = true;
        }(*this, faults, is_over));
        if (is_over && faults->operations < step) break;
        ASSERT_LT(step, 200U);
    }
}

TEST_F(TlsStreamTest, the_end_is_said_and_a_cut_is_none) {
    with_client([](TlsStreamTest&, TlsStream& stream) -> Task<void> {
        stream.shutdown_write();
        char byte;
        EXPECT_EQ(co_await stream.read_some({&byte, 1}), 0U) << "the other end closes in an orderly way";
        const std::string_view more = "x";
        EXPECT_FALSE(co_await stream.write({&more, 1}));
    });
    // The server leaves without a word.
    worker_.run([](TlsStreamTest& self) -> Task<void> {
        auto [theirs, ours] = memory_pair(self.worker_);
        MemoryStream* raw = theirs.get();
        spawn(self.worker_, echo(std::move(theirs), *self.acceptor_, self.leaf_, "a.test"));
        auto stream = co_await connect(std::move(ours), *self.trust_, self.sessions_, {"a.test", false}, "y", seconds(5));
        EXPECT_TRUE(stream);
        if (!stream) co_return;
        raw->shutdown_write();
        (*stream)->expires_in(seconds(5));
        char byte;
        const auto got = co_await (*stream)->read_some({&byte, 1});
        EXPECT_FALSE(got);
        EXPECT_EQ(got ? Errc::closed : got.error().code, Errc::reset);
    }(*this));
}

TEST_F(TlsStreamTest, garbage_silence_and_cancelling_end_the_handshake) {
    for (const std::string_view said : {"HTTP/1.1 400 Bad Request\r\n\r\n", ""}) {
        worker_.run([](TlsStreamTest& self, std::string_view text) -> Task<void> {
            auto [theirs, ours] = memory_pair(self.worker_);
            if (!text.empty()) EXPECT_TRUE(co_await theirs->write({&text, 1}));
            const auto stream = co_await connect(std::move(ours), *self.trust_, self.sessions_, {"a.test", false}, "z", milliseconds(300));
            EXPECT_FALSE(stream);
            if (!stream) EXPECT_EQ(stream.error().code, text.empty() ? Errc::timed_out : Errc::tls_failed);
            if (!stream) EXPECT_EQ(stream.error().side, Side::server);
        }(*this, said));
    }
}

TEST_F(TlsStreamTest, who_refuses_says_why) {
    worker_.run([](TlsStreamTest& self) -> Task<void> {
        auto [theirs, ours] = memory_pair(self.worker_);
        std::unique_ptr<Stream> below = std::move(theirs);
        // A client that verifies with the system's roots alone.
        SslContextPtr context(SSL_CTX_new(TLS_client_method()));
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
        SslPtr ssl(SSL_new(context.get()));
        SSL_set_connect_state(ssl.get());
        auto client = std::make_unique<TlsStream>(std::move(ours), std::move(ssl));
        client->expires_in(seconds(5));
        Gate done;
        spawn(self.worker_, [](TlsStream& stream, Gate& gate) -> Task<void> {
            const auto shaken = co_await stream.handshake();
            EXPECT_FALSE(shaken);
            gate.open();
        }(*client, done));
        auto server = self.acceptor_->open(below, {}, &self.leaf_, "a.test");
        EXPECT_TRUE(server);
        (*server)->expires_in(seconds(5));
        const auto shaken = co_await (*server)->handshake();
        EXPECT_FALSE(shaken);
        if (!shaken) EXPECT_EQ(shaken.error().code, Errc::tls_failed);
        if (!shaken) EXPECT_EQ(shaken.error().cause, SSL_AD_UNKNOWN_CA);
        co_await done.wait();
    }(*this));
}

// What was read before TLS began counts, wherever it was cut.
TEST_F(TlsStreamTest, what_was_read_ahead_is_the_beginning) {
    for (std::size_t ahead = 0; ahead < 200; ahead += 23) {
        worker_.run([](TlsStreamTest& self, std::size_t size) -> Task<void> {
            auto [theirs, ours] = memory_pair(self.worker_);
            MemoryStream* peer = theirs.get();
            Gate done;
            bool is_good = false;
            spawn(self.worker_, [](TlsStreamTest& of, std::unique_ptr<Stream> below, bool& good, Gate& gate) -> Task<void> {
                const auto stream = co_await connect(std::move(below), *of.trust_, of.sessions_, {"a.test", false}, "w", seconds(5));
                good = stream.has_value();
                gate.open();
                co_await of.worker_.sleep(milliseconds(50));  // the server still has tickets to send
            }(self, std::move(ours), is_good, done));
            while (peer->unread().size() < 200) co_await self.worker_.sleep(milliseconds(1));
            std::string first(size, 0);
            if (size > 0) EXPECT_EQ(peer->try_read(first), size);
            std::unique_ptr<Stream> below = std::move(theirs);
            auto server = self.acceptor_->open(below, std::move(first), &self.leaf_, "a.test");
            (*server)->expires_in(seconds(5));
            EXPECT_TRUE(co_await (*server)->handshake());
            co_await done.wait();
            EXPECT_TRUE(is_good);
        }(*this, ahead));
    }
}

// Tickets come when nobody asks: they wake nobody, and a connection in a pool is still quiet.
TEST_F(TlsStreamTest, tickets_are_nothing_to_read) {
    with_client([](TlsStreamTest& self, TlsStream& stream) -> Task<void> {
        co_await self.worker_.sleep(milliseconds(20));
        EXPECT_TRUE(stream.is_quiet());
        stream.expires_in(milliseconds(300));
        const auto ready = co_await stream.wait_readable();
        EXPECT_FALSE(ready);
        EXPECT_EQ(ready ? Errc::closed : ready.error().code, Errc::timed_out);
        stream.expires_in(seconds(5));
        const std::string_view text = "x";
        EXPECT_TRUE(co_await stream.write({&text, 1}));
        EXPECT_TRUE(co_await stream.wait_readable());
        EXPECT_FALSE(stream.is_quiet());
    });
    EXPECT_EQ(sessions_.size(), 1U);
}

TEST_F(TlsStreamTest, tls_in_tls) {
    with_client([](TlsStreamTest& self, TlsStream& outer) -> Task<void> {
        // The other end echoes: what is said inside comes back, which is no handshake.
        static_cast<void>(outer);
        auto [theirs, ours] = memory_pair(self.worker_);
        Gate done;
        spawn(self.worker_, [](TlsStreamTest& of, std::unique_ptr<Stream> below, Gate& gate) -> Task<void> {
            auto first = of.acceptor_->open(below, {}, &of.leaf_, "a.test");
            (*first)->expires_in(seconds(5));
            EXPECT_TRUE(co_await (*first)->handshake());
            std::unique_ptr<Stream> inner = std::move(*first);
            co_await echo(std::move(inner), *of.acceptor_, of.leaf_, "a.test");
            gate.open();
        }(self, std::move(theirs), done));
        auto first = co_await connect(std::move(ours), *self.trust_, self.sessions_, {"a.test", false}, "1", seconds(5));
        EXPECT_TRUE(first);
        auto second = co_await connect(std::move(*first), *self.trust_, self.sessions_, {"a.test", false}, "2", seconds(5));
        EXPECT_TRUE(second);
        (*second)->expires_in(seconds(10));
        co_await there_and_back(self, **second, self.sent_);
        (*second)->close();
        co_await done.wait();
    });
}

}  // namespace
}  // namespace sluice::net::tls
