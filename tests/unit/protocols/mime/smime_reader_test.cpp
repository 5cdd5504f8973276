// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/smime_reader.h"

#include "unit/support/mail.h"
#include "unit/support/splits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string from_hex(std::string_view digits) {
    std::string out;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
    return out;
}

// `openssl cms -sign -binary -nodetach -nocerts -noattr`, and the same with `-stream`, of an entity with an attachment.
const std::string definite = from_hex(
    "3082012c06092a864886f70d010702a082011d30820119020101310d300b0609608648016503040201307406092a864886f7"
    "0d010701a0670465436f6e74656e742d547970653a206170706c69636174696f6e2f6f637465742d73747265616d3b206e61"
    "6d653d6261642e6578650d0a436f6e74656e742d5472616e736665722d456e636f64696e673a206261736536340d0a0d0a61"
    "4756736247383d0d0a31818e30818b0201013024300c310a300806035504030c016102140695943494927f844d0b825cb750"
    "c5e7de9b3bc6300b0609608648016503040201300a06082a8648ce3d040302044730450221009c0d03bb7eb65cfb7eaf7423"
    "e2f1aaadb4210c505dbeb47c044be0841732071802206480e2ef6a2c720ce8e0dbeed959df95e27c7859f7852d84531fc793"
    "39925e9b");
const std::string indefinite = from_hex(
    "308006092a864886f70d010702a0803080020101310d300b0609608648016503040201308006092a864886f70d010701a080"
    "24800465436f6e74656e742d547970653a206170706c69636174696f6e2f6f637465742d73747265616d3b206e616d653d62"
    "61642e6578650d0a436f6e74656e742d5472616e736665722d456e636f64696e673a206261736536340d0a0d0a6147567362"
    "47383d0d0a00000000000031818d30818a0201013024300c310a300806035504030c016102140695943494927f844d0b825c"
    "b750c5e7de9b3bc6300b0609608648016503040201300a06082a8648ce3d040302044630440220539fb211cf7899765fb529"
    "4b0b83a59cc032a9c836458444ab87f52557556d110220609e2598145682ef15a8245f1e9607bed12718747c52844c8a73c9"
    "7f0453121b000000000000");
// The beginnings of `openssl cms -encrypt`, also with `-stream`, with `-aes-256-gcm`, and of `-EncryptedData_encrypt`.
const std::string enveloped = from_hex("3082017206092a864886f70d010703a08201633082015f0201023181cba181c8020103a051a14f30");
const std::string streamed = from_hex("308006092a864886f70d010703a08030800201023181cba181c8020103a051a14f300906072a8648");
const std::string authenticated = from_hex("30820189060b2a864886f70d0109100117a0820178308201740201003181c7a181c4020103a051a1");
const std::string encrypted = from_hex("3081b306092a864886f70d010706a081a53081a202010030819c06092a864886f70d010701301d06");
const std::string detached = from_hex(
    "3081c206092a864886f70d010702a081b43081b1020101310d300b0609608648016503040201300b06092a864886f70d0107"
    "0131818f30818c0201013024300c310a300806035504030c016102140695943494927f844d0b825cb750c5e7de9b3bc6300b"
    "0609608648016503040201300a06082a8648ce3d04030204483046022100a7d2b458b08fe1365c26175359f541c40b9f4fa9"
    "6e4d13ce4e97a20f1d6f5d36022100eecf5e83adb722cf33a0ddf9390512a2542aec74d6fa7d3f68ba149f68dd5842");

std::string element(unsigned tag, const std::string& content) {
    std::string out(1, static_cast<char>(tag));
    if (content.size() < 0x80) out += static_cast<char>(content.size());
    else
        out.append(1, '\x84')
            .append(2, '\0')
            .append(1, static_cast<char>(content.size() >> 8U))
            .append(1, static_cast<char>(content.size()));
    return out + content;
}
std::string open(unsigned tag, const std::string& content) {
    return std::string(1, static_cast<char>(tag)) + '\x80' + content + std::string(2, '\0');
}
const std::string signed_id = from_hex("06092a864886f70d010702");
const std::string data_id = from_hex("06092a864886f70d010701");
// What `content`, an OCTET STRING of some kind, is signed in.
std::string signing(const std::string& content, const std::string& algorithms = element(0x31, "")) {
    return element(0x30, signed_id + element(0xa0, element(0x30, element(2, "\1") + algorithms +
                                                                     element(0x30, data_id + element(0xa0, content)) + element(0x31, ""))));
}

