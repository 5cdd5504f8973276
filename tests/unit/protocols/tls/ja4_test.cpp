// SPDX-License-Identifier: Apache-2.0
// JA4 of ClientHellos made from published fingerprints in their readable form (FoxIO's JA4.md and the expected results of its test captures).
#include "protocols/tls/ja4.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "unit/protocols/tls/hello_text.h"

namespace sluice::tls {
namespace {

using test::HelloText;

std::vector<std::uint16_t> numbers_of(std::string_view list) {
    std::vector<std::uint16_t> out;
    for (const std::string_view each : split(list, ',')) {
        std::uint16_t value = 0;
        for (const char c : each) value = static_cast<std::uint16_t>(value << 4 | hex_value(c));
        if (!each.empty()) out.push_back(value);
    }
    return out;
}

struct Published {
    std::string_view fingerprint;
    std::string_view ciphers;  // as they were sent
    std::string_view extensions;
    std::string_view signatures;
    std::string_view alpn;
    std::uint16_t version = tls_1_3;
};

ClientHello hello_of(const Published& published, bool grease) {
    HelloText text;
    auto ciphers = numbers_of(published.ciphers);
    if (grease) ciphers.insert(ciphers.begin(), 0x8a8a);
    text.version = std::min(published.version, tls_1_2);
    text.ciphers = test::numbers(ciphers);
    auto signatures = numbers_of(published.signatures);
    if (grease && !signatures.empty()) signatures.push_back(0x3a3a);
    if (grease) text.add(0xcaca, "");
    for (const std::uint16_t type : numbers_of(published.extensions)) {
        switch (type) {
            case extension::server_name: text.add_name("www.example.com"); break;
            case extension::alpn: text.add_alpn({published.alpn, "http/1.1"}); break;
            case extension::supported_groups: text.add_list(type, test::numbers({0x001d, 0x0017})); break;
            case extension::supported_versions: text.add_versions(test::numbers({0xfafa, published.version, 0x0303})); break;
            case extension::signature_algorithms: text.add_list(type, test::numbers(signatures)); break;
            case extension::encrypted_client_hello: text.add_outer_hello(); break;
            default: text.add(type, "");
        }
    }
    if (grease) text.add(0x1a1a, "x");
    ClientHello hello;
    const auto parsed = parse_client_hello(text.flight(), Limits{}, hello);
    EXPECT_TRUE(parsed && *parsed) << published.fingerprint;
    return hello;
}

constexpr std::string_view chrome = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035";
constexpr std::string_view chrome_signatures = "0403,0804,0401,0503,0805,0501,0806,0601";

TEST(Ja4, published_fingerprints) {
    for (const Published& published : {
             Published{"t13d1516h2_8daaf6152771_e5627efa2ab1", chrome,
                       "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015", chrome_signatures, "h2"},
             Published{"t13d1516h2_8daaf6152771_e5627efa2ab1", chrome,
                       "000d,0000,000a,0005,000b,002b,001b,ff01,0033,4469,002d,0023,0017,0012,0010,0015", chrome_signatures, "h2"},
             Published{"t13d1516h1_8daaf6152771_e5627efa2ab1", chrome,
                       "000d,0033,0000,ff01,002b,0023,002d,0005,0012,000b,0017,4469,0010,001b,000a,0015", chrome_signatures, "http/1.1"},
             Published{"t13d151400_8daaf6152771_de4a06bb82e3", chrome,
                       "0033,002b,001b,0000,0012,002d,000d,000a,0005,0023,0017,ff01,000b,0015", chrome_signatures, ""},
             Published{"t13d1517h2_8daaf6152771_cb7bf5808d99", chrome,
                       "fe0d,0010,0017,0033,44cd,ff01,000a,000d,0023,002b,000b,ca34,002d,0000,0005,001b,0012",
                       "0904,0905,0906,0403,0804,0401,0503,0805,0501,0806,0601", "h2"},
             Published{"t13d1615h2_46e7e9700bed_45f260be83e2",
                       "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035,000a",
                       "0000,0017,ff01,000a,000b,0023,0010,0005,000d,0012,0033,002d,002b,001b,0015",
                       "0403,0804,0401,0503,0805,0501,0806,0601,0201", "h2"},
             Published{"t13d1715h2_5b57614c22b0_3d5424432f57",
                       "1301,1303,1302,c02b,c02f,cca9,cca8,c02c,c030,c00a,c009,c013,c014,009c,009d,002f,0035",
                       "0000,0017,ff01,000a,000b,0023,0010,0005,0022,0033,002b,000d,002d,001c,0015",
                       "0403,0503,0603,0804,0805,0806,0401,0501,0601,0203,0201", "h2"},
             Published{"t13d1011h2_61a7ad8aa9b6_3fcd1a44f3e3", "00ff,1301,1302,1303,c02b,c02c,c02f,c030,cca8,cca9",
                       "0005,000a,000b,000d,0017,0023,002b,002d,0033,0000,0010", "0503,0403,0807,0806,0805,0804,0601,0501,0401", "h2"},
             Published{"t10d230100_6a57a6f57151_000000000000",
                       "0039,0038,0035,0016,0013,000a,0033,0032,002f,009a,0099,0096,0005,0004,0015,0012,0009,0014,0011,0008,0006,0003,00ff",
                       "0000", "", "", tls_1_0},
         }) {
        EXPECT_EQ(ja4(hello_of(published, false)), published.fingerprint);
        EXPECT_EQ(ja4(hello_of(published, true)), published.fingerprint);
    }
}

TEST(Ja4, hashes_of_little) {
    ClientHello hello;
    EXPECT_EQ(ja4(hello), "t00i000000_000000000000_000000000000");
    hello.extensions = {0x00, 0x10};
    hello.alpn = {"h2"};
    EXPECT_EQ(ja4(hello), "t00d0002h2_000000000000_000000000000");
    hello.extensions = {0x05, 0x0a, 0x0b, 0x0d, 0x12, 0x15, 0x17, 0x1b, 0x23, 0x2b, 0x2d, 0x33, 0x4469, 0xff01};
    EXPECT_TRUE(ja4(hello).ends_with("_6d807ffa2a79"));  // no signature algorithms, no '_'
}

TEST(Ja4, more_than_two_digits_can_say) {
    ClientHello hello;
    for (std::uint16_t i = 0; i < 100; ++i) hello.ciphers.push_back(i);
    hello.extensions.assign(99, 0x17);
    EXPECT_TRUE(ja4(hello).starts_with("t00i999900_"));
}

TEST(Ja4, versions) {
    ClientHello hello;
    const auto code = [&] { return ja4(hello).substr(1, 2); };
    for (const auto& [version, expected] : {std::pair{ssl_3_0, "s3"},
                                            {tls_1_0, "10"},
                                            {tls_1_1, "11"},
                                            {tls_1_2, "12"},
                                            {tls_1_3, "13"},
                                            {std::uint16_t{0x0002}, "s2"},
                                            {std::uint16_t{0x0305}, "00"}}) {
        hello.legacy_version = version;
        EXPECT_EQ(code(), expected);
    }
    hello.versions = {tls_1_1, tls_1_2};
    EXPECT_EQ(code(), "12");
    hello.versions = {tls_1_3, 0x7f1c};  // a draft's
    EXPECT_EQ(code(), "00");
}

TEST(Ja4, first_and_last_character_of_a_protocol) {
    ClientHello hello;
    hello.extensions = {0x10};
    for (const auto& [name, expected] : {std::pair<std::string_view, std::string_view>{"h2", "h2"},
                                         {"http/1.1", "h1"},
                                         {"x", "xx"},
                                         {"\xab", "ab"},
                                         {"\xab\xcd", "ad"},
                                         {"0\xab", "3b"},
                                         {"01\xab\xcd", "3d"},
                                         {"0\xab\xcd"
                                          "1",
                                          "01"},
                                         {" ", "20"},
                                         {"a ", "60"},
                                         {"_a", "51"},
                                         {"", "00"}}) {
        hello.alpn = {std::string(name), "h2"};
        EXPECT_EQ(ja4(hello).substr(8, 2), expected) << name;
    }
}

}  // namespace
}  // namespace sluice::tls
