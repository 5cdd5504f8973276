// SPDX-License-Identifier: Apache-2.0
#include "inspect/quarantine/sample.h"

#include <gtest/gtest.h>

namespace sluice::inspect {
namespace {

Metadata example() {
    Metadata metadata;
    metadata.key.fill(0xa5);
    metadata.nonce.fill(0x0f);
    metadata.sha256.fill(0x42);
    metadata.size = 68;
    metadata.event = "{\"file.name\":\"a\\nb\"}";
    return metadata;
}

TEST(Metadata, comes_back_as_it_was) {
    const auto parsed = parse_metadata(encode(example()));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->key, example().key);
    EXPECT_EQ(parsed->nonce, example().nonce);
    EXPECT_EQ(parsed->sha256, example().sha256);
    EXPECT_EQ(parsed->size, 68U);
    EXPECT_EQ(parsed->event, example().event);
}

TEST(Metadata, an_event_forges_nothing) {
    Metadata metadata = example();
    metadata.event = "\n\nkey 00\nsize 1\nsluice quarantine 1\n";
    const auto parsed = parse_metadata(encode(metadata));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->event, metadata.event);
    EXPECT_EQ(parsed->size, 68U);
}

TEST(Metadata, what_is_cut_off_is_damaged) {
    const std::string text = encode(example());
    for (std::size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(parse_metadata(text.substr(0, size))) << size;
}

TEST(Metadata, what_is_changed_in_its_head_is_never_taken_for_something_else) {
    const std::string text = encode(example());
    const std::size_t head = text.find("\n\n");
    for (std::size_t i = 0; i < head; ++i) {
        std::string changed = text;
        changed[i] = '\x7f';
        EXPECT_FALSE(parse_metadata(changed)) << i;
    }
    EXPECT_FALSE(parse_metadata("sluice quarantine 2\n" + text.substr(text.find('\n') + 1)));
}

TEST(EventIdText, is_read_as_people_type_it) {
    const auto id = parse_event_id("0j5xk3m9qzOIL2vt");
    ASSERT_TRUE(id);
    EXPECT_EQ(id->view(), "0J5XK3M9QZ0112VT");
}

TEST(EventIdText, has_no_other_characters) {
    for (const std::string_view text :
         {"", "0", "00000000000000000", "000000000000000", "../../etc/passwd", "000000000000000/", "000000000000000.", "000000000000000U",
          "000000000000000u", "000000000000000 ", "0000000000000*00", "000000000000000\n"})
        EXPECT_FALSE(parse_event_id(text)) << text;
    EXPECT_FALSE(parse_event_id(std::string_view("000000000000000\0", 16)));
    for (int c = 0; c < 256; ++c) {
        const auto id = parse_event_id(std::string(15, '0') + static_cast<char>(c));
        if (!id) continue;
        EXPECT_NE(std::string_view("0123456789ABCDEFGHJKMNPQRSTVWXYZ").find(id->text[15]), std::string_view::npos) << c;
    }
}

}  // namespace
}  // namespace sluice::inspect