std::string message(const std::string& content, std::string_view type = "application/pkcs7-mime; name=smime.p7m") {
    return "MIME-Version: 1.0\r\nContent-Type: " + std::string(type) + "\r\nContent-Transfer-Encoding: binary\r\n\r\n" + content;
}

const std::string entity = "Content-Type: application/octet-stream; name=bad.exe\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n";

void expect_attachment(const test::ReadMail& got) {
    ASSERT_EQ(got.parts.size(), 3U);
    EXPECT_EQ(got.parts[1].data, entity);
    EXPECT_FALSE(got.parts[1].part.is_attachment);
    EXPECT_EQ(got.parts[2].data, "hello");
    EXPECT_THAT(got.parts[2].part.names, ElementsAre("bad.exe"));
    EXPECT_TRUE(got.parts[2].part.is_attachment);
    EXPECT_FALSE(got.parts[2].part.is_alternative);
    EXPECT_TRUE(got.ambiguities.empty());
}

TEST(SmimeReader, what_is_signed_is_read) {
    for (const std::string& one : {definite, indefinite})
        test::at_every_split(message(one), [](std::span<const std::string_view> pieces) { expect_attachment(test::read_mail(pieces)); });
}

TEST(SmimeReader, by_its_content_alone) {
    expect_attachment(test::read_mail(message(definite, "application/octet-stream")));
    expect_attachment(test::read_mail(message(indefinite, "application/octet-stream; name=a.p7m")));
}

TEST(SmimeReader, a_part_and_one_within_another) {
    const std::string body = "--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/x-pkcs7-mime\r\n\r\n";
    const test::ReadMail part = test::read_mail("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + body +
                                                signing(element(4, entity)) + "\r\n--b--\r\n");
    ASSERT_EQ(part.parts.size(), 4U);
    EXPECT_EQ(part.parts[3].data, "hello");
    const std::string twice = signing(element(4, "Content-Type: application/pkcs7-mime\r\n\r\n" + signing(element(4, entity))));
    EXPECT_EQ(test::read_mail(message(twice)).parts.back().data, "hello");
}

TEST(SmimeReader, content_in_pieces) {
    const std::string pieces = element(4, entity.substr(0, 20)) + element(4, "") +
                               element(0x24, element(4, entity.substr(20, 1)) + open(0x24, element(4, entity.substr(21, 30)))) +
                               element(4, entity.substr(51));
    const std::string algorithms = open(0x31, open(0x30, element(6, "\x2a")) + element(0x30, "ab"));
    test::at_every_split(message(signing(element(0x24, pieces), algorithms)),
                         [](std::span<const std::string_view> cut) { expect_attachment(test::read_mail(cut)); });
    expect_attachment(test::read_mail(message(signing(open(0x24, pieces)))));
    const test::ReadMail odd = test::read_mail(message(signing(open(0x24, element(0x0c, entity)))));
    EXPECT_EQ(odd.parts.back().data, "hello") << "some readers take pieces of another type";
    EXPECT_TRUE(odd.has(Ambiguity::bad_smime));
}

TEST(SmimeReader, a_signed_file) {
    const test::ReadMail got =
        test::read_mail(message(signing(element(4, "%PDF-1.7\n\n1 0 obj")), "application/pkcs7-mime; name=a.exe.P7M"));
    ASSERT_EQ(got.parts.size(), 2U);
    EXPECT_EQ(got.parts[1].data, "%PDF-1.7\n\n1 0 obj");
    EXPECT_THAT(got.parts[1].part.names, ElementsAre("a.exe"));
    EXPECT_TRUE(got.parts[1].part.is_attachment);
    EXPECT_TRUE(got.ambiguities.empty());
}

TEST(SmimeReader, a_detached_signature_has_no_content) {
    const test::ReadMail got = test::read_mail(message(detached, "application/pkcs7-signature; name=smime.p7s"));
    EXPECT_EQ(got.parts.size(), 1U);
    EXPECT_TRUE(got.ambiguities.empty());
}

