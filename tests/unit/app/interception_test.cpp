// SPDX-License-Identifier: Apache-2.0
// Who is spoken with in TLS, of FTP's and SMTP's clients and servers.
#include "app/interception.h"

#include "app/authority.h"
#include "app/loaded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::app {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Interception : public testing::Test {
protected:
    Interception() {
        std::string name = (fs::temp_directory_path() / "sluice-interception-XXXXXX").string();
        folder_ = mkdtemp(name.data());
    }
    ~Interception() override {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }

    // That it is there is all that counts here.
    void make_authority() {
        fs::create_directories(folder_ / "ca");
        std::ofstream(folder_ / "ca" / "ca.pem") << "a certificate";
        ASSERT_TRUE(has_authority(config_of("")));
    }

    // `ftp`: the lines of that section, and what follows it.
    Config config_of(const std::string& ftp) {
        Diagnostics faults;
        Config config = parse_config("state_dir = '" + folder_.string() + "'\n[ftp]\n" + ftp, "test.toml", faults);
        EXPECT_EQ(to_string(faults), "");
        return config;
    }

    struct Loaded {
        Tls tls;
        std::string faults;
        bool needs_authority = false;
    };
    Loaded load(const std::string& ftp) {
        const Config config = config_of(ftp);
        Diagnostics faults;
        const auto policy = policy::Policy::compile(config.policy, faults, nullptr);
        Tls tls = load_tls(config, *policy, faults);
        const bool needs = needs_authority(config, tls);
        return {std::move(tls), to_string(faults), needs};
    }

    Loaded load_smtp(const std::string& smtp) { return load("listen = []\n[smtp]\nupstream = 'mail.test'\n" + smtp); }

private:
    fs::path folder_;
};

TEST_F(Interception, without_an_identity_ftp_clients_are_offered_none_and_servers_are_believed) {
    const Loaded loaded = load("");
    EXPECT_EQ(loaded.faults, "");
    EXPECT_FALSE(loaded.tls.ftp_own);
    EXPECT_TRUE(loaded.tls.ftp_trust);
    EXPECT_FALSE(loaded.needs_authority);
    EXPECT_FALSE(loaded.tls.trust || loaded.tls.own) << "of HTTP nothing is decrypted";
    EXPECT_FALSE(load("upstream_tls = 'off'\n").tls.ftp_trust);
}

TEST_F(Interception, without_an_identity_ftp_cannot_require_tls) {
    EXPECT_THAT(load("client_tls = 'require'\n").faults, HasSubstr("ftp.client_tls: TLS cannot be required without"));
    EXPECT_THAT(load("implicit_tls = ['127.0.0.1:990']\n").faults, HasSubstr("ftp.implicit_tls: needs tls.certificate"));
}

TEST_F(Interception, with_a_ca_ftp_clients_are_offered_tls) {
    make_authority();
    EXPECT_TRUE(load("").tls.ftp_own);
    EXPECT_FALSE(load("").needs_authority) << "an offer is not a promise";
    EXPECT_TRUE(load("client_tls = 'require'\n").needs_authority);
    EXPECT_FALSE(load("client_tls = 'off'\n").tls.ftp_own);
    const Loaded implicit = load("client_tls = 'off'\nimplicit_tls = ['127.0.0.1:990']\n");
    EXPECT_TRUE(implicit.tls.ftp_own) << "its clients begin with a handshake, whatever AUTH does";
    EXPECT_TRUE(implicit.needs_authority);
}

TEST_F(Interception, an_ftp_that_is_off_wants_nothing) {
    const Loaded off = load("listen = []\nclient_tls = 'require'\n");
    EXPECT_EQ(off.faults, "");
    EXPECT_FALSE(off.tls.ftp_own || off.tls.ftp_trust);
    EXPECT_FALSE(off.needs_authority) << "else every reload without a CA would be refused";
}

TEST_F(Interception, without_an_identity_smtp_clients_are_offered_none_and_servers_are_believed) {
    const Loaded loaded = load_smtp("");
    EXPECT_EQ(loaded.faults, "");
    EXPECT_FALSE(loaded.tls.smtp_own);
    EXPECT_TRUE(loaded.tls.smtp_trust);
    EXPECT_FALSE(loaded.needs_authority);
    EXPECT_FALSE(loaded.tls.ftp_trust || loaded.tls.trust || loaded.tls.own);
    EXPECT_FALSE(load_smtp("upstream_tls = 'off'\n").tls.smtp_trust);
    EXPECT_TRUE(load("[smtp]\nupstream = ['a.test', 'smtps://b.test']\nupstream_tls = 'off'\n").tls.smtp_trust)
        << "one of the servers is spoken with in TLS whatever STARTTLS does";
}

TEST_F(Interception, without_an_identity_smtp_cannot_require_tls) {
    EXPECT_THAT(load_smtp("client_tls = 'require'\n").faults, HasSubstr("smtp.client_tls: TLS cannot be required without"));
    EXPECT_THAT(load_smtp("implicit_tls = ['127.0.0.1:465']\n").faults, HasSubstr("smtp.implicit_tls: needs tls.certificate"));
}

TEST_F(Interception, with_a_ca_smtp_clients_are_offered_tls) {
    make_authority();
    EXPECT_TRUE(load_smtp("").tls.smtp_own);
    EXPECT_FALSE(load_smtp("").needs_authority) << "an offer is not a promise";
    EXPECT_TRUE(load_smtp("client_tls = 'require'\n").needs_authority);
    EXPECT_FALSE(load_smtp("client_tls = 'off'\n").tls.smtp_own);
    const Loaded implicit = load_smtp("client_tls = 'off'\nimplicit_tls = ['127.0.0.1:465']\n");
    EXPECT_TRUE(implicit.tls.smtp_own);
    EXPECT_TRUE(implicit.needs_authority);
}

TEST_F(Interception, an_smtp_that_is_off_wants_nothing) {
    for (const char* off : {"[smtp]\nclient_tls = 'require'\n", "[smtp]\nupstream = 'a.test'\nlisten = []\nclient_tls = 'require'\n"}) {
        const Loaded loaded = load(off);
        EXPECT_EQ(loaded.faults, "");
        EXPECT_FALSE(loaded.tls.smtp_own || loaded.tls.smtp_trust);
        EXPECT_FALSE(loaded.needs_authority);
    }
}

}  // namespace
}  // namespace sluice::app
