// SPDX-License-Identifier: Apache-2.0
// All workers and their threads.
#pragma once

#include "net/resolver.h"
#include "net/worker.h"

#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace sluice::net {

class Runtime {
public:
    Runtime(std::size_t workers, const Limits& limits, const ResolverConfig& resolver = {});
    ~Runtime();                                              // stops
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    std::size_t size() const { return workers_.size(); }
    Worker& worker(std::size_t index) { return *workers_[index]; }

    // Starts the threads. Signals are blocked in them: the main thread takes those.
    void start();
    // Calls it on every worker.
    void post_to_all(const std::function<void(Worker&)>& call);
    // Reads the hosts file and resolv.conf where they changed (or were replaced), on the calling thread, and hands them to the workers.
    // Call it every other second from a thread that carries no traffic.
    void reload_name_files_if_changed();

    // Draining: close the listeners; wait until `live` is 0 (or enough time has passed); `cancel_all`; `stop`.
    void stop_accepting();
    void cancel_all();
    std::size_t live() const;  // tasks, all workers
    void stop();  // ends the loops and joins the threads

private:
    NameFiles name_files_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<std::thread> threads_;
};

}  // namespace sluice::net
