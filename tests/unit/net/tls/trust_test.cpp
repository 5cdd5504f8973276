// SPDX-License-Identifier: Apache-2.0
#include "net/tls/trust.h"
#include "net/tls/session_cache.h"
#include "unit/net/tls/support.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <functional>
#include <vector>

namespace sluice::net::tls {
namespace {

using std::chrono::seconds;

constexpr std::string_view other_name = "Its certificate is for another name.";
constexpr std::string_view unknown =
    "Its certificate is of an authority that is not known here, or certificates between the two are missing.";

ca::Authority own_authority(Wanted wanted) {
    wanted.usage = "";
    wanted.names = "";
    wanted.is_authority = true;
    Identity identity = make_certificate(wanted);
    return {std::move(identity.certificate), std::move(identity.key)};
}

class TrustTest : public testing::Test {
public:
    struct Found {
        std::optional<Error> error;
        std::string problem;
        bool is_resumed = false;
        std::string issuer;
    };
    // What is found of that server, when something went there and back.
    Found look(SSL_CTX& server, std::string_view name = "a.test", bool is_address = false) {
        return look([&](std::unique_ptr<Stream> below) { return open_server(server, std::move(below)); }, name, is_address);
    }
    Found look(const Identity& leaf, std::string_view name = "a.test", bool is_address = false) {
        return look(*server_context(leaf), name, is_address);
    }
    Found look(const std::function<std::unique_ptr<TlsStream>(std::unique_ptr<Stream>)>& open, std::string_view name,
               bool is_address = false) {
        Found found;
        worker_.run([](TrustTest& self, const auto& opened, std::string_view wanted, bool address, Found& out) -> Task<void> {
            auto [theirs, ours] = memory_pair(self.worker_);
            spawn(self.worker_, serve(opened(std::move(theirs))));
            auto stream =
                co_await connect(std::move(ours), *self.trust_, self.sessions_, {std::string(wanted), address}, wanted, seconds(20));
            if (!stream) {
                out.error = stream.error();
                co_return;
            }
            (*stream)->expires_in(seconds(20));
            const std::string_view text = "x";
            char back;
            const auto written = co_await (*stream)->write({&text, 1});
            const auto read = co_await (*stream)->read_some({&back, 1});  // its tickets came with it
            if (!written || !read) out.error = written ? read.error() : written.error();
            out.problem = verification(**stream);
            out.is_resumed = (*stream)->is_resumed();
            out.issuer = issuer_of(peer_certificate(**stream));
            (*stream)->close();
        }(*this, open, name, is_address, found));
        return found;
    }
    std::string problem(Wanted wanted, std::string_view name = "a.test", bool is_address = false) {
        if (wanted.issuer == nullptr) wanted.issuer = &root().authority();
        const Found found = look(make_certificate(wanted), name, is_address);
        EXPECT_FALSE(found.error);
        return found.problem;
    }

    static void SetUpTestSuite() {
        root_.emplace();
        shared_trust_ = root_->trust();
    }
    static void TearDownTestSuite() {
        root_.reset();
        shared_trust_.reset();
    }
    static const Root& root() { return *root_; }

