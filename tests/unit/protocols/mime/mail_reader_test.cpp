// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_reader.h"

#include "unit/support/mail.h"
#include "unit/support/splits.h"
#include "unit/support/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace sluice::mime {
namespace {

using test::read_mail;
using test::ReadMail;
using test::ReadPart;

std::string_view name_of(Reading reading) {
    switch (reading) {
        case Reading::usual: return "usual";
        case Reading::last_wins: return "last_wins";
        case Reading::strict: return "strict";
        case Reading::sweep: return "sweep";
    }
    return "";
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\r') out += "\\r";
        else if (c == '\n') out += "\\n";
        else if (c == '\0') out += "\\0";
        else out += c;
    }
    return out;
}

std::string render(const ReadPart& one) {
    EXPECT_TRUE(one.has_ended);
    std::string out = one.part.content_type;
    if (one.part.is_alternative) out += " alternative";
    if (one.part.is_attachment) out += " attachment";
    for (const std::string& name : one.part.names) out += " [" + name + ']';
    return out + " \"" + escaped(one.data) + '"';
}

struct Outcome {
    std::string text;  // "duplicate-header bad-header; last_wins"
    std::vector<std::string> details;  // the usual reading's parts, then the others', but for the sweep's
};

Outcome read(std::span<const std::string_view> pieces) {
    const ReadMail usual = read_mail(pieces);
    EXPECT_EQ(usual.heads, 1U);
    Outcome out;
    for (const Ambiguity one : usual.ambiguities) out.text.append(out.text.empty() ? "" : " ").append(to_string(one));
    if (out.text.empty()) out.text = "plain";
    std::string_view separator = "; ";
    for (const Reading one : usual.other_readings) {
        out.text.append(separator).append(name_of(one));
        separator = " ";
    }
    for (const ReadPart& one : usual.parts) out.details.push_back(render(one));
    for (const Reading reading : usual.other_readings) {
        if (reading == Reading::sweep) continue;
        for (const ReadPart& one : read_mail(pieces, reading).parts)
            out.details.push_back(std::string(name_of(reading)) + ": " + render(one));
    }
    return out;
}

TEST(MailReader, wire_cases) {
    const auto cases = test::read_wire(SLUICE_SOURCE_DIR "/tests/wire/mime/mail.wire");
    ASSERT_GT(cases.size(), 10U);
    for (const test::WireCase& one : cases) {
        SCOPED_TRACE(one.where);
        test::at_every_split(one.input, [&](std::span<const std::string_view> pieces) {
            const Outcome got = read(pieces);
            ASSERT_EQ(got.text, one.outcome);
            ASSERT_EQ(got.details, one.details);
        });
    }
}

TEST(MailReader, head) {
    const std::string text =
        "Received: a\r\nReceived: b\r\nDKIM-Signature: v=1\r\nFrom: \"Ann, A.\" (x) <Ann@Example.ORG>\r\nTo: bob@example.org,\r\n"
        " group: c@example.org, \"d e\"@example.org;\r\nCC: <@relay:f@example.org>\r\nSubject: =?utf-8?Q?gr=C3=BC=C3=9F?= =?utf-8?B?ZQ==?= "
        "you\r\n"
        "Message-ID:\r\n <1@example.org>\r\n\r\nhello\r\n";
    test::at_every_split(text, [&](std::span<const std::string_view> pieces) {
        const ReadMail got = read_mail(pieces);
        ASSERT_EQ(got.heads, 1U);
        EXPECT_THAT(got.head.from, testing::ElementsAre("ann@example.org"));
        EXPECT_THAT(got.head.to, testing::ElementsAre("bob@example.org", "c@example.org", "d e@example.org", "f@example.org"));
        EXPECT_EQ(got.head.subject,
                  "gr\xc3\xbc\xc3\x9f"
                  "e you");
        EXPECT_EQ(got.head.message_id, "1@example.org");
        EXPECT_EQ(got.head.received, 2U);
        EXPECT_TRUE(got.head.is_signed);
        EXPECT_EQ(got.head.size, text.size() - 7);
        EXPECT_TRUE(got.ambiguities.empty());
    });
}

}  // namespace
}  // namespace sluice::mime
