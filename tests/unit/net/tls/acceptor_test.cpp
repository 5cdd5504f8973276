// SPDX-License-Identifier: Apache-2.0
#include "net/tls/acceptor.h"
#include "unit/net/tls/pair.h"

#include <openssl/err.h>

namespace sluice::net::tls {
namespace {

using std::chrono::seconds;

// What came of one client's visit.
struct Visit {
    std::optional<Error> client;
    std::optional<Error> server;
    std::string protocol;
    bool is_resumed = false;
    std::string shown;  // subject of the certificate that the client was shown
    std::string client_name;
    std::string version;
    SessionPtr session;  // the client's, to be resumed
};

class AcceptorTest : public testing::Test {
public:
    Visit visit(SSL_CTX& client, const Acceptor& acceptor, const Identity* identity, std::string_view name,
                SSL_SESSION* session = nullptr) {
        Visit visit;
        worker_.run([](Worker& on, SSL_CTX& context, const Acceptor& at, const Identity* with, std::string_view of, SSL_SESSION* known,
                       Visit& out) -> Task<void> {
            auto [theirs, ours] = memory_pair(on);
            std::unique_ptr<Stream> below = std::move(theirs);
            auto opened = at.open(below, {}, with, of);
            EXPECT_TRUE(opened);
            EXPECT_FALSE(below);
            if (!opened) co_return;
            const auto server = std::move(*opened);
            const auto user = open_client(context, std::move(ours));
            if (known != nullptr) SSL_set_session(user->ssl(), known);
            user->expires_in(seconds(20));
            server->expires_in(seconds(20));
            const Shaken shaken = co_await shake(*user, *server);
            if (!shaken.server) out.server = shaken.server.error();
            if (!shaken.client) out.client = shaken.client.error();
            if (!shaken.client) co_return;
            if (shaken.server) EXPECT_TRUE(co_await send(*server, "x"));
            const auto got = co_await receive(*user, 1);  // the tickets as well, or why there are none
            if (!got) out.client = got.error();
            if (!got || !shaken.server) co_return;
            EXPECT_EQ(user->is_resumed(), server->is_resumed());
            const unsigned char* chosen = nullptr;
            unsigned size = 0;
            SSL_get0_alpn_selected(user->ssl(), &chosen, &size);
            out.protocol = std::string(reinterpret_cast<const char*>(chosen), size);
            out.is_resumed = server->is_resumed();
            out.client_name = client_name(*server);
            out.version = server->version();
            out.session.reset(SSL_get1_session(user->ssl()));
            if (X509* certificate = SSL_get0_peer_certificate(user->ssl())) out.shown = ca::subject_of(*certificate);
        }(worker_, client, acceptor, identity, name, session, visit));
        return visit;
    }
    static SslContextPtr client_offering(std::string_view protocols) {
        SslContextPtr context = client_context();
        SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                                static_cast<unsigned>(protocols.size()));
        return context;
    }
    static SslContextPtr client_with(const Identity& identity, int most = TLS1_3_VERSION) {
        SslContextPtr context = client_context(most);
        SSL_CTX_use_certificate(context.get(), identity.certificate.get());
        SSL_CTX_use_PrivateKey(context.get(), identity.key.get());
        return context;
    }

