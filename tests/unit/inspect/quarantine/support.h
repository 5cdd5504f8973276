// SPDX-License-Identifier: Apache-2.0
// A quarantine in a folder of its own.
#pragma once

#include "inspect/quarantine/quarantine.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::test {

// Not in one piece, so that no scanner takes this source for the test file.
inline const std::string eicar = std::string(R"(X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-)") + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

inline std::string contents(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::filesystem::path& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

inline unsigned mode_of(const std::filesystem::path& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

inline std::set<std::string> names_in(const std::filesystem::path& folder) {
    std::set<std::string> names;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(folder, none)) names.insert(entry.path().filename().string());
    return names;
}

class QuarantineTest : public ::testing::Test {
protected:
    QuarantineTest() {
        std::string name = (std::filesystem::temp_directory_path() / "sluice-quarantine-XXXXXX").string();
        root_ = ::mkdtemp(name.data());
        dir_ = root_ / "state" / "quarantine";
    }
    ~QuarantineTest() override {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }

    inspect::Quarantine::Options options(std::uint64_t max_size = 1 << 20) const {
        return {.dir = dir_, .max_size = max_size, .keep = std::chrono::hours(24)};
    }
    // "0000000000000001"
    static std::string id(unsigned number) {
        const std::string digits = std::to_string(number);
        return std::string(16 - digits.size(), '0') + digits;
    }
    static Result<void> put(inspect::Quarantine& quarantine, unsigned number, std::string_view content, std::string_view event = "{}") {
        return quarantine.store(id(number), std::span(&content, 1), event);
    }
    static std::vector<std::string> ids(const inspect::Quarantine& quarantine) {
        std::vector<std::string> found;
        const auto samples = quarantine.list();
        EXPECT_TRUE(samples);
        if (samples)
            for (const inspect::Sample& sample : *samples) found.emplace_back(sample.id.view());
        return found;
    }
    std::filesystem::path object(unsigned number) const { return dir_ / (id(number) + ".sample"); }
    std::filesystem::path metadata(unsigned number) const { return dir_ / (id(number) + ".meta"); }
    // As if it had been stored so long ago.
    void age(unsigned number, std::chrono::seconds by) const {
        std::filesystem::last_write_time(metadata(number), std::filesystem::file_time_type::clock::now() - by);
    }

    std::filesystem::path root_, dir_;
};

}  // namespace sluice::test