    Worker worker_;
    std::shared_ptr<const Trust> trust_ = shared_trust_;
    SessionCache sessions_{16};

private:
    static inline std::optional<Root> root_;
    static inline std::shared_ptr<const Trust> shared_trust_;
};

TEST_F(TrustTest, servers_are_who_they_say) {
    EXPECT_EQ(problem({}), "");
    EXPECT_EQ(problem({}, "b.test"), other_name);
    EXPECT_EQ(problem({.common_name = "", .names = "DNS:x.test,DNS:a.test"}), "");
    EXPECT_EQ(problem({.names = ""}), other_name) << "a common name is none (RFC 6125 6.4.4)";
    EXPECT_EQ(problem({.names = "email:a.test"}), other_name);
    EXPECT_EQ(problem({.names = "DNS:*.a.test"}, "b.a.test"), "");
    EXPECT_EQ(problem({.names = "DNS:*.a.test"}, "c.b.a.test"), other_name);
    EXPECT_EQ(problem({.names = "DNS:*.a.test"}), other_name);
    EXPECT_EQ(problem({.names = "DNS:b*.a.test"}, "bc.a.test"), other_name);
    EXPECT_EQ(look(root().leaf("a.test")).issuer, "CN=Root");
    EXPECT_EQ(issuer_of(nullptr), "");
}

TEST_F(TrustTest, addresses_are_names_of_their_own) {
    EXPECT_EQ(problem({.names = "IP:192.0.2.1"}, "192.0.2.1", true), "");
    EXPECT_EQ(problem({.names = "IP:192.0.2.1"}, "192.0.2.2", true), other_name);
    EXPECT_EQ(problem({.names = "IP:2001:db8::1"}, "2001:db8::1", true), "");
    EXPECT_EQ(problem({.names = "DNS:192.0.2.1"}, "192.0.2.1", true), other_name);
    EXPECT_EQ(problem({.common_name = "192.0.2.1", .names = ""}, "192.0.2.1", true), other_name);
}

// What can be in no certificate is not believed for want of a question.
TEST_F(TrustTest, a_name_that_cannot_be_asked_for_is_not_verified) {
    const Identity leaf = root().leaf("a.test");
    for (const auto& [name, is_address] : {std::pair(std::string_view("[2001:db8::1]"), true), std::pair(std::string_view("a.test"), true),
                                           std::pair(std::string_view("a\0.test", 7), false), std::pair(std::string_view(), false)}) {
        const Found found = look(leaf, name, is_address);
        EXPECT_TRUE(found.error || !found.problem.empty()) << name;
    }
    EXPECT_EQ(sessions_.size(), 0U);
}

TEST_F(TrustTest, what_is_wrong_is_said) {
    EXPECT_EQ(problem({.from = -10, .until = -1}), "Its certificate has expired.");
    EXPECT_EQ(problem({.from = 1, .until = 10}), "Its certificate is not valid yet.");
    EXPECT_EQ(problem({.usage = "clientAuth"}), "Its certificate is not one for servers.");
    EXPECT_EQ(look(make_certificate({})).problem, "It signed its certificate itself.");
    const Root stranger;
    const Identity leaf = stranger.leaf("a.test");
    EXPECT_EQ(look(leaf).problem, unknown);
    const auto with_root = server_context(leaf);
    SSL_CTX_add1_chain_cert(with_root.get(), stranger.authority().certificate.get());
    EXPECT_EQ(look(*with_root).problem, "Its certificate is of an authority that is not trusted here.");
    // A leaf is no authority.
    const ca::Authority no_authority = [] {
        Identity identity = root().leaf("b.test");
        return ca::Authority{std::move(identity.certificate), std::move(identity.key)};
    }();
    const auto below_leaf = server_context(make_certificate({.issuer = &no_authority}));
    SSL_CTX_add1_chain_cert(below_leaf.get(), no_authority.certificate.get());
    EXPECT_NE(look(*below_leaf).problem, "");
    SslContextPtr weak(SSL_CTX_new(TLS_server_method()));
    const Identity small = make_certificate({.issuer = &root().authority(), .rsa_bits = 1024});
    SSL_CTX_set_security_level(weak.get(), 0);
    SSL_CTX_use_certificate(weak.get(), small.certificate.get());
    SSL_CTX_use_PrivateKey(weak.get(), small.key.get());
    EXPECT_EQ(look(*weak).problem, "Its certificate is too weak.");
    EXPECT_EQ(sessions_.size(), 0U);
}

// A certificate between a server and a root may be trusted itself; it is wanted either way.
TEST_F(TrustTest, an_authority_between_is_sent_or_trusted) {
    const ca::Authority top = own_authority({.common_name = "Top"});
    const ca::Authority between = own_authority({.common_name = "Between", .issuer = &top});
    const Identity leaf = make_certificate({.issuer = &between});
    const File top_file(ca::to_pem(*top.certificate));
    trust_ = *Trust::load({.extra_roots = top_file.path(), .certificates = {}});
    EXPECT_EQ(look(leaf).problem, unknown);
    const auto whole = server_context(leaf);
    SSL_CTX_add1_chain_cert(whole.get(), between.certificate.get());
    EXPECT_EQ(look(*whole).problem, "");
    const File between_file(ca::to_pem(*between.certificate));
    trust_ = *Trust::load({.extra_roots = between_file.path(), .certificates = {}});
    EXPECT_EQ(look(leaf).problem, "");
}

TEST_F(TrustTest, sessions_are_resumed_of_verified_servers_alone) {
    const Identity leaf = root().leaf("a.test");
    for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
        const auto server = server_context(leaf, version);
        SSL_CTX_set_num_tickets(server.get(), 1);
        sessions_ = SessionCache(16);
        EXPECT_FALSE(look(*server).is_resumed);
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(sessions_.size(), 1U);
            const Found found = look(*server);
            EXPECT_TRUE(found.is_resumed) << version;
            EXPECT_EQ(found.problem, "");
            EXPECT_EQ(found.issuer, "CN=Root") << "its certificate is known of the first time";
        }
        EXPECT_FALSE(look(*server, "b.test").is_resumed);
        EXPECT_FALSE(look(*server, "b.test").is_resumed) << "nothing was kept of one that is not verified";
        EXPECT_EQ(sessions_.size(), 1U);
    }
    const auto server = server_context(leaf);
    EXPECT_FALSE(look(*server).is_resumed);
    trust_ = root().trust();
    EXPECT_FALSE(look(*server).is_resumed) << "others are trusted now";
}

