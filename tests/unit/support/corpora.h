// SPDX-License-Identifier: Apache-2.0
// Where third-party test data lies, which is not in this repository: $SLUICE_CORPORA, or ../shared/corpora beside the sources.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace sluice::test {

// Empty if it is not there: the test says that it skips.
inline std::filesystem::path corpus(const char* name) {
    const char* set = std::getenv("SLUICE_CORPORA");
    const std::filesystem::path root =
        set != nullptr ? std::filesystem::path(set) : std::filesystem::path(SLUICE_SOURCE_DIR).parent_path() / "shared" / "corpora";
    return std::filesystem::exists(root / name) ? root / name : std::filesystem::path();
}

}  // namespace sluice::test
