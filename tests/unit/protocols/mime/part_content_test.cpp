// SPDX-License-Identifier: Apache-2.0
// Mail that stands within a part of another type.
#include "protocols/mime/part_content.h"

#include "unit/support/mail.h"
#include "unit/support/splits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string inner =
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\nContent-Type: application/octet-stream; name=bad.exe\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--i--\r\n";

std::string message(std::string_view type, std::string_view content = inner) {
    return "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: " + std::string(type) + "\r\n\r\n" +
           std::string(content) + "\r\n--b--\r\n";
}

// The attachment within, if it is found, and that the part which it is in is told as it is.
const test::ReadPart* attachment(const test::ReadMail& got) {
    EXPECT_EQ(got.parts.front().data, inner);
    return got.parts.size() == 2 && got.parts[1].data == "hello" ? &got.parts[1] : nullptr;
}

TEST(PartContent, mail_that_is_attached_as_a_file) {
    for (const char* type :
         {"application/octet-stream; name=a.eml", "message/x; name=A.MHT", "application/x-mimearchive", "text/plain; name=a.mhtml"}) {
        SCOPED_TRACE(type);
        test::at_every_split(message(type), [&](std::span<const std::string_view> pieces) {
            const test::ReadMail got = test::read_mail(pieces);
            const test::ReadPart* found = attachment(got);
            ASSERT_TRUE(found != nullptr);
            EXPECT_THAT(found->part.names, ElementsAre("bad.exe"));
            EXPECT_FALSE(found->part.is_alternative);
        });
    }
    EXPECT_THAT(test::read_mail(message("application/octet-stream; name=a.eml")).ambiguities, IsEmpty());
}

TEST(PartContent, mail_by_its_beginning) {
    for (const char* type : {"application/octet-stream", "text/plain", "text/html"}) {
        SCOPED_TRACE(type);
        const test::ReadMail got = test::read_mail(message(type));
        const test::ReadPart* found = attachment(got);
        ASSERT_TRUE(found != nullptr);
        EXPECT_TRUE(found->part.is_alternative) << "most see a file alone";
        EXPECT_THAT(got.ambiguities, IsEmpty());
    }
    EXPECT_EQ(test::read_mail(message("text/plain", "From: ann\r\nSubject: x\r\n\r\nquoted")).parts.size(), 1U);
}

TEST(PartContent, messages_of_other_types) {
    for (const char* type : {"message/x-foo", "message/foo-rfc822"}) {
        const test::ReadMail got = test::read_mail(message(type));
        EXPECT_TRUE(attachment(got) != nullptr) << type;
        EXPECT_TRUE(got.has(Ambiguity::bad_content_type)) << type;
    }
    for (const char* type : {"message/feedback-report", "message/disposition-notification", "message/global-headers", "message/cpim"}) {
        const test::ReadMail got = test::read_mail(message(type));
        EXPECT_TRUE(attachment(got) != nullptr) << type;
        EXPECT_THAT(got.ambiguities, IsEmpty()) << type;
    }
    EXPECT_EQ(test::read_mail(message("message/x-foo", "Field: value\r\n\r\nx")).parts.size(), 1U);
}

TEST(PartContent, heads_alone_in_a_report) {
    const std::string head = "Received: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=i\r\n";
    for (const char* type : {"text/rfc822-headers", "message/global-headers", "text/plain"})
        EXPECT_THAT(test::read_mail(message(type, head)).ambiguities, IsEmpty()) << type;
}

TEST(PartContent, a_message_with_a_name_is_a_file_too) {
    test::at_every_split(message("message/rfc822; name=bad.exe"), [&](std::span<const std::string_view> pieces) {
        const test::ReadMail got = test::read_mail(pieces);
        ASSERT_TRUE(attachment(got) != nullptr);
        EXPECT_THAT(got.parts[0].part.names, ElementsAre("bad.exe"));
        EXPECT_TRUE(got.parts[0].part.is_attachment);
        EXPECT_THAT(got.ambiguities, IsEmpty());
    });
    const test::ReadMail encoded = test::read_mail(
        message("message/rfc822; name=a.eml\r\nContent-Transfer-Encoding: quoted-printable", "Subject: x\r\n\r\nc=61fe\r\n"));
    ASSERT_EQ(encoded.parts.size(), 2U);
    EXPECT_EQ(encoded.parts[0].data, "Subject: x\r\n\r\ncafe\r\n");
    EXPECT_EQ(encoded.parts[1].data, "cafe\r\n");
    EXPECT_EQ(test::read_mail(message("message/rfc822")).parts.size(), 1U);
}

TEST(PartContent, mail_within_mail_is_bounded) {
    std::string files = inner;
    for (int i = 0; i < 6; ++i) files = "MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=a.eml\r\n\r\n" + files;
    EXPECT_EQ(test::read_mail(files).parts.back().data, "hello");
    EXPECT_THAT(test::read_mail(files).ambiguities, IsEmpty());
    std::string text = inner;
    for (int i = 0; i < 100; ++i) text = "Content-Type: text/plain; name=a.eml\r\nContent-Transfer-Encoding: x\r\n\r\n" + text;
    for (const Reading reading : {Reading::usual, Reading::last_wins, Reading::strict, Reading::sweep}) {
        const test::ReadMail got = test::read_mail("MIME-Version: 1.0\r\n" + text, reading);
        EXPECT_LE(got.parts.size(), Limits().mail_depth * 2);
        EXPECT_TRUE(reading == Reading::sweep || got.has(Ambiguity::too_deep));
    }
}

}  // namespace
}  // namespace sluice::mime