TEST_F(TrustTest, a_server_that_forgot_its_sessions_is_verified_anew) {
    const Identity leaf = root().leaf("a.test");
    EXPECT_EQ(look(*server_context(leaf)).problem, "");
    const std::size_t kept = sessions_.size();
    EXPECT_GT(kept, 0U);
    const Found stranger = look(make_certificate({}));
    EXPECT_FALSE(stranger.is_resumed);
    EXPECT_EQ(stranger.problem, "It signed its certificate itself.");
    EXPECT_EQ(sessions_.size(), kept - 1) << "of one that may be used once";
}

TEST_F(TrustTest, our_certificate_is_for_the_server_that_it_is_for) {
    const Identity own = make_certificate({.common_name = "us", .names = "", .usage = "clientAuth", .issuer = &root().authority()});
    const File certificate(ca::to_pem(*own.certificate));
    const File key(ca::key_to_pem(*own.key));
    const auto asks = *Acceptor::make({.certificate = {}, .key = {}, .client_roots = root().file()});
    trust_ = *Trust::load({.extra_roots = root().file(), .certificates = {{"a.test", certificate.path(), key.path()}}});
    for (const std::string name : {"a.test", "b.test"}) {
        const Identity leaf = root().leaf(name);
        std::string seen;
        const Found found = look(
            [&](std::unique_ptr<Stream> below) {
                auto stream = std::move(*asks->open(below, {}, &leaf, name));
                SSL_set_ex_data(stream->ssl(), 0, &seen);
                SSL_set_info_callback(stream->ssl(), [](const SSL* ssl, int where, int) {
                    if ((where & SSL_CB_HANDSHAKE_DONE) == 0) return;
                    if (X509* peer = SSL_get0_peer_certificate(ssl))
                        *static_cast<std::string*>(SSL_get_ex_data(ssl, 0)) = ca::subject_of(*peer);
                });
                return stream;
            },
            name);
        EXPECT_EQ(seen, name == "a.test" ? "CN=us" : "");
        EXPECT_EQ(found.error.has_value(), name != "a.test") << "the other one gets none, and ends it";
    }
}

TEST(Trust, files_that_are_none_are_named) {
    const auto fault = [](Trust::Options options) {
        const auto loaded = Trust::load(std::move(options));
        EXPECT_FALSE(loaded);
        EXPECT_EQ(ERR_peek_error(), 0U);
        return loaded ? std::string() : loaded.error();
    };
    const File text("no certificate");
    const Identity own = make_certificate({});
    const File certificate(ca::to_pem(*own.certificate));
    const File other_key(ca::key_to_pem(*make_certificate({}).key));
    EXPECT_EQ(fault({.extra_roots = "/nowhere/roots.pem", .certificates = {}}), "/nowhere/roots.pem holds no certificates in PEM");
    EXPECT_EQ(fault({.extra_roots = text.path(), .certificates = {}}), text.path().string() + " holds no certificates in PEM");
    EXPECT_EQ(fault({.extra_roots = {}, .certificates = {{"a.test", "/nowhere/me.pem", "/nowhere/me.key"}}}),
              "/nowhere/me.pem holds no certificate in PEM");
    for (const std::filesystem::path& key : {std::filesystem::path("/nowhere/me.key"), other_key.path(), text.path()})
        EXPECT_EQ(fault({.extra_roots = {}, .certificates = {{"a.test", certificate.path(), key}}}),
                  key.string() + " is not the key of " + certificate.path().string());
}

// Stapled answers (RFC 6066 8, RFC 6960).
class StaplingTest : public TrustTest {
public:
    using BasicPtr = std::unique_ptr<OCSP_BASICRESP, Freed<OCSP_BASICRESP_free>>;
    using ResponsePtr = std::unique_ptr<OCSP_RESPONSE, Freed<OCSP_RESPONSE_free>>;
    using TimePtr = std::unique_ptr<ASN1_TIME, Freed<ASN1_STRING_free>>;

