// SPDX-License-Identifier: Apache-2.0
// The proxy's side of the scanner processes: starts the supervisor, gives jobs to free scanners, kills what is late, and starts anew what has died.
// A scanner that crashes costs the verdict of its job, a supervisor that dies costs nothing, and a new generation of rules takes over once its first
// scanner is ready, while the old one finishes what it began.
//
// Socket I/O is on a thread of the pool's own; nothing blocks a worker. The pool is destroyed after the workers' loops have ended, and before the
// workers are: by then it has answered everybody.
#pragma once

#include "base/diagnostic.h"
#include "inspect/descriptor.h"
#include "inspect/scanner/member.h"
#include "inspect/scanner/protocol.h"
#include "inspect/scanner/scan_limits.h"
#include "inspect/scanner/scanner_main.h"
#include "inspect/verdict.h"
#include "net/task.h"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sluice::net {
class Worker;
}

namespace sluice::inspect {

class ScannerPool {
public:
    struct Options {
        std::string program;  // our own binary; it calls `run_supervisor` with `supervisor_descriptor`
        std::vector<std::string> arguments;  // what it knows that by; `to_arguments` follows
        std::size_t queue = 1024;  // jobs that wait for a scanner; beyond: overloaded
    };

    struct Job {
        Descriptor object;  // sealed memory, or a file that nobody writes to; read-only is enough
        std::uint64_t size = 0;
        std::string name;
        protocol::Engines engines;
        protocol::Fault fault = protocol::Fault::none;
        std::uint64_t rules_generation = 0;  // as protocol::Job has it
        mime::MultipartType multipart;
        ScanLimits limits;
        std::chrono::steady_clock::time_point deadline;  // waiting for a scanner included
        bool wants_digests = false;
        std::function<void(const Member&)> on_member;  // may be empty; on the asking worker, before `scan` goes on
    };

    struct Counters {
        std::uint64_t jobs = 0;  // given to a scanner
        std::uint64_t crashes = 0;  // jobs whose scanner ended
        std::uint64_t timeouts = 0;  // jobs whose scanner was killed
        std::uint64_t overloaded = 0;  // jobs that no scanner took
        std::uint64_t births = 0;  // scanners
        std::uint64_t respawns = 0;  // supervisors that were started because one had ended
        std::uint64_t queued = 0;  // now
        std::uint64_t scanners = 0;  // now, ready: free or busy
        std::uint64_t busy = 0;  // now
        std::uint64_t rules = 0;  // of the generation in use
    };

    struct Processes {
        pid_t supervisor = 0;  // 0: none now
        std::vector<pid_t> scanners;
    };

    explicit ScannerPool(Options options);  // throws std::system_error where the system has nothing left
    ~ScannerPool();
    ScannerPool(const ScannerPool&) = delete;
    ScannerPool& operator=(const ScannerPool&) = delete;

    // Starts a generation and waits until its first scanner is ready: the first one, or one with other rules. With errors among the diagnostics
    // everything is as before. Not on a worker: rules take seconds. One call at a time.
    Diagnostics load(const SupervisorOptions& options);

    // The outcome; never an error. `timeout`, `crashed` and `overloaded` are the pool's own. From any worker.
    net::Task<Outcome> scan(net::Worker& worker, Job job);

    Counters counters() const;  // from any thread
    Processes processes();  // from any thread but the workers'; waits for the pool's

private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace sluice::inspect