    Worker worker_;
    const Identity a_ = make_certificate({.common_name = "a.test"});
    const Identity b_ = make_certificate({.common_name = "b.test", .names = "DNS:b.test"});
    const std::shared_ptr<const Acceptor> acceptor_ = acceptor();
    const SslContextPtr client_ = client_context();
};

TEST_F(AcceptorTest, one_protocol_is_chosen_where_it_is_offered) {
    const auto chosen = [&](const Acceptor& of, std::string_view offered) {
        const Visit visited = visit(*client_offering(offered), of, &a_, "a.test");
        EXPECT_FALSE(visited.client || visited.server);
        return visited.protocol;
    };
    EXPECT_EQ(chosen(*acceptor_, "\x02h2\x08http/1.1"), "http/1.1");
    EXPECT_EQ(chosen(*acceptor_, "\x08http/1.1\x02h2"), "http/1.1");
    EXPECT_EQ(chosen(*acceptor_, "\x02h2"), "") << "not chosen, nor refused";
    EXPECT_EQ(chosen(*acceptor_, "\x08http/1.0\x09http/1.10"), "");
    EXPECT_EQ(chosen(*acceptor_, ""), "");
    const auto other = *Acceptor::make({.protocol = "h2", .certificate = {}, .key = {}, .client_roots = {}});
    EXPECT_EQ(chosen(*other, "\x08http/1.1\x02h2"), "h2");
}

TEST_F(AcceptorTest, each_connection_shows_its_own_certificate) {
    EXPECT_EQ(visit(*client_, *acceptor_, &a_, "a.test").shown, "CN=a.test");
    EXPECT_EQ(visit(*client_, *acceptor_, &b_, "b.test").shown, "CN=b.test");
    const Identity rsa = make_certificate({.common_name = "rsa.test", .rsa_bits = 2048});
    EXPECT_EQ(visit(*client_, *acceptor_, &rsa, "rsa.test").shown, "CN=rsa.test");
}

// It is looked at where it is wanted: in the handshake.
TEST_F(AcceptorTest, a_certificate_with_another_key_ends_the_handshake) {
    Identity wrong;
    wrong.certificate.reset(X509_dup(a_.certificate.get()));
    wrong.key.reset(EVP_EC_gen("P-256"));
    worker_.run([](AcceptorTest& self, const Identity& identity) -> Task<void> {
        auto [theirs, ours] = memory_pair(self.worker_);
        Gate done;
        spawn(self.worker_, [](AcceptorTest& of, std::unique_ptr<Stream> below, const Identity& shown, Gate& gate) -> Task<void> {
            const auto opened = of.acceptor_->open(below, {}, &shown, "a.test");
            EXPECT_TRUE(opened);
            (*opened)->expires_in(std::chrono::seconds(5));
            const auto shaken = co_await (*opened)->handshake();
            EXPECT_FALSE(shaken);
            if (!shaken) EXPECT_EQ(shaken.error().code, Errc::tls_failed);
            gate.open();
        }(self, std::move(theirs), identity, done));
        SslContextPtr context(SSL_CTX_new(TLS_client_method()));
        SslPtr ssl(SSL_new(context.get()));
        SSL_set_connect_state(ssl.get());
        TlsStream client(std::move(ours), std::move(ssl));
        client.expires_in(std::chrono::seconds(5));
        EXPECT_FALSE(co_await client.handshake());
        co_await done.wait();
    }(*this, wrong));
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(AcceptorTest, sessions_are_resumed_for_their_name_and_by_who_began_them) {
    for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
        const auto client = client_context(version);
        const Visit first = visit(*client, *acceptor_, &a_, "a.test");
        EXPECT_FALSE(first.is_resumed);
        ASSERT_TRUE(first.session);
        EXPECT_EQ(SSL_SESSION_is_resumable(first.session.get()), 1);
        EXPECT_EQ(SSL_SESSION_get_max_early_data(first.session.get()), 0U) << "it could be replayed";
        const Visit again = visit(*client, *acceptor_, &a_, "a.test", first.session.get());
        EXPECT_TRUE(again.is_resumed);
        EXPECT_EQ(again.version, version == TLS1_3_VERSION ? "1.3" : "1.2");
        for (const std::string_view other : {"b.test", "", "a.test."}) {
            const Visit elsewhere = visit(*client, *acceptor_, &b_, other, first.session.get());
            EXPECT_FALSE(elsewhere.client || elsewhere.server);
            EXPECT_FALSE(elsewhere.is_resumed) << other;
            EXPECT_EQ(elsewhere.shown, "CN=b.test");
        }
        const Visit stranger = visit(*client, *acceptor(), &a_, "a.test", first.session.get());
        EXPECT_FALSE(stranger.client || stranger.server);
        EXPECT_FALSE(stranger.is_resumed) << "the key is another";
    }
}

// Those of 1.3 are used once: whoever resumes gets another, which is as good.
TEST_F(AcceptorTest, who_resumes_gets_another_ticket) {
    for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
        const auto client = client_context(version);
        Visit last = visit(*client, *acceptor_, &a_, "a.test");
        for (int i = 0; i < 3; ++i) {
            const auto ticket_of = [](const SSL_SESSION& session) {
                const unsigned char* ticket = nullptr;
                std::size_t size = 0;
                SSL_SESSION_get0_ticket(&session, &ticket, &size);
                return std::string(reinterpret_cast<const char*>(ticket), size);
            };
            ASSERT_TRUE(last.session);
            Visit next = visit(*client, *acceptor_, &a_, "a.test", last.session.get());
            EXPECT_TRUE(next.is_resumed);
            ASSERT_TRUE(next.session);
            EXPECT_FALSE(ticket_of(*next.session).empty());
            EXPECT_EQ(ticket_of(*next.session) == ticket_of(*last.session), version == TLS1_2_VERSION);
            last = std::move(next);
        }
    }
}

