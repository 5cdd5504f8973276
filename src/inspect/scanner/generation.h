// SPDX-License-Identifier: Apache-2.0
// A supervisor and the scanners that it bore, as the pool's thread sees them. Everything here belongs to that thread.
#pragma once

#include "base/diagnostic.h"
#include "inspect/descriptor.h"
#include "inspect/scanner/packet_socket.h"
#include "inspect/scanner/protocol.h"
#include "inspect/scanner/scanner_main.h"
#include "net/reactor.h"
#include "net/timer.h"
#include "net/worker.h"

#include <sys/types.h>

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace sluice::inspect {

struct Ask;

// Calls whenever the descriptor can be read, or its other end has gone.
class Watch final : public net::EventSource {
public:
    // Null where the system has nothing left. `call` may destroy the watch only after it has returned.
    static std::unique_ptr<Watch> make(net::Reactor& reactor, int descriptor, std::function<void()> call);
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { stop(); }

    // No more calls. Before the descriptor is closed: its number may be another's at once.
    void stop();

private:
    Watch(net::Reactor& reactor, int descriptor, std::function<void()> call)
        : reactor_(reactor),
          descriptor_(descriptor),
          call_(std::move(call)) {}
    void on_ready(std::uint32_t events) override;

    net::Reactor& reactor_;
    int descriptor_;
    std::function<void()> call_;
};

// One scanner process.
struct Scanner {
    pid_t pid = 0;
    Descriptor socket;
    Descriptor handle;                                       // pidfd: a signal never hits another process
    bool is_ready = false;
    std::shared_ptr<Ask> ask;                                // what it works on
    std::uint64_t job_id = 0;
    std::uint32_t members = 0;                               // told of that job
    std::unique_ptr<net::Timer> deadline;
    std::unique_ptr<Watch> watch;

    void kill() const;
};

// One supervisor process, running the program anew.
struct Generation {
    SupervisorOptions options;
    pid_t pid = 0;                                           // 0: it has ended
    Descriptor control;
    Descriptor handle;
    bool is_retired = false;                                 // takes no more jobs
    std::uint64_t rules = 0;
    Diagnostics diagnostics;
    std::list<std::unique_ptr<Scanner>> scanners;
    std::unique_ptr<Watch> control_watch;
    std::unique_ptr<Watch> end_watch;

    // No more scanners are born; the supervisor ends with the last of them.
    void shut();
    void kill() const;
    // Waits for the end of the killed or ended supervisor.
    void reap();
};

// Starts the program with its end of the control socket as `supervisor_descriptor`. overloaded, io_failed.
Result<std::unique_ptr<Generation>> spawn_supervisor(const std::string& program, const std::vector<std::string>& arguments,
                                                     const SupervisorOptions& options);

}  // namespace sluice::inspect
