// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/transfer_coding.h"

#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

TEST(TransferCoding, base64) {
    EXPECT_EQ(decode_base64(""), "");
    EXPECT_EQ(decode_base64("aGVsbG8="), "hello");
    EXPECT_EQ(decode_base64("aGVsbG8"), "hello");
    EXPECT_EQ(decode_base64("aGVs\r\nbG8g\r\n d29ybGQ=\r\n"), "hello world");
    EXPECT_EQ(decode_base64("aG*V!s-bG8="), "hello");  // as decoders do that pass over what is not theirs
    EXPECT_EQ(decode_base64("aGVsbG8=IHdvcmxk"), "hello world");
    EXPECT_EQ(decode_base64("////"), "\xff\xff\xff");
    EXPECT_EQ(decode_base64("A"), "");
    EXPECT_EQ(decode_base64("===="), "");
}

TEST(TransferCoding, quoted_printable) {
    EXPECT_EQ(decode_quoted_printable(""), "");
    EXPECT_EQ(decode_quoted_printable("a=3Db=3db"), "a=b=b");
    EXPECT_EQ(decode_quoted_printable("one =\r\nline=\n, and  =\r\nmore"), "one line, and  more");
    EXPECT_EQ(decode_quoted_printable("soft= \t\r\nbreak"), "softbreak");
    EXPECT_EQ(decode_quoted_printable("blanks  \r\ngo \t"), "blanks\r\ngo");
    EXPECT_EQ(decode_quoted_printable("a=ZZ=4"), "a=ZZ=4");
    EXPECT_EQ(decode_quoted_printable("end="), "end");
    EXPECT_EQ(decode_quoted_printable("=00"), std::string(1, '\0'));
}

}  // namespace
}  // namespace sluice::mime
