// SPDX-License-Identifier: Apache-2.0
// What an ArchiveEngine says of an object, and of what is in it.
#pragma once

#include "inspect/scanner/archive_engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::inspect {

struct Scan {
    Outcome outcome;
    std::vector<Member> members;
};

inline Scan scan(std::string_view object, std::string_view name = "object", ScanLimits limits = {},
                 std::vector<ArchiveEngine::Engine> engines = {}, mime::MultipartType multipart = {}, ArchiveEngine::Search search = {}) {
    ArchiveEngine engine(std::move(engines));
    Scan result;
    const ArchiveEngine::Plan plan{.limits = limits,
                                   .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60),
                                   .opens = true,
                                   .wants_digests = true,
                                   .multipart = std::move(multipart),
                                   .search = std::move(search),
                                   .on_member = [&](const Member& member) { result.members.push_back(member); }};
    result.outcome = engine.scan(object, name, plan);
    EXPECT_GE(engine.members(), result.members.size());
    return result;
}

inline std::string words(const Outcome& outcome) {
    return std::string(to_string(outcome.verdict)) + ' ' + std::string(to_string(outcome.reason)) + outcome.threat;
}
inline std::string verdict_of(std::string_view object, ScanLimits limits = {}) { return words(scan(object, "object", limits).outcome); }

inline const std::string infected = "infected EICAR-Test-File";

}  // namespace sluice::inspect
