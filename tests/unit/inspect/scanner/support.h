// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share.
#pragma once

#include <gtest/gtest.h>

#include <unistd.h>
#include <cstdlib>
#include <string>
#include <string_view>

namespace sluice::inspect {

// EICAR's string, which is not in this file as one piece: no scanner shall find it here.
inline std::string eicar() { return std::string("X5O!P%@AP[4\\PZX54(P^)") + "7CC)7}$EICAR" + "-STANDARD-ANTIVIRUS" + "-TEST-FILE!$H+H*"; }

// A file with that content, as long as the object lives.
class TemporaryFile {
public:
    explicit TemporaryFile(std::string_view content) {
        const int descriptor = ::mkstemp(path_.data());
        EXPECT_GE(descriptor, 0);
        EXPECT_EQ(::write(descriptor, content.data(), content.size()), static_cast<ssize_t>(content.size()));
        ::close(descriptor);
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() { ::unlink(path_.c_str()); }
    const std::string& path() const { return path_; }

private:
    std::string path_ = ::testing::TempDir() + "sluice-scanner-XXXXXX";
};

}  // namespace sluice::inspect
