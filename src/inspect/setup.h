// SPDX-License-Identifier: Apache-2.0
// What a generation of the configuration inspects with, and what all payloads of the process share.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/limits.h"
#include "inspect/cut_urls.h"
#include "inspect/holding.h"
#include "inspect/scanner/protocol.h"
#include "inspect/scanner/scan_limits.h"
#include "inspect/signatures/content_hash.h"
#include "inspect/signatures/pattern_set.h"
#include "inspect/verdict_cache.h"
#include "net/aside.h"
#include "policy/inspect_options.h"

namespace sluice::inspect {

class Clamd;
class IcapClient;
class Quarantine;
class ScannerPool;

// Immutable, shared by all workers.
struct Setup {
    policy::EngineSet engines;
    std::shared_ptr<const PatternSet> patterns;          // null: the engine `signatures` is off, and no rule reads `body`
    std::size_t body_patterns = 0;                       // of the policy, in `patterns`
    std::uint64_t yara_generation = 0;                   // of the rules that scanners have: another number for other rules
    bool wants_sha256 = false;                           // a rule reads it
    bool keeps_content = false;                          // a rule may put payloads into the quarantine
    bool wants_members = false;                          // a rule reads what members of archives have
    std::uint64_t max_size = 0;                          // of a payload, as it comes and decoded: beyond it is too-large
    std::chrono::milliseconds timeout{30'000};           // of an engine, after the last byte
    ScanLimits scan_limits;
    std::shared_ptr<const Clamd> clamd;                  // null: not configured
    std::shared_ptr<const IcapClient> icap;              // null: not configured
    std::uint64_t outside_generation = 0;                // another one, another clamd or ICAP service
    Limits limits;
};

// SLUICE_FAULTS: what goes wrong on order, so that its consequences can be tried.
struct Faults {
    bool scanners_busy = false;
    protocol::Fault scanner = protocol::Fault::none;
    bool clamd_down = false;
    bool icap_down = false;
};

// Of the process; outlives all payloads.
struct Shared {
    explicit Shared(const Limits& limits)
        : cache(limits.verdict_cache_bytes),
          cut(limits),
          files(limits.file_threads, limits.aside_queue),
          clamd_calls(limits.engine_threads, limits.aside_queue),
          icap_calls(limits.engine_threads, limits.aside_queue) {}

    Storage storage;
    ContentHash::Key key{};                              // random: see ContentHash
    VerdictCache cache;
    CutUrls cut;
    net::Aside files;
    net::Aside clamd_calls;                              // apart, so that a slow one does not keep the other's scans waiting
    net::Aside icap_calls;
    Quarantine* quarantine = nullptr;                    // null: nothing is kept
    ScannerPool* scanners = nullptr;                     // null: there are none, and no engine needs them
    Faults faults;
};

}  // namespace sluice::inspect