TEST(SmimeReader, what_is_broken) {
    const auto is_bad = [](const std::string& content) {
        const test::ReadMail got = test::read_mail(message(content));
        return got.has(Ambiguity::bad_smime) && !got.other_readings.empty();
    };
    EXPECT_TRUE(is_bad("no CMS"));
    EXPECT_TRUE(is_bad("0"));
    EXPECT_TRUE(is_bad(definite.substr(0, 100)));
    EXPECT_TRUE(is_bad(signing(element(0x30, "x"))));
    EXPECT_TRUE(is_bad(signing(element(0x0c, "x"))));
    EXPECT_TRUE(is_bad(element(0x30, from_hex("060b2a864886f70d0109100109") + element(0xa0, "x")))) << "compressed";
    EXPECT_TRUE(is_bad(signing(std::string("\x04\x85\1\0\0\0\1", 7))));
    EXPECT_TRUE(is_bad(signing(std::string("\x04\x20x", 3)))) << "longer than what it is in";
    std::string deep = element(4, "x");
    for (int i = 0; i < 50; ++i) deep = open(0x24, deep);
    EXPECT_TRUE(is_bad(signing(deep)));
    for (std::size_t cut = 1; cut < indefinite.size(); ++cut) test::read_mail(message(indefinite.substr(0, cut)));
}

TEST(SmimeReader, nested_beyond_the_bound) {
    std::string content = entity;
    for (int i = 0; i < 40; ++i) content = "Content-Type: application/pkcs7-mime\r\n\r\n" + signing(element(4, content));
    EXPECT_TRUE(test::read_mail(message(content)).has(Ambiguity::too_deep));
}

bool is_encrypted(const std::string& text) {
    const test::ReadMail got = test::read_mail(text);
    EXPECT_THAT(got.ambiguities, IsEmpty());
    return std::ranges::any_of(got.parts, [](const test::ReadPart& one) { return one.part.is_encrypted; });
}

TEST(SmimeReader, what_is_encrypted_is_told) {
    for (const std::string& one : {enveloped, streamed, authenticated, encrypted}) {
        test::at_every_split(message(one), [](std::span<const std::string_view> pieces) {
            EXPECT_TRUE(test::read_mail(pieces).parts.front().part.is_encrypted);
        });
        EXPECT_TRUE(is_encrypted(message(one, "application/octet-stream; name=a.p7m")));
    }
    EXPECT_FALSE(is_encrypted(message(definite)));
    EXPECT_FALSE(is_encrypted(message(detached, "application/pkcs7-signature")));
}

TEST(PgpMessage, is_told) {
    const std::string armored = "-----BEGIN PGP MESSAGE-----\r\n\r\nhQEM\r\n=abcd\r\n-----END PGP MESSAGE-----\r\n";
    const std::string mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; boundary=b\r\n\r\n";
    EXPECT_TRUE(is_encrypted("Subject: x\r\n\r\nhello\r\n" + armored));
    EXPECT_TRUE(is_encrypted(message("\r\n" + armored, "application/octet-stream; name=a.asc")));
    EXPECT_TRUE(is_encrypted(message("Version: 1", "application/pgp-encrypted")));
    const test::ReadMail both =
        test::read_mail(mixed + "--b\r\n\r\nx\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n\x85\1\r\n--b--\r\n");
    ASSERT_EQ(both.parts.size(), 2U);
    EXPECT_TRUE(both.parts[0].part.is_encrypted && both.parts[1].part.is_encrypted);
    EXPECT_FALSE(is_encrypted("Subject: x\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA1\r\n\r\nx\r\n"));
    EXPECT_FALSE(is_encrypted("Subject: x\r\n\r\nwrite -----BEGIN PGP MESSAGE----- before it\r\n> -----BEGIN PGP MESSAGE-----\r\n"));
    const test::ReadMail behind = test::read_mail(
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/encrypted; "
        "boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--a\r\nContent-Type: multipart/mixed; "
        "boundary=c\r\n\r\n--c\r\n\r\ny\r\n--c--\r\n--a--\r\n");
    ASSERT_EQ(behind.parts.size(), 2U);
    EXPECT_TRUE(behind.parts[0].part.is_encrypted);
    EXPECT_FALSE(behind.parts[1].part.is_encrypted) << "behind it, not in it";
}

}  // namespace
}  // namespace sluice::mime