// A ticket whose key is gone is no fault: the handshake is a full one.
TEST_F(AcceptorTest, a_ticket_of_a_key_that_is_gone_resumes_nothing) {
    const auto forgetful =
        *Acceptor::make({.certificate = {}, .key = {}, .client_roots = {}, .ticket_period = TicketKeys::Clock::duration::zero()});
    for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
        const auto client = client_context(version);
        const Visit first = visit(*client, *forgetful, &a_, "a.test");
        ASSERT_TRUE(first.session);
        const Visit again = visit(*client, *forgetful, &a_, "a.test", first.session.get());
        EXPECT_FALSE(again.client || again.server);
        EXPECT_FALSE(again.is_resumed);
        EXPECT_EQ(again.shown, "CN=a.test");
    }
}

TEST_F(AcceptorTest, each_suite_is_spoken_and_the_cheapest_preferred) {
    const auto chosen = [&](const char* offered) {
        const auto client = client_context();
        SSL_CTX_set_ciphersuites(client.get(), offered);
        const Visit visited = visit(*client, *acceptor_, &a_, "a.test");
        EXPECT_FALSE(visited.client || visited.server) << offered;
        return visited.session ? std::string(SSL_CIPHER_standard_name(SSL_SESSION_get0_cipher(visited.session.get()))) : std::string();
    };
    constexpr auto aes_128 = "TLS_AES_128_GCM_SHA256";
    constexpr auto aes_256 = "TLS_AES_256_GCM_SHA384";
    constexpr auto chacha = "TLS_CHACHA20_POLY1305_SHA256";
    EXPECT_EQ(chosen(aes_128), aes_128);
    EXPECT_EQ(chosen(aes_256), aes_256);
    EXPECT_EQ(chosen(chacha), chacha);
    EXPECT_EQ(chosen("TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"), aes_128);
    EXPECT_EQ(chosen("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"), chacha) << "whoever has it first has no AES in hardware";
}

TEST_F(AcceptorTest, old_versions_are_refused) {
    SslContextPtr old(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_security_level(old.get(), 0);
    SSL_CTX_set_min_proto_version(old.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(old.get(), TLS1_1_VERSION);
    const Visit visited = visit(*old, *acceptor_, &a_, "a.test");
    ASSERT_TRUE(visited.client && visited.server);
    EXPECT_EQ(visited.client->cause, SSL_AD_PROTOCOL_VERSION);
    EXPECT_EQ(visited.server->code, Errc::tls_failed);
    EXPECT_EQ(visited.server->side, Side::client);
}

class ClientRoots : public AcceptorTest {
public:
    Identity user(std::string name, const ca::Authority* issuer, std::string usage = "clientAuth") {
        return make_certificate({.common_name = std::move(name), .names = "", .usage = std::move(usage), .issuer = issuer});
    }
    const Root root_;
    const std::shared_ptr<const Acceptor> asks_ = *Acceptor::make({.certificate = {}, .key = {}, .client_roots = root_.file()});
};

TEST_F(ClientRoots, who_has_a_certificate_of_them_is_known_by_name) {
    for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
        const auto client = client_with(user("Zoë", &root_.authority()), version);
        const Visit first = visit(*client, *asks_, &a_, "a.test");
        EXPECT_FALSE(first.client || first.server);
        EXPECT_EQ(first.client_name, "Zoë");
        const Visit again = visit(*client, *asks_, &a_, "a.test", first.session.get());
        EXPECT_TRUE(again.is_resumed);
        EXPECT_EQ(again.client_name, "Zoë") << "known of the first time";
    }
    EXPECT_EQ(visit(*client_with(user("", &root_.authority())), *asks_, &a_, "a.test").client_name, "");
    EXPECT_EQ(visit(*client_with(user("unasked", &root_.authority())), *acceptor_, &a_, "a.test").client_name, "");
}

TEST_F(ClientRoots, a_name_is_the_first_one_and_in_utf_8) {
    Identity several = user("first", &root_.authority());
    X509_NAME* subject = X509_get_subject_name(several.certificate.get());
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("organisation"), -1, 0, 0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("last"), -1, -1, 0);
    X509_sign(several.certificate.get(), root_.authority().key.get(), EVP_sha256());
    EXPECT_EQ(visit(*client_with(several), *asks_, &a_, "a.test").client_name, "first");
    Identity wide = user("", &root_.authority());
    // Zoë in UTF-16, as old authorities write it.
    X509_NAME_add_entry_by_NID(X509_get_subject_name(wide.certificate.get()), NID_commonName, V_ASN1_BMPSTRING,
                               reinterpret_cast<const unsigned char*>("\0Z\0o\0\xeb"), 6, -1, 0);
    X509_sign(wide.certificate.get(), root_.authority().key.get(), EVP_sha256());
    EXPECT_EQ(visit(*client_with(wide), *asks_, &a_, "a.test").client_name, "Zoë");
}

