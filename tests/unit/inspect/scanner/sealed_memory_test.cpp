// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/sealed_memory.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <cerrno>
#include <string>

namespace sluice::inspect {
namespace {

TEST(SealedMemory, holds_what_was_put_in_and_takes_no_more) {
    auto memory = SealedMemory::create();
    ASSERT_TRUE(memory);
    ASSERT_TRUE(memory->append("one "));
    ASSERT_TRUE(memory->append(""));
    ASSERT_TRUE(memory->append("two"));
    EXPECT_EQ(memory->size(), 7U);
    const auto sealed = std::move(*memory).seal();
    ASSERT_TRUE(sealed);
    char text[8] = {};
    EXPECT_EQ(::pread(sealed->get(), text, sizeof text, 0), 7);
    EXPECT_EQ(std::string(text), "one two");
    EXPECT_EQ(::pwrite(sealed->get(), "x", 1, 0), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_NE(::ftruncate(sealed->get(), 3), 0);
    EXPECT_NE(::ftruncate(sealed->get(), 9), 0);
    EXPECT_EQ(::mmap(nullptr, 7, PROT_READ | PROT_WRITE, MAP_SHARED, sealed->get(), 0), MAP_FAILED);
    constexpr int exec_seal = 0x0020;                        // kernels before 6.3 do not know it
    if (::fcntl(sealed->get(), F_GET_SEALS) & exec_seal) EXPECT_NE(::fchmod(sealed->get(), 0700), 0);
}

}  // namespace
}  // namespace sluice::inspect
