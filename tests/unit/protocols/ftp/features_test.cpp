// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::ftp {
namespace {

using testing::ElementsAre;

TEST(FtpFeatures, our_own_where_there_is_no_server) {
    const Reply alone = features_for_client(nullptr, {});
    EXPECT_EQ(alone.code, 211);
    EXPECT_THAT(alone.lines, ElementsAre("Features:", " EPRT", " EPSV", "End"));
    EXPECT_THAT(features_for_client(nullptr, {.has_tls = true, .has_host = true}).lines,
                ElementsAre("Features:", " EPRT", " EPSV", " AUTH TLS", " PBSZ", " PROT", " HOST", "End"));
}

TEST(FtpFeatures, of_the_servers_what_we_understand_byte_for_byte) {
    const Reply server{.code = 211, .lines = {"Extensions:",    " AUTH TLS;SSL;", " MODE Z",         " mdtm", " MLST Type*;Size*;x.y;",
                                              " REST STREAM",   " REST",          " RESTART STREAM", " HOST", " PRET",
                                              " XCRC \"name\"", " SITE UTIME",    "  SIZE ",         " UTF8", " LANG EN*;FR",
                                              " TVFS",          " MFMT",          " MFF modify;",    " EPSV", " SIZEX",
                                              " PROT",          " CLNT",          " MFCT",           "",      " ",
                                              "211-MDTM",       "End of SIZE"}};
    EXPECT_THAT(features_for_client(&server, {}).lines,
                ElementsAre("Features:", " mdtm", " MLST Type*;Size*;x.y;", " REST STREAM", "  SIZE ", " UTF8", " LANG EN*;FR", " TVFS",
                            " MFMT", " MFF modify;", " CLNT", " MFCT", "211-MDTM", " EPRT", " EPSV", "End"));
}

TEST(FtpFeatures, only_of_a_211_of_several_lines) {
    const Reply other{.code = 214, .lines = {"a", " SIZE", "b"}};
    EXPECT_THAT(features_for_client(&other, {}).lines, ElementsAre("Features:", " EPRT", " EPSV", "End"));
    const Reply none{.code = 211, .lines = {"SIZE"}};
    EXPECT_THAT(features_for_client(&none, {}).lines, ElementsAre("Features:", " EPRT", " EPSV", "End"));
    EXPECT_FALSE(has_feature(none, "SIZE"));
    EXPECT_FALSE(has_feature(other, "SIZE"));
}

TEST(FtpFeatures, what_a_server_has) {
    const Reply server{.code = 211,
                       .lines = {"SIZE", " AUTH SSL;TLS;", " REST stream", " LANG FR;EN*", "211-MDTM", " MLST Size*;", "UTF8"}};
    for (const std::string_view feature : {"AUTH", "AUTH TLS", "auth ssl", "REST STREAM", "LANG EN", "MDTM", "MLST", "MLST size"})
        EXPECT_TRUE(has_feature(server, feature)) << feature;
    for (const std::string_view feature : {"SIZE", "AUTH TL", "AUTH TLS-C", "UTF8", "RES", "LANG", "STREAM"})
        EXPECT_EQ(has_feature(server, feature), feature == "LANG") << feature;
}

}  // namespace
}  // namespace sluice::ftp