    struct Says {
        int status = V_OCSP_CERTSTATUS_REVOKED;
        int from = -1;  // days from now
        int until = 3;
        bool has_its_signer = false;  // its certificate stands in it
    };
    // About the leaf, of that issuer.
    static std::string answer(X509* leaf, X509* issuer, X509* signer, EVP_PKEY* key, const Says& says) {
        const BasicPtr basic(OCSP_BASICRESP_new());
        const std::unique_ptr<OCSP_CERTID, Freed<OCSP_CERTID_free>> id(OCSP_cert_to_id(EVP_sha1(), leaf, issuer));
        const auto time = [](int days) { return TimePtr(X509_time_adj_ex(nullptr, days, 0, nullptr)); };
        OCSP_basic_add1_status(basic.get(), id.get(), says.status, OCSP_REVOKED_STATUS_NOSTATUS, time(-10).get(), time(says.from).get(),
                               time(says.until).get());
        EXPECT_EQ(OCSP_basic_sign(basic.get(), signer, key, EVP_sha256(), nullptr, says.has_its_signer ? 0 : OCSP_NOCERTS), 1);
        return to_der(*ResponsePtr(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get())));
    }
    static std::string to_der(const OCSP_RESPONSE& response) {
        unsigned char* der = nullptr;
        const int size = i2d_OCSP_RESPONSE(&response, &der);
        std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
        OPENSSL_free(der);
        return text;
    }
    // A server that staples that, and shows the certificates of `chain` behind its own.
    Found look_stapled(std::string stapled, std::vector<X509*> chain, int version) {
        const auto server = server_context(leaf_, version);
        for (X509* each : chain) SSL_CTX_add1_chain_cert(server.get(), each);
        SSL_CTX_set_tlsext_status_arg(server.get(), &stapled);
        SSL_CTX_set_tlsext_status_cb(
            server.get(), +[](SSL* ssl, void* text) {
                const auto& der = *static_cast<const std::string*>(text);
                SSL_set_tlsext_status_ocsp_resp(ssl, OPENSSL_memdup(der.data(), der.size()), static_cast<long>(der.size()));
                return SSL_TLSEXT_ERR_OK;
            });
        return look(*server);
    }
    // In both versions, whether the chain has its root or not.
    void expect(const std::string& stapled, std::string_view problem, std::string_view what) {
        for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
            for (const bool has_root : {false, true}) {
                sessions_ = SessionCache(16);
                const Found found = look_stapled(stapled, has_root ? std::vector{issuer_} : std::vector<X509*>{}, version);
                EXPECT_FALSE(found.error) << what << (found.error ? found.error->what : "") << version << has_root;
                EXPECT_EQ(found.problem, problem) << what << version << has_root;
                EXPECT_EQ(sessions_.size() > 0, problem.empty()) << what << version << has_root;
            }
        }
    }

    const Identity leaf_ = root().leaf("a.test");
    X509* const issuer_ = root().authority().certificate.get();
    EVP_PKEY* const issuer_key_ = root().authority().key.get();
    static constexpr std::string_view revoked = "Its certificate has been revoked.";
};

TEST_F(StaplingTest, what_its_issuer_revoked_is_revoked) {
    expect(answer(leaf_.certificate.get(), issuer_, issuer_, issuer_key_, {.has_its_signer = true}), revoked, "with its signer");
    expect(answer(leaf_.certificate.get(), issuer_, issuer_, issuer_key_, {}), revoked, "without");
    const Identity responder =
        make_certificate({.common_name = "Responder", .names = "", .usage = "OCSPSigning", .issuer = &root().authority()});
    expect(answer(leaf_.certificate.get(), issuer_, responder.certificate.get(), responder.key.get(), {.has_its_signer = true}), revoked,
           "by a responder of its issuer");
}

TEST_F(StaplingTest, what_is_no_revocation_changes_nothing) {
    X509* const leaf = leaf_.certificate.get();
    expect(answer(leaf, issuer_, issuer_, issuer_key_, {.status = V_OCSP_CERTSTATUS_GOOD}), "", "good");
    expect(answer(leaf, issuer_, issuer_, issuer_key_, {.from = -10, .until = -3, .has_its_signer = true}), "", "of long ago");
    expect(answer(leaf, issuer_, issuer_, issuer_key_, {.from = 2, .has_its_signer = true}), "", "of tomorrow");
    const Identity other = root().leaf("a.test");
    expect(answer(other.certificate.get(), issuer_, issuer_, issuer_key_, {.has_its_signer = true}), "", "of another certificate");
    expect(to_der(*ResponsePtr(OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, nullptr))), "", "later");
}

TEST_F(StaplingTest, what_nobody_signed_who_may_is_ignored) {
    X509* const leaf = leaf_.certificate.get();
    const Root stranger;
    X509* const strange = stranger.authority().certificate.get();
    EVP_PKEY* const strange_key = stranger.authority().key.get();
    for (const bool has_its_signer : {false, true}) {
        const Says says{.has_its_signer = has_its_signer};
        expect(answer(leaf, issuer_, strange, strange_key, says), "", "by a stranger");
        expect(answer(leaf, strange, strange, strange_key, says), "", "by a stranger of the same name");
        expect(answer(leaf, issuer_, leaf, leaf_.key.get(), says), "", "by itself");
    }
    expect(answer(leaf, issuer_, issuer_, issuer_key_, {.has_its_signer = true}).substr(0, 200), "", "cut");
    expect("garbage", "", "garbage");
}

}  // namespace
}  // namespace sluice::net::tls
