// SPDX-License-Identifier: Apache-2.0
#include "net/runtime.h"

#include <pthread.h>
#include <csignal>

namespace sluice::net {

Runtime::Runtime(std::size_t workers, const Limits& limits, const ResolverConfig& resolver) : name_files_(resolver) {
    name_files_.read_if_changed();
    for (std::size_t i = 0; i < workers; ++i) {
        workers_.push_back(std::make_unique<Worker>(limits, i));
        workers_.back()->resolver().use(name_files_.data());
    }
}

Runtime::~Runtime() { stop(); }

void Runtime::start() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (const auto& worker : workers_) threads_.emplace_back([&worker = *worker] { worker.run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Runtime::post_to_all(const std::function<void(Worker&)>& call) {
    for (const auto& worker : workers_) worker->post([&worker = *worker, call] { call(worker); });
}

void Runtime::reload_name_files_if_changed() {
    if (!name_files_.read_if_changed()) return;
    post_to_all([data = name_files_.data()](Worker& worker) { worker.resolver().use(data); });
}

void Runtime::stop_accepting() {
    post_to_all([](Worker& worker) { worker.stop_accepting(); });
}

void Runtime::cancel_all() {
    post_to_all([](Worker& worker) { worker.cancel_all(); });
}

std::size_t Runtime::live() const {
    std::size_t total = 0;
    for (const auto& worker : workers_) total += worker->live();
    return total;
}

void Runtime::stop() {
    for (const auto& worker : workers_) worker->stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

}  // namespace sluice::net