TEST_F(ClientRoots, who_has_none_or_one_of_others_is_refused) {
    const ca::Authority stranger = std::move(*ca::make_authority("Stranger"));
    const ca::Authority same_name = std::move(*ca::make_authority("Root"));
    const auto expect_refused = [&](SSL_CTX& client, int alert, std::string_view what) {
        const Visit visited = visit(client, *asks_, &a_, "a.test");
        ASSERT_TRUE(visited.server) << what;
        EXPECT_EQ(visited.server->code, Errc::tls_failed) << what;
        EXPECT_EQ(visited.server->side, Side::client) << what;
        EXPECT_EQ(visited.server->cause, 0) << what;
        ASSERT_TRUE(visited.client) << what;
        EXPECT_EQ(visited.client->cause, alert) << what;
    };
    expect_refused(*client_, SSL_AD_CERTIFICATE_REQUIRED, "none");
    expect_refused(*client_context(TLS1_2_VERSION), SSL_AD_HANDSHAKE_FAILURE, "none in 1.2");
    for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
        expect_refused(*client_with(user("a stranger", &stranger), version), SSL_AD_UNKNOWN_CA, "of a stranger");
        expect_refused(*client_with(user("another", &same_name), version), SSL_AD_DECRYPT_ERROR, "of a stranger of that name");
        expect_refused(*client_with(user("self", nullptr), version), SSL_AD_UNKNOWN_CA, "of itself");
        expect_refused(*client_with(user("server", &root_.authority(), "serverAuth"), version), SSL_AD_UNSUPPORTED_CERTIFICATE,
                       "one for servers");
        expect_refused(
            *client_with(make_certificate({.names = "", .usage = "clientAuth", .from = -9, .until = -1, .issuer = &root_.authority()}),
                         version),
            SSL_AD_CERTIFICATE_EXPIRED, "of last week");
    }
}

TEST_F(AcceptorTest, its_own_certificate_is_of_files_and_faults_name_them) {
    const File certificate(ca::to_pem(*a_.certificate));
    const File key(ca::key_to_pem(*a_.key));
    const File other_key(ca::key_to_pem(*b_.key));
    const File text("nothing");
    const auto own = Acceptor::make({.certificate = certificate.path(), .key = key.path(), .client_roots = {}});
    ASSERT_TRUE(own);
    EXPECT_EQ(visit(*client_, **own, nullptr, "own").shown, "CN=a.test");
    const auto fault = [](const Acceptor::Options& options) {
        const auto made = Acceptor::make(options);
        EXPECT_FALSE(made);
        EXPECT_EQ(ERR_peek_error(), 0U);
        return made ? std::string() : made.error();
    };
    for (const std::filesystem::path& wrong : {text.path(), std::filesystem::path("/nowhere/own.pem")}) {
        EXPECT_EQ(fault({.certificate = wrong, .key = key.path(), .client_roots = {}}), wrong.string() + " holds no certificate in PEM");
        EXPECT_EQ(fault({.certificate = certificate.path(), .key = wrong, .client_roots = {}}),
                  wrong.string() + " is not the key of " + certificate.path().string());
        EXPECT_EQ(fault({.certificate = {}, .key = {}, .client_roots = wrong}), wrong.string() + " holds no certificates in PEM");
    }
    EXPECT_EQ(fault({.certificate = certificate.path(), .key = other_key.path(), .client_roots = {}}),
              other_key.path().string() + " is not the key of " + certificate.path().string());
}

}  // namespace
}  // namespace sluice::net::tls
